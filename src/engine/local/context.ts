import {
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  type BigIntStats,
  type Dirent,
} from 'node:fs'
import { join, posix } from 'node:path'
import type { PathMatcher } from '../../dockerfile/ignore.ts'
import { PlinthError } from '../../errors.ts'
import { unknownTime, type FileTree, type SourceEntry } from './file-tree.ts'

/** The files of a build context that its ignore file leaves, read as they are asked for. */
export interface Context extends FileTree {
  /** absolute path of its directory */
  readonly directory: string
  /** What the system says of a file. */
  stat(path: string): BigIntStats | undefined
}

/**
 * A directory as the context of a build. Owners are root's, as Docker has it, and times are not looked at.
 * Throws `IO` when it is no directory that can be read.
 */
export function openContext(
  directory: string,
  ignore?: { readonly file: string; readonly matcher: PathMatcher },
): Context {
  const root = realDirectory(directory)
  const stats = new Map<string, BigIntStats | undefined>()
  const lists = new Map<string, readonly string[]>()

  const stat = (path: string): BigIntStats | undefined => {
    if (stats.has(path)) return stats.get(path)
    const found = statOf(join(root, path))
    stats.set(path, found)
    return found
  }
  /** a directory that is left out may still lead to something that is not */
  const isSeen = (path: string, isDirectory: () => boolean): boolean => {
    if (ignore === undefined || !ignore.matcher.matches(path)) return true
    return ignore.matcher.mayHoldOthers(path) && isDirectory() && children(path).length > 0
  }
  const children = (path: string): readonly string[] => {
    const known = lists.get(path)
    if (known !== undefined) return known
    const seen = entriesOf(join(root, path))
      .filter((entry) => isSeen(posix.join(path, entry.name), () => entry.isDirectory()))
      .map(({ name }) => name)
      .toSorted()
    lists.set(path, seen)
    return seen
  }
  const isHidden = (path: string): boolean => {
    const parts = path.split('/')
    return parts.some((_, i) => {
      const part = parts.slice(0, i + 1).join('/')
      return !isSeen(part, () => stat(part)?.isDirectory() ?? false)
    })
  }

  return {
    name: 'the context',
    directory: root,
    stat,
    children,
    get: (path) => {
      const found = stat(path)
      if (found === undefined || isHidden(path)) return undefined
      return entryOf(path, found, join(root, path))
    },
    hidden: (path) =>
      ignore !== undefined && stat(path) !== undefined && isHidden(path)
        ? `${ignore.file} leaves it out of the context`
        : undefined,
  }
}

function entryOf(path: string, found: BigIntStats, file: string): SourceEntry | undefined {
  const owned = { path, mode: Number(found.mode) & 0o7777, uid: 0, gid: 0, mtime: unknownTime }
  if (found.isFile()) {
    const link = found.nlink > 1n ? { link: `${found.dev}:${found.ino}` } : {}
    return { ...owned, type: 'file', size: Number(found.size), ...link }
  }
  if (found.isDirectory()) return { ...owned, type: 'directory' }
  if (found.isSymbolicLink()) return { ...owned, type: 'symlink', target: readlinkSync(file) }
  if (found.isFIFO()) return { ...owned, type: 'fifo' }
  // a socket means nothing without its process, a device is no file of anybody's project
  return undefined
}

function realDirectory(directory: string): string {
  try {
    const root = realpathSync(directory)
    if (lstatSync(root).isDirectory()) return root
  } catch (cause) {
    throw unreadable(directory, cause)
  }
  throw new PlinthError('IO', `cannot use ${directory} as the context: it is no directory`)
}

function statOf(file: string): BigIntStats | undefined {
  try {
    return lstatSync(file, { bigint: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw unreadable(file, error)
  }
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch (error) {
    throw unreadable(directory, error)
  }
}

function unreadable(file: string, cause: unknown): PlinthError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new PlinthError('IO', `cannot read ${file} of the context: ${why}`, {
    cause,
    hint: 'make it readable, or leave it out with .dockerignore',
  })
}
