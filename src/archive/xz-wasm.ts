import { ReadableStream } from 'node:stream/web'

/**
 * Decompresses xz (concatenated streams, padding between them) by WebAssembly: slower than the binding, without
 * the x86 filter and SHA-256 checks that no Debian package uses.
 */
export async function* unxzWasm(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const module = await import('xz-decompress')
  const { XzReadableStream } = (module as unknown as { default?: typeof module }).default ?? module
  const pieces = cutAtFooters(chunks)
  try {
    for (let streams = 0; ; streams++) {
      const first = await afterPadding(pieces)
      if (first === undefined && streams > 0) return
      let head = first
      const input = new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            const piece = head ?? (await pieces.next()).value
            head = undefined
            if (piece === undefined) controller.close()
            else controller.enqueue(piece)
          },
        },
        { highWaterMark: 0 },
      )
      yield* new XzReadableStream(input) as unknown as AsyncIterable<Uint8Array>
    }
  } finally {
    await pieces.return(undefined)
  }
}

/**
 * Input in pieces that end wherever a stream may end: the decoder reads one stream and forgets what it was
 * given beyond it. A stream ends with `YZ` (xz file format, 2.1.2.4).
 */
async function* cutAtFooters(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let last = 0
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let start = 0
    if (last === 0x59 && bytes[0] === 0x5a) yield bytes.subarray(0, (start = 1))
    for (let at = bytes.indexOf('YZ', start); at >= 0; at = bytes.indexOf('YZ', start)) {
      yield bytes.subarray(start, at + 2)
      start = at + 2
    }
    if (start < bytes.length) yield bytes.subarray(start)
    last = bytes.at(-1) ?? last
  }
}

/** The next piece that holds more than the zero bytes allowed between streams, without them. */
async function afterPadding(pieces: AsyncGenerator<Uint8Array>): Promise<Uint8Array | undefined> {
  for (;;) {
    const { done, value } = await pieces.next()
    if (done) return undefined
    const start = value.findIndex((byte) => byte !== 0)
    if (start >= 0) return value.subarray(start)
  }
}
