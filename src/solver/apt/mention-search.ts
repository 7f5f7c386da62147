import type { PackagesIndex } from '../../deb/packages.ts'

/** Where an index speaks of a package: which stanza (by offset), which of its fields, where (by offset). */
interface Place {
  readonly stanza: number
  readonly field: number
  readonly at: number
}

/** A number that orders places of one index: by stanza, then by field in apt's order, then by position. */
export function rankOf({ stanza, field, at }: Place): number {
  return (stanza * 16 + field) * 2 ** 20 + Math.min(at - stanza, 2 ** 20 - 1)
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

/**
 * The rank of the first relation to `name` before `end`, or undefined. `speaking` leaves out stanzas
 * that mean another package of the name.
 */
export function firstMention(
  bytes: Buffer,
  name: string,
  end: number,
  speaking?: (stanza: string) => boolean,
): number | undefined {
  const needle = Buffer.from(name)
  let best: Place | undefined
  for (let at = bytes.indexOf(needle); at >= 0 && at < end; at = bytes.indexOf(needle, at + 1)) {
    if (!standsAlone(bytes, at, at + needle.length)) continue
    const field = fields.indexOf(fieldAround(bytes, at))
    if (field <= 0) continue
    const blank = bytes.lastIndexOf('\n\n', at)
    const stanza = blank < 0 ? 0 : blank + 2
    if (best !== undefined && best.stanza !== stanza) break
    if (speaking?.(stanzaAt(bytes, stanza)) === false) continue
    if (best === undefined || field < best.field) best = { stanza, field, at }
  }
  return best === undefined ? undefined : rankOf(best)
}

function stanzaAt(bytes: Buffer, start: number): string {
  const end = bytes.indexOf('\n\n', start)
  return bytes.toString('latin1', start, end < 0 ? bytes.length : end)
}

const [tab, newline, space, open, comma, colon, bar] = [9, 10, 32, 40, 44, 58, 124]

/** Between the marks that part relations; `name:any` is a package of its own. */
function standsAlone(bytes: Buffer, start: number, end: number): boolean {
  const before = bytes[start - 1] ?? newline
  const after = bytes[end] ?? newline
  return (
    [space, comma, bar, colon, newline, tab].includes(before) &&
    [space, comma, bar, colon, open, newline, tab].includes(after) &&
    !isAny(bytes, end)
  )
}

function isAny(bytes: Buffer, at: number): boolean {
  return bytes[at] === colon && bytes.toString('latin1', at, at + 4) === ':any'
}

/** The name of the field a place is in, in lower case. */
function fieldAround(bytes: Buffer, at: number): string {
  let start = bytes.lastIndexOf(newline, at - 1) + 1
  while (start > 0 && (bytes[start] === space || bytes[start] === tab)) {
    start = bytes.lastIndexOf(newline, start - 2) + 1
  }
  return bytes.toString('latin1', start, bytes.indexOf(colon, start)).toLowerCase()
}

/** The rank of the first mention of every name an index speaks of. */
export function everyMention(packages: PackagesIndex): ReadonlyMap<string, number> {
  const { bytes } = packages
  const ranks = new Map<string, number>()
  const note = (name: string, place: Place): void => {
    const rank = rankOf(place)
    const known = ranks.get(name)
    if (known === undefined || rank < known) ranks.set(name, rank)
  }
  for (const name of packages.names()) {
    for (const number of packages.find(name)) {
      const stanza = packages.offset(number)
      note(name, { stanza, field: 0, at: stanza })
    }
  }
  let number = 0
  for (let start = 0; start < bytes.length;) {
    const line = bytes.indexOf(newline, start)
    let end = line < 0 ? bytes.length : line
    const field = relationField(bytes, start)
    if (field > 0) {
      while (bytes[end + 1] === space || bytes[end + 1] === tab) {
        const next = bytes.indexOf(newline, end + 1)
        end = next < 0 ? bytes.length : next
      }
      while (packages.offset(number + 1) <= start && number + 1 < packages.size) number++
      const stanza = packages.offset(number)
      eachName(bytes, bytes.indexOf(colon, start) + 1, end, (name, at) =>
        note(name, { stanza, field, at }),
      )
    }
    start = end + 1
  }
  return ranks
}

/** Which relation field a line starts, or 0 for none. */
function relationField(bytes: Buffer, start: number): number {
  const first = (bytes[start] ?? 0) | 32
  for (let field = 1; field < fields.length; field++) {
    const name = fields[field] ?? ''
    if (name.charCodeAt(0) !== first || bytes[start + name.length] !== colon) continue
    if (bytes.toString('latin1', start, start + name.length).toLowerCase() === name) return field
  }
  return 0
}

/** The names of a relationship field, without versions; `name:any` is left out, it is another package. */
function eachName(
  bytes: Buffer,
  from: number,
  end: number,
  found: (name: string, at: number) => void,
): void {
  let at = from
  while (at < end) {
    while (at < end && !isNameByte(bytes[at] ?? 0)) at++
    const start = at
    while (at < end && isNameByte(bytes[at] ?? 0)) at++
    if (at > start && !isAny(bytes, at)) found(bytes.toString('latin1', start, at), start)
    while (at < end && bytes[at] !== comma && bytes[at] !== bar) at++
  }
}

function isNameByte(byte: number): boolean {
  return byte > space && byte !== comma && byte !== bar && byte !== open && byte !== colon
}
