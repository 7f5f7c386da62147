import { once } from 'node:events'
import { crc32, createInflateRaw } from 'node:zlib'
import { ByteReader } from '../archive/byte-reader.ts'
import { PlinthError } from '../errors.ts'

/** Sees compressed bytes as they are read, in order and each once. */
export type Tap = (compressed: Uint8Array) => void

/** So much goes into the decoder at once: what comes out of it, at most a thousandfold, is held. */
const pieceSize = 16 * 1024

/** The optional fields of a header (RFC 1952, 2.3.1). */
const flag = { crc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const

/**
 * The gzip members of a file, one after another: apk puts signature, control part and data each into members
 * of their own and takes its digests over the compressed bytes (apk-v2(5)), so the bounds must be exact. What
 * is read is read once; `archive` names the file in messages.
 */
export class GzipMembers {
  readonly #reader: ByteReader
  readonly #archive: string

  constructor(chunks: AsyncIterable<Uint8Array>, archive: string) {
    this.#archive = archive
    this.#reader = new ByteReader(chunks, (at) =>
      invalid(archive, `it is cut short: it ends at byte ${at}`, 'fetch it again'),
    )
  }

  /** Whether everything was read. */
  async atEnd(): Promise<boolean> {
    return this.#reader.ended()
  }

  /**
   * The content of the next member, to be read to its end before anything else is. `tap` sees exactly the
   * member's compressed bytes. Throws `ARCHIVE_INVALID` for what is no gzip, damaged or cut short.
   */
  async *next(tap: Tap): AsyncGenerator<Buffer> {
    const start = this.#reader.position
    await this.#header(tap)
    let checksum = 0
    let size = 0
    for await (const part of this.#inflate(start, tap)) {
      checksum = crc32(part, checksum)
      size += part.length
      yield part
    }
    const trailer = await this.#take(8, tap)
    if (trailer.readUInt32LE(0) !== checksum || trailer.readUInt32LE(4) !== size % 2 ** 32)
      throw damaged(this.#archive, start)
  }

  /** Everything that was not read yet, compressed as it is. */
  async *rest(): AsyncGenerator<Buffer> {
    while (!(await this.#reader.ended())) yield await this.#reader.some(1024 * 1024)
  }

  /** Lets go of the input. */
  async close(): Promise<void> {
    await this.#reader.close()
  }

  async #take(length: number, tap: Tap): Promise<Buffer> {
    const bytes = await this.#reader.take(length)
    tap(bytes)
    return bytes
  }

  async #header(tap: Tap): Promise<void> {
    const at = this.#reader.position
    const magic = await this.#take(4, tap)
    if (magic.readUInt16BE() !== 0x1f8b) throw notGzip(this.#archive, magic, at)
    const flags = magic[3]!
    if (magic[2] !== 8 || (flags & flag.reserved) !== 0) throw damaged(this.#archive, at)
    await this.#take(6, tap)
    if (flags & flag.extra) await this.#take((await this.#take(2, tap)).readUInt16LE(), tap)
    for (const field of [flag.name, flag.comment])
      if (flags & field) while ((await this.#take(1, tap))[0] !== 0);
    if (flags & flag.crc) await this.#take(2, tap)
  }

  async *#inflate(start: number, tap: Tap): AsyncGenerator<Buffer> {
    const decoder = createInflateRaw({ chunkSize: 64 * 1024 })
    const ready: Buffer[] = []
    decoder.on('data', (part: Buffer) => ready.push(part))
    const ended = once(decoder, 'end').then(
      () => true,
      (cause: unknown) => {
        throw damaged(this.#archive, start, cause)
      },
    )
    // it is looked at again with every piece
    ended.catch(() => {})
    try {
      for (let done = false; !done;) {
        const piece = await this.#reader.some(pieceSize)
        const before = decoder.bytesWritten
        // what the decoder has no use for ends it, and then it calls nobody back
        const taken = new Promise<boolean>((resolve) => decoder.write(piece, () => resolve(false)))
        done = await Promise.race([ended, taken])
        const used = decoder.bytesWritten - before
        // it ended with the piece before when it wants nothing of this one
        this.#reader.unread(piece.subarray(used))
        tap(piece.subarray(0, used))
        yield* ready.splice(0)
      }
    } finally {
      decoder.destroy()
    }
  }
}

/** Names the format that stands where gzip belongs, where that is known. */
function notGzip(archive: string, magic: Buffer, at: number): PlinthError {
  const text = magic.toString('latin1')
  if (at === 0 && /^ADB[.dc]$/.test(text)) {
    return new PlinthError(
      'ARCHIVE_INVALID',
      `cannot read ${archive}: it is ADB, the format of apk-tools 3 (apk v3); plinth reads v2, tar in gzip`,
      {
        hint: 'use a repository that publishes APKINDEX.tar.gz and v2 packages, as Alpine and Wolfi do',
        facts: { archive, format: 'adb' },
      },
    )
  }
  return invalid(
    archive,
    at === 0 ? 'it is not gzip' : `what stands at byte ${at} is not gzip`,
    'the file is damaged or is no package or index of apk; fetch it again',
  )
}

function damaged(archive: string, start: number, cause?: unknown): PlinthError {
  const why = `the gzip member at byte ${start} is damaged`
  return invalid(
    archive,
    why,
    'fetch it again; if it stays so, the publisher made a bad file',
    cause,
  )
}

function invalid(archive: string, why: string, hint: string, cause?: unknown): PlinthError {
  return new PlinthError('ARCHIVE_INVALID', `cannot read ${archive}: ${why}`, {
    cause,
    hint,
    facts: { archive },
  })
}
