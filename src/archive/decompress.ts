import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { PlinthError } from '../errors.ts'
import { transformed } from './transformed.ts'

/** The compressions plinth reads. */
export type Compression = 'none' | 'gzip' | 'xz' | 'zstd' | 'bzip2'

const byExtension: Record<string, Compression> = {
  '': 'none',
  '.gz': 'gzip',
  '.xz': 'xz',
  '.zst': 'zstd',
  '.bz2': 'bzip2',
}

/** The compression an extension stands for (`.xz`); throws `COMPRESSION_UNKNOWN` naming `archive`. */
export function compressionOf(extension: string, archive: string): Compression {
  const known = byExtension[extension]
  if (known !== undefined) return known
  throw new PlinthError(
    'COMPRESSION_UNKNOWN',
    `cannot read ${archive}: compression '${extension}' is not known`,
    {
      hint: `known: ${Object.keys(byExtension).filter(Boolean).join(', ')}`,
    },
  )
}

/** The compression that a file's first bytes tell (its "magic"); what begins like none of them is taken as it is. */
export function sniffCompression(start: Uint8Array): Compression {
  const known = Object.entries(magic) as [Exclude<Compression, 'none'>, readonly number[]][]
  const found = known.find(([, bytes]) => bytes.every((byte, i) => start[i] === byte))
  return found?.[0] ?? 'none'
}

/** RFC 1952; the file formats of xz, Zstandard (RFC 8878) and bzip2 */
const magic = {
  gzip: [0x1f, 0x8b, 0x08],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  bzip2: [0x42, 0x5a, 0x68],
} as const

/** How much output a source may give. */
export interface DecompressLimit {
  /** what is being read, for messages */
  readonly name: string
  /** most bytes that may come out; more is `DECOMPRESSION_BOMB` */
  readonly maxSize: number
}

/**
 * Decompresses a stream; several concatenated members or frames are one stream, as the command line tools
 * have it. Malformed, cut-off or empty input is `ARCHIVE_INVALID`; more output than allowed, or a stream that
 * asks for more memory than any package's does, `DECOMPRESSION_BOMB`. What the input itself throws passes
 * through. However far a stream expands, only some tens of megabytes of it are held at once.
 */
export async function* decompress(
  compression: Compression,
  chunks: AsyncIterable<Uint8Array>,
  limit: DecompressLimit,
): AsyncGenerator<Uint8Array> {
  let total = 0
  const input = new Input(chunks)
  const iterator = (await open(compression, input))[Symbol.asyncIterator]()
  try {
    for (;;) {
      let step: IteratorResult<Uint8Array>
      try {
        step = await iterator.next()
        if (step.done && input.size === 0 && compression !== 'none')
          throw new Error('there is nothing in it')
      } catch (cause) {
        if (input.failed) throw input.failure
        throw await refusal(compression, limit.name, cause)
      }
      if (step.done) return
      total += step.value.length
      if (total > limit.maxSize) {
        throw bomb(limit.name, `more than ${limit.maxSize} bytes come out of it`)
      }
      yield step.value
    }
  } finally {
    await iterator.return?.(undefined)
  }
}

/** What goes in: counted, and its failures told from the decoder's. */
class Input {
  size = 0
  failed = false
  failure: unknown
  readonly #chunks: AsyncIterable<Uint8Array>

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#chunks) {
        this.size += chunk.length
        yield chunk
      }
    } catch (error) {
      this.failed = true
      this.failure = error
      throw error
    }
  }
}

async function refusal(
  compression: Compression,
  name: string,
  cause: unknown,
): Promise<PlinthError> {
  if (compression === 'xz' && (await import('./xz.ts')).isXzMemoryError(cause)) {
    return bomb(name, 'its dictionary needs too much memory', cause)
  }
  if (compression === 'zstd' && /window|memory/i.test(String(cause))) {
    return bomb(name, 'its window needs too much memory', cause)
  }
  return new PlinthError(
    'ARCHIVE_INVALID',
    `cannot decompress ${name}: the ${compression} data is damaged or cut short`,
    {
      cause,
      hint: 'fetch it again; if it stays so, the publisher made a bad file',
    },
  )
}

function bomb(name: string, why: string, cause?: unknown): PlinthError {
  return new PlinthError('DECOMPRESSION_BOMB', `cannot decompress ${name}: ${why}`, {
    cause,
    hint: 'a real package never expands like this; do not trust its source',
  })
}

/** Some pieces ahead of the reader, so that a thread decompresses while the reader is busy with the last one. */
const gunzipOptions = { chunkSize: 1024 * 1024, readableHighWaterMark: 4 * 1024 * 1024 }

async function open(
  compression: Compression,
  chunks: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> {
  switch (compression) {
    case 'none':
      return chunks
    case 'gzip':
      return transformed(chunks, zlib.createGunzip(gunzipOptions))
    case 'xz': {
      const { unxz } = await import('./xz.ts')
      return unxz(chunks)
    }
    case 'zstd': {
      // Node has zstd from 22.15 on; before that a pure JavaScript decoder does it
      const native = (zlib as unknown as { createZstdDecompress?: () => Transform })
        .createZstdDecompress
      if (native) return transformed(chunks, native())
      const { unzstd } = await import('./zstd.ts')
      return unzstd(chunks)
    }
    case 'bzip2': {
      const { unbzip2 } = await import('./bzip2.ts')
      return unbzip2(chunks)
    }
  }
}
