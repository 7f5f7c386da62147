import type { PackagesIndex } from '../../deb/packages.ts'
import type { RankOrder } from './alternatives.ts'
import type { Package } from './cache.ts'
import type { Universe } from './universe.ts'

/**
 * Orders packages as apt numbers them: by the first stanza that speaks of them, as its own package or
 * in a relation, in the order of the indexes. apt falls back on these numbers where nothing else
 * tells two packages apart. Each first mention is searched for when it is needed, then remembered.
 */
export function mentionOrder(universe: Universe): RankOrder {
  const known = new Map<Package, Mention>()
  const mentionOf = (pkg: Package): Mention => {
    let mention = known.get(pkg)
    if (mention === undefined) {
      mention = findMention(universe, pkg)
      known.set(pkg, mention)
    }
    return mention
  }
  return (a, b) => {
    if (a === b) return 0
    const [left, right] = [mentionOf(a), mentionOf(b)]
    return (
      left.index - right.index ||
      left.stanza - right.stanza ||
      left.field - right.field ||
      left.at - right.at
    )
  }
}

/** The place of a mention: which index, which stanza (by offset), which field, where in it. */
interface Mention {
  readonly index: number
  readonly stanza: number
  readonly field: number
  readonly at: number
}

/** Fields that speak of packages, in the order apt reads them; the package itself comes before all. */
const fields = [
  'package',
  'pre-depends',
  'depends',
  'conflicts',
  'breaks',
  'recommends',
  'suggests',
  'replaces',
  'enhances',
  'provides',
]

function findMention(universe: Universe, pkg: Package): Mention {
  for (const [index, { packages }] of universe.indexes.entries()) {
    const own = packages
      .find(pkg.name)
      .find(
        (number) =>
          architectureOf(universe, packages.record(number).architecture) === pkg.architecture,
      )
    const end = own === undefined ? packages.bytes.length : packages.offset(own)
    const mention = searchMention(universe, packages, index, pkg, end)
    if (mention !== undefined) return mention
    if (own !== undefined) return { index, stanza: end, field: 0, at: end }
  }
  return { index: universe.indexes.length, stanza: 0, field: 0, at: 0 }
}

function architectureOf(universe: Universe, architecture: string): string {
  return architecture === 'all' ? universe.architecture : architecture
}

/** The first stanza before `end` with a relation to the package; in it, the first field apt reads. */
function searchMention(
  universe: Universe,
  { bytes }: PackagesIndex,
  index: number,
  pkg: Package,
  end: number,
): Mention | undefined {
  const needle = Buffer.from(pkg.name)
  let best: Mention | undefined
  for (let at = bytes.indexOf(needle); at >= 0 && at < end; at = bytes.indexOf(needle, at + 1)) {
    if (!standsAlone(bytes, at, at + needle.length)) continue
    const field = fields.indexOf(fieldAround(bytes, at))
    if (field <= 0) continue
    const stanza = bytes.lastIndexOf('\n\n', at) + 2
    if (best !== undefined && best.stanza !== stanza) break
    if (universe.foreign.length > 0 && !speaksOf(universe, bytes, stanza, pkg)) continue
    if (best === undefined || field < best.field) best = { index, stanza, field, at }
  }
  return best
}

/** Between the marks that part relations; `name:any` is a package of its own. */
function standsAlone(bytes: Buffer, start: number, end: number): boolean {
  return (
    ' ,|:\n\t'.includes(String.fromCharCode(bytes[start - 1] ?? 10)) &&
    ' ,|:(\n\t'.includes(String.fromCharCode(bytes[end] ?? 10)) &&
    !(bytes[end] === 58 && bytes.toString('latin1', end, end + 4) === ':any')
  )
}

/** The name of the field a place is in, in lower case. */
function fieldAround(bytes: Buffer, at: number): string {
  let start = bytes.lastIndexOf(10, at - 1) + 1
  while (start > 0 && (bytes[start] === 32 || bytes[start] === 9))
    start = bytes.lastIndexOf(10, start - 2) + 1
  return bytes.toString('latin1', start, bytes.indexOf(58, start)).toLowerCase()
}

/** A bare name means the architecture of the stanza it is in. */
function speaksOf(universe: Universe, bytes: Buffer, stanza: number, pkg: Package): boolean {
  const end = bytes.indexOf('\n\n', stanza)
  const text = bytes.toString('latin1', stanza, end < 0 ? bytes.length : end)
  const architecture = /^Architecture:\s*(\S+)/m.exec(text)?.[1] ?? ''
  return architectureOf(universe, architecture) === pkg.architecture
}
