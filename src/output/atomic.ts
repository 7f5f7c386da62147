import { type FileHandle, lstat, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { PlinthError } from '../errors.ts'
import { ownerIsAlive, processOwner } from '../store/owner.ts'
import { outputFailure, throwIfAborted } from './failure.ts'

type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/**
 * Writes a file so that `path` holds either all of `chunks` or what it held before, and nothing else is
 * left, also by a run that was killed: the next one to the same path clears up after it. A symlink is
 * followed, a device or pipe is written to directly. Returns the bytes written.
 *
 * Throws `OUTPUT_INVALID` when `path` is a directory or in none, `DISK_FULL`, `IO`, or what aborted `signal`.
 */
export async function writeFileAtomically(
  path: string,
  chunks: Chunks,
  signal: AbortSignal,
): Promise<number> {
  throwIfAborted(signal)
  const target = await realpath(path).catch(() => path)
  const existing = await stat(target).catch(() => undefined)
  if (existing?.isDirectory()) {
    throw new PlinthError('OUTPUT_INVALID', `cannot write the file ${path}: it is a directory`, {
      hint: `name a file in it, or write type=oci,dest=${path} for a layout in a directory`,
    })
  }
  const special = existing !== undefined && !existing.isFile()
  const place = special
    ? target
    : await temporaryPath(target).catch((error) => {
        throw outputFailure(error, path)
      })
  try {
    const size = await writeChunks(await open(place, special ? 'w' : 'wx'), chunks, signal)
    if (!special) await rename(place, target)
    return size
  } catch (error) {
    if (!special) await rm(place, { force: true })
    throw outputFailure(error, path)
  }
}

/**
 * A name beside `target` for work in progress, on the same file system; what runs that no longer live
 * left under such names for this target is removed.
 */
export async function temporaryPath(target: string): Promise<string> {
  const directory = dirname(target)
  const stem = `.${basename(target)}.plinth.`
  for (const name of await readdir(directory)) {
    if (!name.startsWith(stem)) continue
    const owner = name.slice(stem.length).replace(/\.[0-9]+$/, '')
    if (!ownerIsAlive(owner)) await rm(join(directory, name), { recursive: true, force: true })
  }
  for (let i = 0; ; i++) {
    const path = join(directory, `${stem}${processOwner()}.${i}`)
    if ((await lstat(path).catch(() => undefined)) === undefined) return path
  }
}

async function writeChunks(file: FileHandle, chunks: Chunks, signal: AbortSignal): Promise<number> {
  let size = 0
  try {
    for await (const chunk of chunks) {
      throwIfAborted(signal)
      let offset = 0
      while (offset < chunk.length) offset += (await file.write(chunk, offset)).bytesWritten
      size += chunk.length
    }
  } finally {
    await file.close()
  }
  return size
}
