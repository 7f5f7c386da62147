declare module 'unbzip2-stream/lib/bit_iterator.js' {
  /** Reads bits of buffers that `next` hands out; `null` goes on to a byte boundary. */
  export interface Bits {
    (count: number | null): number
    readonly bytesRead: number
  }
  export default function bitIterator(next: () => Uint8Array): Bits
}

declare module 'unbzip2-stream/lib/bzip2.js' {
  import type { Bits } from 'unbzip2-stream/lib/bit_iterator.js'
  const decoder: {
    /** Reads a stream's header: the block size in units of 100,000 bytes. */
    header(bits: Bits): number
    /** Decodes a block: the stream's checksum so far, or null after the stream's end. */
    decompress(
      bits: Bits,
      push: (byte: number) => void,
      work: Int32Array,
      size: number,
      checksum: number,
    ): number | null
  }
  export default decoder
}
