import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import { parentOf, resolveIn, type Tree } from '../../rootfs/tree.ts'

/** A package as assembling needs it. */
export interface DebPart {
  readonly name: string
  readonly architecture: string
  readonly multiArch: string | undefined
  readonly entries: readonly Entry[]
  /** whether this package's Replaces names `other` */
  replaces(other: DebPart): boolean
}

export interface Assembled {
  readonly tree: Tree
  /** the paths each part still owns after take-overs, as it names them, in its own order */
  readonly lists: ReadonlyMap<DebPart, readonly string[]>
}

/** Directories that merged-/usr systems keep below /usr (file-hierarchy(7), usrmerge). */
const mergedDirectories = ['bin', 'lib', 'lib32', 'lib64', 'libo32', 'libx32', 'sbin'] as const

/**
 * Lays packages over each other as dpkg's unpack does: directories are shared and keep the metadata they
 * were made with, a symbolic link to a directory stands for it, and a file belongs to one package unless
 * another Replaces it. Nothing is written: the result refers to the packages' contents.
 *
 * Throws `FILE_CONFLICT` when two packages bring the same file, `PATH_UNSAFE` when a package goes through
 * its own symbolic links.
 */
export function assembleDebs(
  parts: readonly DebPart[],
  options: {
    readonly usrMerge: boolean
    readonly mtime: number
    /** whether two files have the same bytes */
    readonly sameContent: (a: Entry, b: Entry) => boolean
  },
): Assembled {
  const tree = new Map<string, Entry>()
  const owners = new Map<string, DebPart>()
  const lists = new Map<DebPart, string[]>()
  if (options.usrMerge)
    for (const entry of usrMergeLinks(parts, options.mtime)) tree.set(entry.path, entry)

  const resolved = new Map<string, string>()
  const realPath = (path: string, part: DebPart): string => {
    const parent = parentOf(path)
    if (parent === '') return path
    let real = resolved.get(parent)
    if (real === undefined) {
      const found = resolveIn(tree, parent, { last: true })
      if (found === undefined) throw unsafe(path, part, 'its directory is a loop of symbolic links')
      // only a link that another package (or the merged /usr) made may be followed
      for (let at = parent; at !== ''; at = parentOf(at)) {
        if (tree.get(at)?.type === 'symlink' && owners.get(at) === part) {
          throw unsafe(path, part, `it goes through the package's own symbolic link '${at}'`)
        }
      }
      real = found
      resolved.set(parent, real)
    }
    return real === '' ? path.slice(parent.length + 1) : `${real}/${path.slice(parent.length + 1)}`
  }

  for (const part of parts) {
    const list: string[] = []
    lists.set(part, list)
    for (const entry of part.entries) {
      const path = realPath(entry.path, part)
      const existing = tree.get(path)
      const owner = owners.get(path)
      if (entry.type === 'directory') {
        list.push(entry.path)
        if (existing === undefined) {
          makeParents(tree, path, options.mtime)
          tree.set(path, { ...entry, path })
        } else if (existing.type === 'directory') {
          // implied by a file that came first: now its owner says what it is like
          if (!owner) tree.set(path, { ...entry, path })
          else continue
        } else if (existing.type === 'symlink') {
          const target = resolveIn(tree, path, { last: true })
          const there = target === undefined ? undefined : tree.get(target)
          if (target !== undefined && there === undefined) {
            makeParents(tree, target, options.mtime)
            tree.set(target, { ...entry, path: target })
          } else if (there?.type !== 'directory') throw conflict(path, part, owner)
          continue
        } else throw conflict(path, part, owner)
        owners.set(path, part)
        continue
      }

      if (existing !== undefined) {
        if (existing.type === 'directory' || owner === part) throw conflict(path, part, owner)
        if (owner) {
          if (owner.replaces(part) && !part.replaces(owner)) continue
          if (!part.replaces(owner)) {
            if (sharedByArchitectures(part, owner) && options.sameContent(existing, entry)) {
              list.push(entry.path)
              continue
            }
            throw conflict(path, part, owner)
          }
          const others = lists.get(owner)!
          const index = others.findIndex((listed) => realOf(tree, listed) === path)
          if (index >= 0) others.splice(index, 1)
        }
      }
      list.push(entry.path)
      makeParents(tree, path, options.mtime)
      tree.set(
        path,
        entry.type === 'hardlink'
          ? { ...entry, path, target: realPath(entry.target, part) }
          : { ...entry, path },
      )
      owners.set(path, part)
      if (entry.type === 'symlink') resolved.clear()
    }
  }
  return { tree, lists }
}

function realOf(tree: Tree, path: string): string {
  const parent = resolveIn(tree, parentOf(path), { last: true }) ?? ''
  const name = path.slice(path.lastIndexOf('/') + 1)
  return parent === '' ? name : `${parent}/${name}`
}

/** Directories a path needs that no package named (yet): root's, 0755, as dpkg makes them. */
function makeParents(tree: Map<string, Entry>, path: string, mtime: number): void {
  const parent = parentOf(path)
  if (parent === '' || tree.has(parent)) return
  makeParents(tree, parent, mtime)
  tree.set(parent, { type: 'directory', path: parent, mode: 0o755, uid: 0, gid: 0, mtime })
}

/** `bin -> usr/bin` and so on, for those that some package has files in, with the directories behind them. */
function* usrMergeLinks(parts: readonly DebPart[], mtime: number): Generator<Entry> {
  const used = new Set<string>()
  for (const part of parts) {
    for (const { path } of part.entries)
      used.add(path.slice(0, path.indexOf('/') < 0 ? undefined : path.indexOf('/')))
  }
  const owned = { uid: 0, gid: 0, mtime }
  yield { type: 'directory', path: 'usr', mode: 0o755, ...owned }
  for (const name of mergedDirectories) {
    if (!used.has(name)) continue
    yield { type: 'symlink', path: name, mode: 0o777, target: `usr/${name}`, ...owned }
    yield { type: 'directory', path: `usr/${name}`, mode: 0o755, ...owned }
  }
}

function sharedByArchitectures(a: DebPart, b: DebPart): boolean {
  return (
    a.name === b.name &&
    a.architecture !== b.architecture &&
    a.multiArch === 'same' &&
    b.multiArch === 'same'
  )
}

function conflict(path: string, part: DebPart, owner: DebPart | undefined): PlinthError {
  return new PlinthError(
    'FILE_CONFLICT',
    `cannot unpack ${part.name}: '/${path}' is also in ${owner ? owner.name : 'the base layout'}`,
    {
      hint: 'neither package says that it Replaces the other: leave one of them out',
      facts: { path, packages: [part.name, owner?.name] },
    },
  )
}

function unsafe(path: string, part: DebPart, why: string): PlinthError {
  return new PlinthError('PATH_UNSAFE', `cannot unpack '${path}' of ${part.name}: ${why}`, {
    hint: 'the package is malformed or hostile: report it to its publisher',
  })
}
