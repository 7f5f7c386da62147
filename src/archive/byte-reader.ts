/** Exact reads over a chunked stream, without copying where a chunk holds all of it. */
export class ByteReader {
  /** bytes handed out so far */
  position = 0
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #early: (position: number) => Error
  #chunk: Buffer = Buffer.alloc(0)
  /** how much of the chunk was handed out */
  #at = 0
  #done = false

  /** `early` makes the error for an input that ends before what was asked for. */
  constructor(chunks: AsyncIterable<Uint8Array>, early: (position: number) => Error) {
    this.#iterator = chunks[Symbol.asyncIterator]()
    this.#early = early
  }

  /** Exactly `length` bytes. */
  async take(length: number): Promise<Buffer> {
    const bytes = await this.takeOrEnd(length)
    if (bytes === undefined && length > 0) throw this.#early(this.position)
    return bytes ?? Buffer.alloc(0)
  }

  /** Exactly `length` bytes where they are at hand already. */
  takeNow(length: number): Buffer | undefined {
    return length > 0 && this.#rest() >= length ? this.#advance(length) : undefined
  }

  /** Exactly `length` bytes, or undefined when nothing at all is left. */
  async takeOrEnd(length: number): Promise<Buffer | undefined> {
    const now = this.takeNow(length)
    if (now !== undefined) return now
    const parts: Buffer[] = []
    let missing = length
    while (missing > 0) {
      if (this.#rest() === 0 && !(await this.#next())) {
        if (missing === length) return undefined
        throw this.#early(this.position)
      }
      const part = this.#advance(Math.min(missing, this.#rest()))
      missing -= part.length
      parts.push(part)
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts)
  }

  /** At least one byte, at most `limit`. */
  async some(limit: number): Promise<Buffer> {
    if (this.#rest() === 0 && !(await this.#next())) throw this.#early(this.position)
    return this.#advance(Math.min(limit, this.#rest()))
  }

  /** Whether nothing is left. */
  async ended(): Promise<boolean> {
    return this.#rest() === 0 && !(await this.#next())
  }

  /** Puts back the end of what was just handed out. */
  unread(part: Buffer): void {
    if (part.length === 0) return
    this.#chunk = this.#rest() === 0 ? part : Buffer.concat([part, this.#chunk.subarray(this.#at)])
    this.#at = 0
    this.position -= part.length
  }

  /** Skips what is at hand of `length` bytes, and gives how many are not. */
  skipNow(length: number): number {
    const count = Math.min(length, this.#rest())
    this.#at += count
    this.position += count
    return length - count
  }

  async skip(length: number): Promise<void> {
    for (let missing = this.skipNow(length); missing > 0; missing = this.skipNow(missing))
      if (!(await this.#next())) throw this.#early(this.position)
  }

  /** Reads what is left. */
  async drain(): Promise<void> {
    while (await this.#next());
  }

  /** Lets go of the input where it was not read to its end. */
  async close(): Promise<void> {
    if (!this.#done) await this.#iterator.return?.()
  }

  #rest(): number {
    return this.#chunk.length - this.#at
  }

  #advance(length: number): Buffer {
    const part = this.#chunk.subarray(this.#at, this.#at + length)
    this.#at += length
    this.position += length
    return part
  }

  async #next(): Promise<boolean> {
    for (;;) {
      if (this.#done) return false
      const { value, done } = await this.#iterator.next()
      if (done) {
        this.#done = true
        this.#chunk = Buffer.alloc(0)
        this.#at = 0
        return false
      }
      if (value.length === 0) continue
      this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      this.#at = 0
      return true
    }
  }
}
