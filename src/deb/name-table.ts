/**
 * Finds records by a name that stands in the same bytes: a hash table of offsets, so that a hundred thousand
 * names cost no strings.
 */
export class NameTable {
  readonly #bytes: Buffer
  readonly #lowercase: boolean
  readonly #heads: Int32Array
  /** per entry: the earlier one with the same hash, or -1 */
  #earlier: Int32Array = new Int32Array(1024)
  #record: Int32Array = new Int32Array(1024)
  #start: Uint32Array = new Uint32Array(1024)
  #end: Uint32Array = new Uint32Array(1024)
  #count = 0

  /** `expected` entries or so; with `lowercase` upper case letters in `bytes` count as lower case ones. */
  constructor(
    bytes: Buffer,
    { expected, lowercase }: { readonly expected: number; readonly lowercase: boolean },
  ) {
    this.#bytes = bytes
    this.#lowercase = lowercase
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(expected + 1024))).fill(-1)
  }

  /** The record is called what stands from `start` to `end`; records come in rising order. */
  add(record: number, start: number, end: number): void {
    if (this.#count === this.#record.length) this.#grow()
    let hash = seed
    for (let at = start; at < end; at++) hash = step(hash, this.#bytes[at]!)
    const head = hash & (this.#heads.length - 1)
    this.#earlier[this.#count] = this.#heads[head]!
    this.#record[this.#count] = record
    this.#start[this.#count] = start
    this.#end[this.#count] = end
    this.#heads[head] = this.#count++
  }

  /** The records of this name, each once, in the order they came. */
  find(name: string): readonly number[] {
    const wanted = Buffer.from(name)
    let hash = seed
    for (const byte of wanted) hash = step(hash, byte)
    const found: number[] = []
    for (
      let entry = this.#heads[hash & (this.#heads.length - 1)]!;
      entry >= 0;
      entry = this.#earlier[entry]!
    ) {
      const record = this.#record[entry]!
      if (this.#isCalled(entry, wanted) && found.at(-1) !== record) found.push(record)
    }
    return found.toReversed()
  }

  /** Every name, each once. */
  *names(): Generator<string> {
    const seen = new Set<string>()
    for (let entry = 0; entry < this.#count; entry++) {
      const written = this.#bytes.toString('utf8', this.#start[entry], this.#end[entry])
      const name = this.#lowercase
        ? written.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
        : written
      if (!seen.has(name)) yield name
      seen.add(name)
    }
  }

  #isCalled(entry: number, name: Buffer): boolean {
    const start = this.#start[entry]!
    if (this.#end[entry]! - start !== name.length) return false
    for (let i = 0; i < name.length; i++) {
      const byte = this.#bytes[start + i]!
      if ((this.#lowercase ? lower(byte) : byte) !== name[i]) return false
    }
    return true
  }

  #grow(): void {
    const length = this.#record.length * 2
    const grown = <T extends Int32Array | Uint32Array>(old: T, larger: T): T => {
      larger.set(old)
      return larger
    }
    this.#earlier = grown(this.#earlier, new Int32Array(length))
    this.#record = grown(this.#record, new Int32Array(length))
    this.#start = grown(this.#start, new Uint32Array(length))
    this.#end = grown(this.#end, new Uint32Array(length))
  }
}

/** FNV-1a, 32 bits; case is left to the comparison. */
const seed = 0x811c9dc5

function step(hash: number, byte: number): number {
  return Math.imul(hash ^ lower(byte), 0x01000193)
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte | 32 : byte
}
