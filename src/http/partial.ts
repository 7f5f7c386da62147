import { randomBytes } from 'node:crypto'
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { digestHex, type Digest } from '../digest.ts'
import { ownerIsAlive, processOwner } from '../store/owner.ts'

/** The beginning of a download, on disk, so that another run can go on from there. */
export interface Partial {
  /** bytes there when it was opened */
  readonly size: number
  read(): AsyncGenerator<Uint8Array>
  /** Adds to the end. What cannot be written (a full disk) is not: the download itself goes on. */
  append(chunk: Uint8Array): Promise<void>
  /** Ends it: `keep` leaves it for another run, otherwise it is removed. Only the first call counts. */
  end(keep: boolean): Promise<void>
}

/**
 * Opens the partial download of the file known by `key` in `directory`, empty when there is none. A file belongs to one
 * process at a time: it is taken by renaming it; what a killed process left is taken over.
 */
export async function openPartial(directory: string, key: Digest): Promise<Partial> {
  const kept = join(directory, digestHex(key))
  const mine = `${kept}.${processOwner()}.${randomBytes(4).toString('hex')}`
  await claim(directory, kept, mine)
  const file = await open(mine, 'a+')
  let size = (await file.stat()).size
  const found = size
  let open_ = true
  let failed = false
  return {
    size: found,
    read: () => readFrom(file, found),
    async append(chunk) {
      if (failed || !open_) return
      try {
        await file.write(chunk)
        size += chunk.length
      } catch {
        failed = true
      }
    },
    async end(keep) {
      if (!open_) return
      open_ = false
      await file.close()
      if (keep && size > 0 && !failed) await rename(mine, kept)
      else await rm(mine, { force: true })
    },
  }
}

async function claim(directory: string, kept: string, mine: string): Promise<void> {
  const prefix = `${kept.slice(directory.length + 1)}.`
  const abandoned = (await readdir(directory)).filter(
    (name) => name.startsWith(prefix) && !ownerIsAlive(name.split('.')[1] ?? ''),
  )
  const candidates = [kept, ...abandoned.map((name) => join(directory, name))]
  const sizes = await Promise.all(
    candidates.map(async (path) => (await stat(path).catch(() => undefined))?.size ?? -1),
  )
  const best = candidates[sizes.indexOf(Math.max(...sizes))]
  // another process may be quicker: then we start from nothing
  if (best !== undefined && Math.max(...sizes) >= 0) await rename(best, mine).catch(() => {})
  await Promise.all(abandoned.map((name) => rm(join(directory, name), { force: true })))
}

async function* readFrom(file: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size;) {
    const { bytesRead, buffer } = await file.read(
      Buffer.allocUnsafe(256 * 1024),
      0,
      Math.min(256 * 1024, size - at),
      at,
    )
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
