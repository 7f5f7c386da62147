import { isVersion, satisfiesVersion, type VersionOperator } from './version.ts'

/**
 * What apk can ask of a name: `musl`, `so:libc.musl-x86_64.so.1`, `cmd:sh`, `python3~3.12`, `!gcc<9`,
 * `nginx@edge`. In `provides` the version is the one the name is provided in.
 */
export interface Dependency {
  readonly name: string
  /** written with `!`: must not be there */
  readonly conflict: boolean
  /** `><` asks for the checksum of one package: `musl><Q1…` */
  readonly operator?: VersionOperator | '><' | undefined
  readonly version?: string | undefined
  /** of the repositories it may also come from (apk-world(5)) */
  readonly tag?: string | undefined
}

const form = /^(!?)([^<>=~@]*)(?:@([^<>=~]*))?(?:([<>=~]+)(.*))?$/

/** Parses one dependency as apk-world(5) has it; undefined where apk finds it malformed. */
export function parseDependency(text: string): Dependency | undefined {
  const [, mark, name, tag, signs, version] = form.exec(text) ?? []
  if (name === undefined) return undefined
  const conflict = mark === '!'
  const named = { name, conflict, ...(tag !== undefined && { tag }) }
  if (signs === undefined || version === undefined) return named
  const operator = operatorOf(signs)
  if (operator !== '><' && !isVersion(version)) return undefined
  if (version === '') return undefined
  return operator === undefined ? named : { ...named, operator, version }
}

/** Any order of the signs means the same: `=>` is `>=`. All three together ask for nothing. */
function operatorOf(signs: string): VersionOperator | '><' | undefined {
  const less = signs.includes('<')
  const greater = signs.includes('>')
  const fuzzy = signs.includes('~')
  const equal = fuzzy || signs.includes('=')
  if (less && greater) return equal ? undefined : '><'
  const order = less ? '<' : greater ? '>' : ''
  if (fuzzy) return `${order}~`
  if (order === '') return '='
  return equal ? `${order}=` : order
}

/**
 * Parses a field that lists dependencies (D, p and i of an index). As in apk, the first one that is
 * malformed ends the list, and a space at its start makes a first one of no name, which nothing has.
 */
export function parseDependencies(text: string): readonly Dependency[] {
  const found: Dependency[] = []
  for (const [place, word] of text.split(/[ \n]+/).entries()) {
    if (word === '' && (place > 0 || text === '')) continue
    const dependency = parseDependency(word)
    if (dependency === undefined) break
    found.push(dependency)
  }
  return found
}

/** A dependency as apk writes it. */
export function formatDependency({ name, conflict, operator, version, tag }: Dependency): string {
  const at = tag === undefined ? '' : `@${tag}`
  return `${conflict ? '!' : ''}${name}${at}${operator ?? ''}${version ?? ''}`
}

/**
 * Whether a package that has the name in `version` is what a dependency names, leaving aside whether it
 * wants or forbids it. What is provided without a version is none in particular.
 */
export function isNamedBy(
  { operator, version: wanted }: Dependency,
  version: string | undefined,
  checksum: string,
): boolean {
  if (operator === undefined || wanted === undefined) return true
  if (operator === '><') return wanted === checksum
  return version !== undefined && satisfiesVersion(version, operator, wanted)
}
