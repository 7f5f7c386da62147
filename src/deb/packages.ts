import { PlinthError } from '../errors.ts'
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
 * package name; what else a stanza lacks shows when its record is asked for.
 */
export function indexPackages(content: Uint8Array, file: string): PackagesIndex {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  const starts = findStanzas(bytes)
  const { first, next } = indexNames(bytes, starts, file)
  const provided = indexProvides(bytes, starts)
  const essential = stanzasWith(bytes, starts, '\nEssential: yes\n')
  const byPriority = new Map<string, readonly number[]>()
  const end = (number: number): number => stanzaEnd(bytes, starts[number + 1] ?? bytes.length)

  return {
    file,
    bytes,
    size: starts.length,
    find(name) {
      const found: number[] = []
      for (let at = first.get(name) ?? -1; at >= 0; at = next[at] ?? -1) found.push(at)
      return found
    },
    providersOf(name) {
      const found = provided.get(name)
      return found === undefined ? [] : typeof found === 'number' ? [found] : found
    },
    names: () => first.keys(),
    providedNames: () => provided.keys(),
    essential: () => essential,
    withPriority(priority) {
      let found = byPriority.get(priority)
      if (found === undefined) {
        found = stanzasWith(bytes, starts, `\nPriority: ${priority}\n`)
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

const newline = 10

/** Where each stanza begins. Blank lines part them; any number of them, also at both ends. */
function findStanzas(bytes: Buffer): Uint32Array<ArrayBuffer> {
  const blank = Buffer.from('\n\n')
  let starts = new Uint32Array(1024)
  let count = 0
  let at = skipBlank(bytes, 0)
  while (at < bytes.length) {
    if (count === starts.length) {
      const grown = new Uint32Array(starts.length * 2)
      grown.set(starts)
      starts = grown
    }
    starts[count++] = at
    const end = bytes.indexOf(blank, at)
    if (end < 0) break
    at = skipBlank(bytes, end + 2)
  }
  return starts.slice(0, count)
}

function skipBlank(bytes: Buffer, at: number): number {
  while (bytes[at] === newline) at++
  return at
}

function stanzaEnd(bytes: Buffer, next: number): number {
  let end = next
  while (bytes[end - 1] === newline) end--
  return end
}

/** Name → first record, and each record's next of the same name. */
function indexNames(
  bytes: Buffer,
  starts: Uint32Array,
  file: string,
): { readonly first: ReadonlyMap<string, number>; readonly next: Int32Array } {
  const field = Buffer.from('\nPackage:')
  const first = new Map<string, number>()
  const last = new Map<string, number>()
  const next = new Int32Array(starts.length).fill(-1)
  for (let number = 0; number < starts.length; number++) {
    const start = starts[number] ?? 0
    // dpkg and dak write it first; the format allows it anywhere
    let at = start
    if (!beginsWithPackage(bytes, start)) {
      at = bytes.indexOf(field, start) + 1
      if (at === 0 || at >= (starts[number + 1] ?? bytes.length)) {
        const line = lineAt(bytes, start)
        throw new PlinthError(
          'INDEX_INVALID',
          `cannot use ${file}: line ${line}: a package without Package`,
          {
            hint: 'the index is broken at its source; try another mirror or snapshot',
            facts: { file, line },
          },
        )
      }
    }
    at += field.length - 1
    let end = bytes.indexOf(newline, at)
    if (end < 0) end = bytes.length
    while (bytes[at] === 32) at++
    const name = bytes.toString('latin1', at, end).trimEnd().toLowerCase()
    const before = last.get(name) ?? first.get(name)
    if (before === undefined) first.set(name, number)
    else {
      next[before] = number
      last.set(name, number)
    }
  }
  return { first, next }
}

const packageField = Buffer.from('Package:')

function beginsWithPackage(bytes: Buffer, at: number): boolean {
  for (let i = 0; i < packageField.length; i++) if (bytes[at + i] !== packageField[i]) return false
  return true
}

/** Provided name → record numbers; a lone number for the many that one package alone provides. */
function indexProvides(bytes: Buffer, starts: Uint32Array): ReadonlyMap<string, number | number[]> {
  const provided = new Map<string, number | number[]>()
  eachStanzaWith(bytes, starts, '\nProvides:', (number, at) => {
    for (const name of providedNames(bytes.toString('latin1', at, fieldEnd(bytes, at)))) {
      const before = provided.get(name)
      if (before === undefined) provided.set(name, number)
      else if (typeof before === 'number') {
        if (before !== number) provided.set(name, [before, number])
      } else if (before.at(-1) !== number) before.push(number)
    }
  })
  return provided
}

/** `awk, mail-transport-agent (= 1)` → names without version and architecture. */
function* providedNames(value: string): Generator<string> {
  for (const item of value.split(',')) {
    const name = /^\s*([^\s(:]+)/.exec(item)?.[1]
    if (name !== undefined) yield name
  }
}

/** The end of a field's value: the first line end that no continuation line follows. */
function fieldEnd(bytes: Buffer, from: number): number {
  let end = bytes.indexOf(newline, from)
  while (end >= 0 && (bytes[end + 1] === 32 || bytes[end + 1] === 9))
    end = bytes.indexOf(newline, end + 1)
  return end < 0 ? bytes.length : end
}

function stanzasWith(bytes: Buffer, starts: Uint32Array, line: string): readonly number[] {
  const found: number[] = []
  eachStanzaWith(bytes, starts, line, (number) => found.push(number))
  return found
}

/** Calls back for every stanza that holds `text`, with the offset after it; both rise, so one walk suffices. */
function eachStanzaWith(
  bytes: Buffer,
  starts: Uint32Array,
  text: string,
  found: (number: number, at: number) => void,
): void {
  const needle = Buffer.from(text)
  let number = 0
  for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + needle.length)) {
    while (number + 1 < starts.length && (starts[number + 1] ?? 0) <= at) number++
    found(number, at + needle.length)
  }
}

function lineAt(bytes: Buffer, offset: number): number {
  let line = 1
  for (let at = bytes.indexOf(newline); at >= 0 && at < offset; at = bytes.indexOf(newline, at + 1))
    line++
  return line
}
