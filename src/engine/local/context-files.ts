import { createHash } from 'node:crypto'
import { closeSync, createReadStream, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { OpenContent } from '../../archive/tar-write.ts'
import { digestHex, sha256, type Digest } from '../../digest.ts'
import type { Content } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Store } from '../../ports.ts'
import { contentReader } from '../../store/content.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import type { Context } from './context.ts'

/** Files of a context by content. */
export interface ContextFiles {
  /** The digests of files of the context, by path. */
  digests(paths: readonly string[]): Promise<ReadonlyMap<string, Digest>>
  /** The content of a file whose digest was asked for: in memory, or as the blob it would be. */
  content(path: string): Content
  /** Puts the contents of files whose digests were asked for into the store. */
  stored(paths: readonly string[]): Promise<ReadonlyMap<string, Content>>
  /** Reads contents, those of the context where they lie. Fails with `CONTEXT_CHANGED` where one is another now. */
  openWith<T>(use: (open: OpenContent) => Promise<T>): Promise<T>
  /** Keeps what was found out for the next build. */
  remember(): Promise<void>
}

/** What tells that a file is as it was: device, inode, size, times of content and of inode in nanoseconds. */
type Mark = readonly [identity: string, digest: Digest]

/** Small files are kept in memory between hashing and writing, up to so many bytes in all. */
const smallFile = 64 * 1024
const keptBytes = 32 * 1024 * 1024
/** A file changed this recently could change again within one tick of its file system's clock. */
const settled = 2_000_000_000n

/**
 * Files of `context`, each hashed once: what was hashed in an earlier build and has not been touched since is
 * not read again. That is only a shortcut: keys and layers are made of digests.
 */
export function contextFiles(
  context: Context,
  {
    store,
    now,
    signal,
  }: { readonly store: Store; readonly now: () => Date; readonly signal: AbortSignal },
): ContextFiles {
  const record = digestHex(sha256(context.directory))
  const found = new Map<string, Digest>()
  const kept = new Map<Digest, Uint8Array>()
  const places = new Map<Digest, { readonly path: string; readonly size: number }>()
  let known: Map<string, Mark> | undefined
  let isNew = false
  let room = keptBytes

  const hash = async (path: string): Promise<Digest> => {
    const stat = context.stat(path)!
    const identity = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join()
    const size = Number(stat.size)
    const before = known!.get(path)
    if (before?.[0] === identity) return before[1]
    const digest =
      size <= smallFile ? readSmall(path) : await hashFile(join(context.directory, path), signal)
    if (BigInt(now().getTime()) * 1_000_000n - stat.ctimeNs > settled) {
      known!.set(path, [identity, digest])
      isNew = true
    }
    return digest
  }
  const readSmall = (path: string): Digest => {
    const bytes = readWhole(join(context.directory, path))
    const digest = sha256(bytes)
    if (bytes.length <= room && !kept.has(digest)) {
      kept.set(digest, bytes)
      room -= bytes.length
    }
    return digest
  }

  return {
    async digests(paths) {
      known ??= new Map((await readRecord<(readonly [string, Mark])[]>(store, kind, record)) ?? [])
      let sinceBreak = 0
      for (const path of paths) {
        if (found.has(path)) continue
        const digest = await hash(path)
        found.set(path, digest)
        places.set(digest, { path, size: Number(context.stat(path)!.size) })
        if (++sinceBreak % 256 !== 0) continue
        // small files are read without a pause: others get their turn here
        await setImmediate()
        signal.throwIfAborted()
      }
      return found
    },
    content(path) {
      const digest = found.get(path)!
      const bytes = kept.get(digest)
      return bytes === undefined ? { kind: 'blob', digest, offset: 0 } : { kind: 'bytes', bytes }
    },
    async stored(paths) {
      const contents = new Map<string, Content>()
      for (const path of paths) {
        const digest = found.get(path)!
        const size = Number(context.stat(path)!.size)
        if ((await store.has(digest)) === undefined)
          await store.put(pieces(join(context.directory, path)), { digest, size })
        contents.set(path, { kind: 'blob', digest, offset: 0 })
      }
      return contents
    },
    async openWith(use) {
      using contents = contentReader(store)
      return use((content, size) => {
        const place = content.kind === 'blob' ? places.get(content.digest) : undefined
        // a part of the same bytes is one of an archive that was unpacked: that is in the store
        const isWhole = content.kind === 'blob' && content.offset === 0 && size === place?.size
        if (!isWhole || place === undefined) return contents.open(content, size)
        const file = join(context.directory, place.path)
        if (place.size > smallFile) return checked(file, place.path, content.digest)
        const bytes = readWhole(file)
        if (sha256(bytes) !== content.digest) throw changed(place.path)
        return bytes
      })
    },
    async remember() {
      if (!isNew || known === undefined) return
      isNew = false
      await writeRecord(store, kind, record, [...known])
    },
  }
}

const kind = 'context'

function readWhole(file: string): Uint8Array {
  let handle: number | undefined
  try {
    handle = openSync(file, 'r')
    const buffer = Buffer.allocUnsafe(smallFile + 1)
    let length = 0
    for (;;) {
      const count = readSync(handle, buffer, length, buffer.length - length, null)
      if (count === 0) break
      length += count
      if (length === buffer.length) throw new Error('it grows while it is being read')
    }
    return Buffer.from(buffer.subarray(0, length))
  } catch (cause) {
    throw unreadable(file, cause)
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}

async function hashFile(file: string, signal: AbortSignal): Promise<Digest> {
  const hash = createHash('sha256')
  for await (const piece of pieces(file)) {
    signal.throwIfAborted()
    hash.update(piece)
  }
  return `sha256:${hash.digest('hex')}` as Digest
}

async function* pieces(file: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
      yield piece as Uint8Array
    }
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

/** A large file as it is read once more; whether it is still the one that was hashed shows at its end. */
async function* checked(file: string, path: string, digest: Digest): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const piece of pieces(file)) {
    hash.update(piece)
    yield piece
  }
  if (`sha256:${hash.digest('hex')}` !== digest) throw changed(path)
}

function changed(path: string): PlinthError {
  return new PlinthError('CONTEXT_CHANGED', `'${path}' changed while it was being copied`, {
    hint: 'build again when nothing writes to the context',
  })
}

function unreadable(file: string, cause: unknown): PlinthError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new PlinthError('IO', `cannot read ${file} of the context: ${why}`, {
    cause,
    hint: 'make it readable, or leave it out with .dockerignore',
  })
}
