import { setImmediate } from 'node:timers/promises'
import { Decompress } from 'fzstd'
import { ByteReader } from './byte-reader.ts'

/** What `zstd` itself decodes unasked (its ZSTD_WINDOWLOG_LIMIT_DEFAULT). */
const maxWindow = 128 * 1024 * 1024

/** Raised when a frame asks for more memory than any package's does. */
export class WindowTooLarge extends Error {}

/** Decompresses zstd frames (RFC 8878) in JavaScript, for Node versions whose zlib has none. */
export async function* unzstd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = []
  const decoder = new Decompress((chunk) => {
    if (chunk.length > 0) ready.push(chunk)
  })
  let count = 0
  for await (const piece of frameParts(chunks)) {
    decoder.push(piece)
    yield* ready.splice(0)
    // decoding is synchronous: let others run, an abort above all
    if (++count % 16 === 0) await setImmediate()
  }
  decoder.push(new Uint8Array(0), true)
  yield* ready.splice(0)
}

/**
 * The parts of every frame: header, blocks, checksum. The decoder is given one block at a time, since it
 * decodes all it has at once: a few kilobytes of blocks that repeat one byte would fill the memory.
 */
async function* frameParts(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const reader = new ByteReader(chunks, (at) => new Error(`the frame ends early, at byte ${at}`))
  try {
    for (;;) {
      const magic = await reader.takeOrEnd(4)
      if (magic === undefined) return
      if ((magic.readUInt32LE() & 0xfffffff0) >>> 0 === 0x184d2a50) {
        await reader.skip((await reader.take(4)).readUInt32LE())
      } else if (magic.readUInt32LE() === 0xfd2fb528) {
        yield* frame(magic, reader)
      } else throw new Error(`no zstd frame at byte ${reader.position - 4}`)
    }
  } finally {
    await reader.close()
  }
}

/** One frame after its magic number (RFC 8878, 3.1.1). */
async function* frame(magic: Buffer, reader: ByteReader): AsyncGenerator<Buffer> {
  const flags = (await reader.take(1))[0]!
  const singleSegment = (flags & 0x20) !== 0
  const dictionarySize = [0, 1, 2, 4][flags & 3]!
  const contentFlag = flags >> 6
  const contentSize = contentFlag === 0 ? Number(singleSegment) : 1 << contentFlag
  const rest = await reader.take((singleSegment ? 0 : 1) + dictionarySize + contentSize)
  const window = singleSegment
    ? littleEndian(rest.subarray(dictionarySize))
    : 2 ** (10 + (rest[0]! >> 3)) * (1 + (rest[0]! & 7) / 8)
  if (window > maxWindow) throw new WindowTooLarge(`a frame needs a window of ${window} bytes`)
  yield Buffer.concat([magic, Buffer.from([flags]), rest])
  for (let last = false; !last;) {
    const header = await reader.take(3)
    const fields = header.readUIntLE(0, 3)
    last = (fields & 1) === 1
    const repeats = ((fields >> 1) & 3) === 1
    const size = repeats ? 1 : fields >> 3
    yield Buffer.concat([header, await reader.take(size)])
  }
  if (flags & 4) yield await reader.take(4)
}

function littleEndian(bytes: Buffer): number {
  return bytes.length === 8
    ? Number(bytes.readBigUInt64LE())
    : bytes.readUIntLE(0, bytes.length) + (bytes.length === 2 ? 256 : 0)
}
