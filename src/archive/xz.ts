import { createRequire } from 'node:module'
import { Readable, type Transform } from 'node:stream'

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

let native: NativeXz | 'missing' | undefined

function load(): NativeXz | 'missing' {
  try {
    return createRequire(import.meta.url)('lzma-native') as NativeXz
  } catch {
    return 'missing'
  }
}

async function* unxzNative(
  chunks: AsyncIterable<Uint8Array>,
  xz: NativeXz,
): AsyncGenerator<Uint8Array> {
  const decoder = xz.createStream('streamDecoder', {
    flags: xz.CONCATENATED,
    memlimit: memoryLimit,
    bufsize: 256 * 1024,
  })
  // the binding ends its output before it reports an error: a cut-off stream would look complete
  let failure: unknown
  decoder.on('error', (error) => (failure ??= error))
  for await (const chunk of Readable.from(chunks, { objectMode: false }).compose(decoder)) {
    yield chunk as Uint8Array
  }
  if (failure !== undefined) throw failure
}

/** The same by WebAssembly; exported so that both decoders pass the same tests. */
export async function* unxzWasm(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const module = await import('xz-decompress')
  const { XzReadableStream } = (module as unknown as { default?: typeof module }).default ?? module
  const input = Readable.toWeb(Readable.from(chunks, { objectMode: false }))
  yield* new XzReadableStream(
    input as ReadableStream<Uint8Array>,
  ) as unknown as AsyncIterable<Uint8Array>
}
