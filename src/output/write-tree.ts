import {
  chmod,
  type FileHandle,
  lchown,
  link,
  lutimes,
  mkdir,
  open,
  symlink,
  utimes,
} from 'node:fs/promises'
import { join } from 'node:path'
import type { Entry } from '../entry.ts'
import type { ContentReader } from '../store/content.ts'

/** What writing a tree may do. */
export interface WriteTreeOptions {
  readonly contents: ContentReader
  /** set each entry's owner; only root may */
  readonly owners: boolean
  /** called once for each entry */
  readonly onEntry: (entry: Entry) => void
}

/** Whether Node itself can write an entry: it knows neither devices nor extended attributes. */
export function isPlain(entry: Entry): boolean {
  return (
    entry.xattrs === undefined &&
    entry.type !== 'fifo' &&
    entry.type !== 'character' &&
    entry.type !== 'block'
  )
}

/**
 * Writes entries, in layer order, below `root`, an empty directory of our own. The caller has checked that
 * every parent is a directory of the tree, so that no path can lead out. Directories stay open to us
 * (0700) until `finishDirectories`.
 */
export async function writeEntries(
  root: string,
  entries: Iterable<Entry>,
  options: WriteTreeOptions,
): Promise<void> {
  for (const entry of entries) {
    const path = join(root, entry.path)
    options.onEntry(entry)
    switch (entry.type) {
      case 'directory':
        await mkdir(path, { mode: 0o700, recursive: true })
        continue
      case 'file':
        await writeContent(path, entry, options)
        break
      case 'symlink':
        await symlink(entry.target, path)
        if (options.owners) await lchown(path, entry.uid, entry.gid)
        await lutimes(path, entry.mtime, entry.mtime)
        break
      case 'hardlink':
        await link(join(root, entry.target), path)
        break
      case 'fifo':
      case 'character':
      case 'block':
        throw new Error(`${entry.type} needs another writer`)
    }
  }
}

/** Gives directories their owner, mode and time: last, and the innermost first, since writing in one changes it. */
export async function finishDirectories(
  root: string,
  entries: readonly Entry[],
  owners: boolean,
): Promise<void> {
  for (const entry of entries.toReversed()) {
    if (entry.type !== 'directory') continue
    const path = join(root, entry.path)
    if (owners) await lchown(path, entry.uid, entry.gid)
    await utimes(path, entry.mtime, entry.mtime)
    await chmod(path, entry.mode)
  }
}

async function writeContent(
  path: string,
  entry: Entry & { type: 'file' },
  options: WriteTreeOptions,
): Promise<void> {
  // wx: a new file, never one that a link leads to
  const file = await open(path, 'wx', 0o600)
  try {
    if (entry.size > 0) {
      const body = options.contents.open(entry.content, entry.size)
      for await (const piece of body instanceof Uint8Array ? [body] : body)
        await writeAll(file, piece)
    }
    if (options.owners) await file.chown(entry.uid, entry.gid)
    // after the owner, which clears setuid and setgid
    await file.chmod(entry.mode)
    await file.utimes(entry.mtime, entry.mtime)
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let offset = 0
  while (offset < bytes.length) offset += (await file.write(bytes, offset)).bytesWritten
}
