import bitIterator from 'unbzip2-stream/lib/bit_iterator.js'
import decoder from 'unbzip2-stream/lib/bzip2.js'

/**
 * Decompresses bzip2, also several streams after one another. It drives the decoder itself, block by block:
 * the library's own stream decodes all the input it has at once, and a block of forty bytes may give 45 MB.
 */
export async function* unbzip2(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = chunks[Symbol.asyncIterator]()
  const queue: Uint8Array[] = []
  let received = 0
  let ended = false
  /** Reads ahead until `wanted` bytes are there that the decoder has not seen. */
  const fill = async (wanted: number, seen: number): Promise<boolean> => {
    while (!ended && received - seen < wanted) {
      const { done, value } = await input.next()
      if (done) ended = true
      else if (value.length > 0) {
        queue.push(value)
        received += value.length
      }
    }
    return received > seen
  }
  try {
    if (!(await fill(1, 0))) return
    const bits = bitIterator(() => {
      const next = queue.shift()
      if (next === undefined) throw new Error('the bzip2 data ends early')
      return next
    })
    for (;;) {
      if (!(await fill(4, bits.bytesRead))) return
      const level = decoder.header(bits)
      const work = new Int32Array(level * 100_000)
      for (let checksum: number | null = 0; checksum !== null;) {
        // no block is longer than this, whatever it holds
        await fill(work.length + 25_000, bits.bytesRead)
        const block = new Block()
        checksum = decoder.decompress(bits, block.push, work, work.length, checksum)
        if (block.length > 0) yield block.bytes()
      }
    }
  } finally {
    if (!ended) await input.return?.()
  }
}

/** Bytes of one block; they come one by one. */
class Block {
  length = 0
  #bytes = new Uint8Array(1024 * 1024)

  readonly push = (byte: number): void => {
    if (this.length === this.#bytes.length) {
      const larger = new Uint8Array(this.length * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes[this.length++] = byte
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }
}
