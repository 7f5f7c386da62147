import { closeSync, openSync, readSync } from 'node:fs'
import type { Digest } from '../digest.ts'
import type { Content } from '../entry.ts'
import { PlinthError } from '../errors.ts'
import type { Store } from '../ports.ts'

/** Reads file contents that are slices of blobs; keeps the blobs open while it lives. */
export interface ContentReader extends Disposable {
  /** All of a small content at once, a large one in pieces of 1 MiB. Its blob must have been `prepare`d. */
  open(content: Content, size: number): Uint8Array | Iterable<Uint8Array>
  /** All of a content in memory. */
  bytes(content: Content, size: number): Uint8Array
}

const pieceSize = 1024 * 1024

/**
 * Opens a reader over `digests`, each verified first (`STORE_CORRUPT` when one is damaged).
 * At most `maxOpen` files are open at once.
 */
export async function openContents(
  store: Store,
  digests: Iterable<Digest>,
  maxOpen = 256,
): Promise<ContentReader> {
  const paths = new Map<Digest, string>()
  for (const digest of new Set(digests)) paths.set(digest, await store.verified(digest))
  const files = new Map<Digest, number>()

  const file = (digest: Digest): number => {
    const open = files.get(digest)
    if (open !== undefined) return open
    const path = paths.get(digest)
    if (path === undefined) throw new Error(`${digest} was not prepared`)
    if (files.size >= maxOpen) {
      const [oldest, handle] = files.entries().next().value!
      closeSync(handle)
      files.delete(oldest)
    }
    const handle = openSync(path, 'r')
    files.set(digest, handle)
    return handle
  }
  const slice = (digest: Digest, offset: number, size: number): Buffer => {
    const bytes = Buffer.allocUnsafe(size)
    let done = 0
    while (done < size) {
      const count = readSync(file(digest), bytes, done, size - done, offset + done)
      if (count === 0)
        throw new PlinthError(
          'STORE_CORRUPT',
          `cannot read ${digest}: it ends at byte ${offset + done}`,
        )
      done += count
    }
    return bytes
  }
  function* pieces(digest: Digest, offset: number, size: number): Generator<Uint8Array> {
    for (let done = 0; done < size; done += pieceSize) {
      yield slice(digest, offset + done, Math.min(pieceSize, size - done))
    }
  }
  return {
    open: (content, size) => {
      if (content.kind === 'bytes') return content.bytes
      return size <= pieceSize
        ? slice(content.digest, content.offset, size)
        : pieces(content.digest, content.offset, size)
    },
    bytes: (content, size) =>
      content.kind === 'bytes' ? content.bytes : slice(content.digest, content.offset, size),
    [Symbol.dispose]: () => {
      for (const handle of files.values()) closeSync(handle)
      files.clear()
    },
  }
}
