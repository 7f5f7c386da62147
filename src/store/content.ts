import { closeSync, openSync, readSync } from 'node:fs'
import type { Digest } from '../digest.ts'
import type { Content } from '../entry.ts'
import { PlinthError } from '../errors.ts'
import type { Store } from '../ports.ts'
import { storeFailure } from './failure.ts'

/** Reads the contents of entries; blobs stay open until it is disposed of. */
export interface ContentReader extends Disposable {
  /** All of a small content at once, a large one in pieces of 1 MiB. */
  open(content: Content, size: number): Uint8Array | AsyncIterable<Uint8Array>
  /** Reads into `target` from `offset` on, if the blob is open: false when it must be opened first. */
  fill(content: Content, offset: number, target: Uint8Array): boolean
  /** All of it in memory. */
  bytes(content: Content, size: number): Promise<Uint8Array>
}

const pieceSize = 1024 * 1024
const maxOpen = 512

/** A reader over the store's blobs, each verified before its first byte is used: `STORE_CORRUPT` otherwise. */
export function contentReader(store: Store): ContentReader {
  const files = new Map<Digest, number>()

  /** Opens and reads without a pause in between: meanwhile others may have had the file closed. */
  const readNow = (path: string, digest: Digest, offset: number, length: number): Uint8Array => {
    let file = files.get(digest)
    if (file === undefined) {
      if (files.size >= maxOpen) {
        const [oldest, handle] = files.entries().next().value!
        files.delete(oldest)
        closeSync(handle)
      }
      try {
        file = openSync(path, 'r')
      } catch (error) {
        throw storeFailure(error, `read ${digest} from the store ${store.root}`)
      }
      files.set(digest, file)
    }
    return slice(file, offset, length, digest)
  }
  const read = async (digest: Digest, offset: number, length: number): Promise<Uint8Array> =>
    readNow(files.has(digest) ? '' : await store.verified(digest), digest, offset, length)

  async function* slices(digest: Digest, offset: number, size: number): AsyncGenerator<Uint8Array> {
    for (let done = 0; done < size; done += pieceSize) {
      yield read(digest, offset + done, Math.min(pieceSize, size - done))
    }
  }
  return {
    open(content, size) {
      if (content.kind === 'bytes') return content.bytes
      const file = files.get(content.digest)
      if (file !== undefined && size <= pieceSize)
        return slice(file, content.offset, size, content.digest)
      return slices(content.digest, content.offset, size)
    },
    fill(content, offset, target) {
      if (content.kind === 'bytes') return false
      const file = files.get(content.digest)
      if (file === undefined) return false
      readFully(file, target, content.offset + offset, content.digest)
      return true
    },
    async bytes(content, size) {
      return content.kind === 'bytes' ? content.bytes : read(content.digest, content.offset, size)
    },
    [Symbol.dispose]() {
      for (const file of files.values()) closeSync(file)
      files.clear()
    },
  }
}

function slice(file: number, offset: number, length: number, digest: Digest): Uint8Array {
  const bytes = Buffer.allocUnsafe(length)
  readFully(file, bytes, offset, digest)
  return bytes
}

function readFully(file: number, target: Uint8Array, offset: number, digest: Digest): void {
  const { length } = target
  for (let done = 0; done < length;) {
    const count = readSync(file, target, done, length - done, offset + done)
    if (count === 0) {
      throw new PlinthError('STORE_CORRUPT', `${digest} ends before byte ${offset + length}`)
    }
    done += count
  }
}
