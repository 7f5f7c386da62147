import { closeSync, openSync, readSync } from 'node:fs'
import type { OpenContent } from '../../archive/tar-write.ts'
import type { Digest } from '../../digest.ts'
import { PlinthError } from '../../errors.ts'
import type { Content } from '../../entry.ts'
import type { Store } from '../../ports.ts'

/** Reads the contents of entries; blobs stay open until it is disposed of. */
export interface ContentReader extends Disposable {
  readonly open: OpenContent
}

const pieceSize = 1024 * 1024

/** A reader over the store's blobs, each verified before its first byte is used: `STORE_CORRUPT` otherwise. */
export function contentReader(store: Store): ContentReader {
  const files = new Map<Digest, number>()

  async function* slices(digest: Digest, offset: number, size: number): AsyncGenerator<Uint8Array> {
    let file = files.get(digest)
    if (file === undefined) {
      file = openSync(await store.verified(digest), 'r')
      files.set(digest, file)
    }
    for (let done = 0; done < size; done += pieceSize) {
      yield slice(file, offset + done, Math.min(pieceSize, size - done), digest)
    }
  }

  return {
    open(content: Content, size: number) {
      if (content.kind === 'bytes') return content.bytes
      const file = files.get(content.digest)
      if (file !== undefined && size <= pieceSize) {
        return slice(file, content.offset, size, content.digest)
      }
      return slices(content.digest, content.offset, size)
    },
    [Symbol.dispose]() {
      for (const file of files.values()) closeSync(file)
      files.clear()
    },
  }
}

function slice(file: number, offset: number, length: number, digest: Digest): Uint8Array {
  const bytes = Buffer.allocUnsafe(length)
  for (let done = 0; done < length;) {
    const count = readSync(file, bytes, done, length - done, offset + done)
    if (count === 0) {
      throw new PlinthError('STORE_CORRUPT', `${digest} ends before byte ${offset + length}`)
    }
    done += count
  }
  return bytes
}
