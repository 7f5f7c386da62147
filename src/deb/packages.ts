import { eachStanzaWith, lineAt, PackagesScanner } from './packages-scan.ts'
import { parsePackageRecord, type PackageRecord, type Priority } from './package-record.ts'

/**
 * A `Packages` index (Debian repository format), read lazily: names, provided names and the few
 * marked packages are found by scanning bytes; a stanza is parsed when it is asked for. It keeps the
 * bytes, not their text, so that several whole archives fit in memory.
 *
 * A record's number is its place in the file, from 0.
 */
export interface PackagesIndex {
  /** the name it has in messages */
  readonly file: string
  /** how many stanzas */
  readonly size: number
  /** Numbers of the records named `name`, in file order. */
  find(name: string): readonly number[]
  /** Numbers of the records that provide `name`, in file order. */
  providersOf(name: string): readonly number[]
  /** Every package name, each once. */
  names(): Iterable<string>
  /** Every provided name, each once. */
  providedNames(): Iterable<string>
  /** Numbers of the records with `Essential: yes`. */
  essential(): readonly number[]
  /** Numbers of the records with this priority; not for `optional` and `extra`, which are too many. */
  withPriority(priority: Exclude<Priority, 'optional' | 'extra'>): readonly number[]
  /** One record. Throws `INDEX_INVALID`. */
  record(number: number): PackageRecord
  /** Offset of a record's stanza in `bytes`. */
  offset(number: number): number
  readonly bytes: Buffer
}

/**
 * Indexes the decompressed bytes of a `Packages` file. Throws `INDEX_INVALID` for a stanza without a
 * package name; what else a stanza lacks shows when its record is asked for. Who scanned the file while it
 * arrived hands that `scan` over.
 */
export function indexPackages(
  content: Uint8Array,
  file: string,
  scan?: PackagesScanner,
): PackagesIndex {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  const scanned = (scan ?? new PackagesScanner(bytes)).finish(file)
  const { starts, named, providing, essential } = scanned
  const byPriority = new Map<string, readonly number[]>()
  const end = (number: number): number => stanzaEnd(bytes, starts[number + 1] ?? bytes.length)

  return {
    file,
    bytes,
    size: starts.length,
    find: (name) => named.find(name),
    providersOf: (name) => providing.find(name),
    names: () => named.names(),
    providedNames: () => providing.names(),
    essential: () => essential,
    withPriority(priority) {
      let found = byPriority.get(priority)
      if (found === undefined) {
        const all: number[] = []
        const line = `\nPriority: ${priority}\n`
        eachStanzaWith(bytes, { starts, from: 0, at: 0 }, line, (number) => all.push(number))
        found = all
        byPriority.set(priority, found)
      }
      return found
    },
    record(number) {
      const start = starts[number]
      if (start === undefined) throw new RangeError(`${file} has no record ${number}`)
      return parsePackageRecord(bytes.toString('utf8', start, end(number)), {
        file,
        line: () => lineAt(bytes, start),
      })
    },
    offset: (number) => starts[number] ?? bytes.length,
  }
}

function stanzaEnd(bytes: Buffer, next: number): number {
  let end = next
  while (bytes[end - 1] === newline) end--
  return end
}

const newline = 10
