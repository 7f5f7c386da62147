import { PlinthError } from '../errors.ts'
import { NameTable } from './name-table.ts'

/** What scanning a `Packages` file finds; records are numbered by their place in the file, from 0. */
export interface PackagesScan {
  /** where each record's stanza begins */
  readonly starts: readonly number[]
  readonly named: NameTable
  readonly providing: NameTable
  readonly essential: readonly number[]
}

/**
 * Scans a `Packages` file (Debian repository format) for what packages are found by, piece by piece as it
 * arrives. Nothing it finds may be used before the whole file was verified, and it says so itself: a file
 * that is no index makes `finish` throw, never `advance`.
 */
export class PackagesScanner {
  readonly #bytes: Buffer
  readonly #starts: number[] = []
  readonly #named: NameTable
  readonly #providing: NameTable
  readonly #essential: number[] = []
  #done = 0
  /** where a stanza without a name begins */
  #nameless: number | undefined

  /** `bytes` is where the file is, or is going to be. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes
    // a stanza has some 800 bytes
    const expected = bytes.length / 800
    // as dpkg and apt read them
    this.#named = new NameTable(bytes, { expected, lowercase: true })
    this.#providing = new NameTable(bytes, { expected, lowercase: false })
  }

  /** The first `length` bytes are there now. */
  advance(length: number): void {
    const arrived = this.#bytes.subarray(this.#done, length)
    const end = arrived.lastIndexOf(blankLine)
    // the next piece may continue the blank lines; they belong to no stanza
    if (end >= 0) this.#scan(this.#done + end + 1)
  }

  /** All bytes are there and verified. Throws `INDEX_INVALID` for a stanza without a package name. */
  finish(file: string): PackagesScan {
    this.#scan(this.#bytes.length)
    if (this.#nameless !== undefined) {
      const line = lineAt(this.#bytes, this.#nameless)
      throw new PlinthError(
        'INDEX_INVALID',
        `cannot use ${file}: line ${line}: a package without Package`,
        {
          hint: 'the index is broken at its source; try another mirror or snapshot',
          facts: { file, line },
        },
      )
    }
    return {
      starts: this.#starts,
      named: this.#named,
      providing: this.#providing,
      essential: this.#essential,
    }
  }

  /** Scans whole stanzas, up to `end`. */
  #scan(end: number): void {
    const from = this.#starts.length
    const at = this.#done
    this.#done = end
    if (this.#nameless !== undefined) return
    const piece = this.#bytes.subarray(0, end)
    this.#findStanzas(piece, at)
    this.#findNames(piece, from)
    const stanzas = { starts: this.#starts, from, at }
    eachStanzaWith(piece, stanzas, '\nProvides:', (number, value) =>
      this.#findProvided(piece, number, value),
    )
    eachStanzaWith(piece, stanzas, '\nEssential: yes\n', (number) => this.#essential.push(number))
  }

  /** Blank lines part stanzas; any number of them, also at both ends. */
  #findStanzas(bytes: Buffer, from: number): void {
    let at = skipBlank(bytes, from)
    while (at < bytes.length) {
      this.#starts.push(at)
      const end = bytes.indexOf(blankLine, at)
      if (end < 0) break
      at = skipBlank(bytes, end + 2)
    }
  }

  #findNames(bytes: Buffer, from: number): void {
    for (let number = from; number < this.#starts.length; number++) {
      const start = this.#starts[number] ?? 0
      // dpkg and dak write it first; the format allows it anywhere
      let at = start
      if (!beginsWithPackage(bytes, start)) {
        at = bytes.indexOf(packageLine, start) + 1
        if (at === 0 || at >= (this.#starts[number + 1] ?? bytes.length)) {
          this.#nameless = start
          return
        }
      }
      at += packageField.length
      while (bytes[at] === space) at++
      let end = at
      while (end < bytes.length && bytes[end] !== newline) end++
      while (end > at && isBlank(bytes[end - 1]!)) end--
      this.#named.add(number, at, end)
    }
  }

  /** `awk, mail-transport-agent (= 1)` → names without version and architecture. */
  #findProvided(bytes: Buffer, number: number, value: number): void {
    let at = value
    for (;;) {
      while (at < bytes.length && isBlank(bytes[at]!)) {
        if (bytes[at] === newline && !continues(bytes[at + 1])) return
        at++
      }
      const start = at
      while (at < bytes.length && !endsName(bytes[at]!)) at++
      if (at > start) this.#providing.add(number, start, at)
      while (at < bytes.length && bytes[at] !== comma) {
        if (bytes[at] === newline && !continues(bytes[at + 1])) return
        at++
      }
      if (at >= bytes.length) return
      at++
    }
  }
}

const newline = 10
const space = 32
const tab = 9
const comma = 44
const colon = 58
const parenthesis = 40
const blankLine = Buffer.from('\n\n')
const packageField = Buffer.from('Package:')
const packageLine = Buffer.from('\nPackage:')

function skipBlank(bytes: Buffer, at: number): number {
  while (bytes[at] === newline) at++
  return at
}

function beginsWithPackage(bytes: Buffer, at: number): boolean {
  for (let i = 0; i < packageField.length; i++) if (bytes[at + i] !== packageField[i]) return false
  return true
}

function isBlank(byte: number): boolean {
  return byte === space || (byte >= tab && byte <= 13)
}

function endsName(byte: number): boolean {
  return byte === comma || byte === colon || byte === parenthesis || isBlank(byte)
}

/** Whether a line that begins so continues the field before it. */
function continues(byte: number | undefined): boolean {
  return byte === space || byte === tab
}

/**
 * Calls back for every stanza after offset `at`, number `from`, that holds `text`, with the offset after it;
 * both rise, so one walk suffices.
 */
export function eachStanzaWith(
  bytes: Buffer,
  {
    starts,
    from,
    at: begin,
  }: { readonly starts: readonly number[]; readonly from: number; readonly at: number },
  text: string,
  found: (number: number, at: number) => void,
): void {
  const needle = Buffer.from(text)
  let number = from
  for (
    let at = bytes.indexOf(needle, begin);
    at >= 0;
    at = bytes.indexOf(needle, at + needle.length)
  ) {
    while (number + 1 < starts.length && (starts[number + 1] ?? 0) <= at) number++
    found(number, at + needle.length)
  }
}

/** The number of the line, from 1, that the byte at `offset` is on. */
export function lineAt(bytes: Buffer, offset: number): number {
  let line = 1
  for (let at = bytes.indexOf(newline); at >= 0 && at < offset; at = bytes.indexOf(newline, at + 1))
    line++
  return line
}
