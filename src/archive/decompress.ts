import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import * as zlib from 'node:zlib'
import { PlinthError } from '../errors.ts'

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

/** How much output a source may give. */
export interface DecompressLimit {
  /** what is being read, for messages */
  readonly name: string
  /** most bytes that may come out; more is `DECOMPRESSION_BOMB` */
  readonly maxSize: number
}

/**
 * Decompresses a stream; several concatenated members or frames are one stream, as the command line tools
 * have it. Malformed or cut-off input is `ARCHIVE_INVALID`, more output than allowed `DECOMPRESSION_BOMB`.
 */
export async function* decompress(
  compression: Compression,
  chunks: AsyncIterable<Uint8Array>,
  limit: DecompressLimit,
): AsyncGenerator<Uint8Array> {
  let total = 0
  const iterator = (await open(compression, chunks))[Symbol.asyncIterator]()
  try {
    for (;;) {
      let step: IteratorResult<Uint8Array>
      try {
        step = await iterator.next()
      } catch (cause) {
        if (cause instanceof PlinthError) throw cause
        throw new PlinthError(
          'ARCHIVE_INVALID',
          `cannot decompress ${limit.name}: the ${compression} data is damaged or cut short`,
          {
            cause,
            hint: 'fetch it again; if it stays so, the publisher made a bad file',
          },
        )
      }
      if (step.done) return
      total += step.value.length
      if (total > limit.maxSize) {
        throw new PlinthError(
          'DECOMPRESSION_BOMB',
          `cannot decompress ${limit.name}: more than ${limit.maxSize} bytes come out of it`,
          {
            hint: 'a real package never expands like this; do not trust its source',
          },
        )
      }
      yield step.value
    }
  } finally {
    await iterator.return?.(undefined)
  }
}

async function open(
  compression: Compression,
  chunks: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> {
  switch (compression) {
    case 'none':
      return chunks
    case 'gzip':
      return piped(chunks, createGunzip({ chunkSize: 256 * 1024 }))
    case 'xz': {
      const { unxz } = await import('./xz.ts')
      return unxz(chunks)
    }
    case 'zstd': {
      // Node has zstd from 22.15 on; before that a pure JavaScript decoder does it
      const native = (zlib as unknown as { createZstdDecompress?: () => NodeJS.ReadWriteStream })
        .createZstdDecompress
      if (native) return piped(chunks, native())
      const { unzstd } = await import('./zstd.ts')
      return unzstd(chunks)
    }
    case 'bzip2': {
      const { default: unbzip2 } = await import('unbzip2-stream')
      return piped(chunks, unbzip2())
    }
  }
}

/** A transform's output; errors of the input and of the transform both reach the reader. */
function piped(
  chunks: AsyncIterable<Uint8Array>,
  transform: NodeJS.ReadWriteStream,
): AsyncIterable<Uint8Array> {
  return Readable.from(chunks, { objectMode: false }).compose(
    transform,
  ) as AsyncIterable<Uint8Array>
}
