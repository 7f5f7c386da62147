import { parseDependencies, type Dependency } from './dependency.ts'
import { PlinthError } from '../errors.ts'

/** What an index says about one package (apk-v2(5)). */
export interface IndexRecord {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** of the package's control part, `Q1` and base64: what identifies it */
  readonly checksum: string
  /** bytes of the package file */
  readonly size: number
  /** bytes it takes when unpacked; of 0 apk takes for nothing to fetch */
  readonly installedSize: number
  readonly description: string
  readonly url: string
  readonly license: string
  readonly origin: string
  readonly maintainer: string
  /** seconds since 1970 */
  readonly buildTime: number | undefined
  readonly commit: string
  readonly providerPriority: number
  readonly depends: readonly Dependency[]
  readonly provides: readonly Dependency[]
  readonly installIf: readonly Dependency[]
  /** the record itself, one line a field */
  readonly text: string
  /** letters of fields that are given and empty, which apk's database tells from not given */
  readonly emptyFields: string
  /** letters apk 2.14 does not know and must not install a package with */
  readonly unknownFields: string
}

const fields = {
  name: 'P',
  version: 'V',
  architecture: 'A',
  checksum: 'C',
  size: 'S',
  installedSize: 'I',
  description: 'T',
  url: 'U',
  license: 'L',
  origin: 'o',
  maintainer: 'm',
  buildTime: 't',
  commit: 'c',
  providerPriority: 'k',
  depends: 'D',
  provides: 'p',
  installIf: 'i',
} as const satisfies Readonly<Partial<Record<keyof IndexRecord, string>>>

const known = new Set<string>(Object.values(fields))

/** Parses the text of an APKINDEX: stanzas of `letter:value` lines. Throws `INDEX_INVALID`. */
export function parseIndexRecords(text: string): readonly IndexRecord[] {
  const records: IndexRecord[] = []
  let lines = new Map<string, string>()
  const finish = (): void => {
    if (lines.size > 0) records.push(createRecord(lines))
    lines = new Map()
  }
  for (let start = 0; start < text.length;) {
    const found = text.indexOf('\n', start)
    const end = found === -1 ? text.length : found
    if (end === start) finish()
    else {
      if (text[start + 1] !== ':') throw malformed(text.slice(start, end))
      lines.set(text[start]!, text.slice(start + 2, end))
    }
    start = end + 1
  }
  finish()
  return records
}

function malformed(line: string): PlinthError {
  const shown = line.length > 80 ? `${line.slice(0, 80)}…` : line
  return new PlinthError('INDEX_INVALID', `'${shown}' is not a line of an APKINDEX`, {
    hint: 'each is a letter, a colon and a value',
  })
}

function createRecord(lines: ReadonlyMap<string, string>): IndexRecord {
  const textOf = (field: keyof typeof fields): string => lines.get(fields[field]) ?? ''
  const name = textOf('name')
  for (const field of ['name', 'version', 'checksum'] as const) {
    if (textOf(field) !== '') continue
    throw new PlinthError(
      'INDEX_INVALID',
      `a package of the index${name === '' ? '' : `, ${name},`} has no ${field} (${fields[field]}:)`,
    )
  }
  const number = (field: keyof typeof fields): number => {
    const digits = textOf(field)
    if (/^\d{0,15}$/.test(digits)) return Number(digits)
    throw new PlinthError(
      'INDEX_INVALID',
      `${fields[field]}:${digits} of ${name} in the index is not a number`,
    )
  }
  // most packages of an index are never looked at, and parsing these is most of the work
  const list = (field: 'depends' | 'provides' | 'installIf'): (() => readonly Dependency[]) => {
    let parsed: readonly Dependency[] | undefined
    return () => (parsed ??= parseDependencies(textOf(field)))
  }
  const depends = list('depends')
  const provides = list('provides')
  const installIf = list('installIf')
  return {
    name,
    version: textOf('version'),
    architecture: textOf('architecture'),
    checksum: textOf('checksum'),
    size: number('size'),
    installedSize: number('installedSize'),
    description: textOf('description'),
    url: textOf('url'),
    license: textOf('license'),
    origin: textOf('origin'),
    maintainer: textOf('maintainer'),
    buildTime: lines.has(fields.buildTime) ? number('buildTime') : undefined,
    commit: textOf('commit'),
    providerPriority: number('providerPriority'),
    get depends() {
      return depends()
    },
    get provides() {
      return provides()
    },
    get installIf() {
      return installIf()
    },
    get text() {
      return [...lines].map(([letter, value]) => `${letter}:${value}\n`).join('')
    },
    get emptyFields() {
      return [...lines].flatMap(([key, value]) => (value === '' ? [key] : [])).join('')
    },
    // small letters may be ignored, capital ones change what a package means
    unknownFields: [...lines.keys()].filter((key) => /[A-Z]/.test(key) && !known.has(key)).join(''),
  }
}
