import { createReadStream } from 'node:fs'
import {
  chmod,
  copyFile,
  type FileHandle,
  lstat,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { PlinthError } from '../errors.ts'
import { ownerIsAlive, processOwner } from '../store/owner.ts'
import { outputFailure, throwIfAborted, unfinished } from './failure.ts'

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
  return place(path, signal, async (temporary, special) =>
    writeChunks(await open(temporary, special ? 'w' : 'wx'), chunks, signal),
  )
}

/**
 * The same for a file that is there already: the system copies it, without a detour through this process.
 * `source` is awaited beside the copy, and when it rejects nothing is written.
 */
export async function copyFileAtomically(
  path: string,
  source: { readonly path: string; readonly verified: Promise<unknown> },
  signal: AbortSignal,
): Promise<number> {
  return place(path, signal, async (temporary, special) => {
    if (special) {
      await source.verified
      return writeChunks(await open(temporary, 'w'), createReadStream(source.path), signal)
    }
    const [copied] = await Promise.allSettled([copyFile(source.path, temporary), source.verified])
    await source.verified
    if (copied.status === 'rejected') throw copied.reason
    // the store's files are its own business, this one is the user's
    await chmod(temporary, 0o666 & ~process.umask())
    return (await stat(temporary)).size
  })
}

/** Has `write` fill a file beside `path` and puts it there when that succeeded. */
async function place(
  path: string,
  signal: AbortSignal,
  write: (place: string, special: boolean) => Promise<number>,
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
  const temporary = special
    ? target
    : await temporaryPath(target).catch((error) => {
        throw outputFailure(error, path)
      })
  try {
    const size = await write(temporary, special)
    throwIfAborted(signal)
    if (!special) await rename(temporary, target)
    return size
  } catch (error) {
    if (!special) await rm(temporary, { force: true })
    throw outputFailure(special ? unfinished(error, path) : error, path)
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
