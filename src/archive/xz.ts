import { createRequire } from 'node:module'
import type { Transform } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { transformed } from './transformed.ts'

/** The part of the native binding used here. */
interface NativeXz {
  readonly CONCATENATED: number
  createStream(
    coder: 'streamDecoder',
    options: { flags: number; memlimit: number; bufsize: number },
  ): Transform
}

/** xz's largest preset needs 65 MiB to decode; a stream that asks for more than this is not a package's. */
const memoryLimit = 512 * 1024 * 1024

/**
 * Decompresses xz (all filters and checks, concatenated streams). liblzma's binding decodes on Node's
 * thread pool; where it has no build (musl), a WebAssembly decoder does, without the x86 filter and SHA-256
 * checks that no Debian package uses.
 */
export function unxz(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  native ??= load()
  return native === 'missing' ? unxzWasm(chunks) : unxzNative(chunks, native)
}

/** Whether `error` means that a stream asks for more memory than allowed. */
export function isXzMemoryError(error: unknown): boolean {
  const { name, message } = error as Error
  return name === 'LZMA_MEMLIMIT_ERROR' || / error code [34]$/.test(message)
}

let native: NativeXz | 'missing' | undefined

function load(): NativeXz | 'missing' {
  try {
    return createRequire(import.meta.url)('lzma-native') as NativeXz
  } catch {
    return 'missing'
  }
}

function unxzNative(chunks: AsyncIterable<Uint8Array>, xz: NativeXz): AsyncIterable<Uint8Array> {
  const decoder = xz.createStream('streamDecoder', {
    flags: xz.CONCATENATED,
    memlimit: memoryLimit,
    bufsize: 256 * 1024,
  })
  return transformed(slices(chunks), decoder)
}

/** xz expands at most some 7000-fold, and the binding holds all that one piece of input gives. */
const sliceSize = 8 * 1024

async function* slices(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += sliceSize) yield chunk.subarray(at, at + sliceSize)
  }
}

/** The same by WebAssembly; exported so that both decoders pass the same tests. */
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
