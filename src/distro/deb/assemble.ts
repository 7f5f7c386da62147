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

export interface AssembleOptions {
  readonly usrMerge: boolean
  /** of directories that no package names */
  readonly mtime: number
  /** whether two entries of the same path have the same type and content */
  readonly sameContent: (a: Entry, b: Entry) => Promise<boolean>
}

/** Directories that merged-/usr systems keep below /usr (file-hierarchy(7), usrmerge). */
const mergedDirectories = new Set(['bin', 'lib', 'lib32', 'lib64', 'libo32', 'libx32', 'sbin'])

/**
 * Lays packages over each other as dpkg's unpack does: directories are shared and keep the metadata they
 * were made with, a symbolic link to a directory stands for it, and a file belongs to one package unless
 * another Replaces it. Nothing is written: the tree refers to the packages' contents.
 */
export class Assembly {
  readonly #tree = new Map<string, Entry>()
  readonly #owners = new Map<string, DebPart>()
  readonly #lists = new Map<DebPart, string[]>()
  /** real paths of directories, as far as links were followed */
  readonly #resolved = new Map<string, string>()
  readonly #options: AssembleOptions

  constructor(options: AssembleOptions) {
    this.#options = options
  }

  get tree(): Tree {
    return this.#tree
  }

  /** The paths a part still owns after take-overs, as it names them, in its own order. */
  listOf(part: DebPart): readonly string[] {
    return this.#lists.get(part) ?? []
  }

  /**
   * Adds a package and returns the entries that are new or changed by it, parents first, as they would have
   * to be written. Throws `FILE_CONFLICT` when another package brings the same file, `PATH_UNSAFE` when the
   * package goes through its own symbolic links.
   */
  async add(part: DebPart): Promise<readonly Entry[]> {
    const written: Entry[] = []
    const list: string[] = []
    this.#lists.set(part, list)
    for (const entry of part.entries) {
      const path = this.#realPath(entry.path, part, written)
      if (entry.type === 'directory') {
        list.push(entry.path)
        this.#addDirectory({ ...entry, path }, part, written)
        continue
      }
      const existing = this.#tree.get(path)
      if (existing !== undefined) {
        const outcome = await this.#meet(existing, entry, part)
        if (outcome !== 'lose') list.push(entry.path)
        if (outcome !== 'win') continue
      } else {
        list.push(entry.path)
      }
      const target = entry.type === 'hardlink' ? this.#realPath(entry.target, part, written) : ''
      this.#set(
        entry.type === 'hardlink' ? { ...entry, path, target } : { ...entry, path },
        written,
      )
      this.#owners.set(path, part)
      if (entry.type === 'symlink') this.#resolved.clear()
    }
    return written
  }

  #set(entry: Entry, written: Entry[]): void {
    this.#makeParents(entry.path, written)
    this.#tree.set(entry.path, entry)
    written.push(entry)
  }

  #addDirectory(entry: Entry, part: DebPart, written: Entry[]): void {
    const { path } = entry
    const existing = this.#tree.get(path)
    if (existing === undefined) {
      this.#set(entry, written)
    } else if (existing.type === 'directory') {
      // implied by a file that came first: now its owner says what it is like
      if (this.#owners.has(path)) return
      this.#set(entry, written)
    } else {
      const target =
        existing.type === 'symlink' ? resolveIn(this.#tree, path, { last: true }) : undefined
      const there = target === undefined ? undefined : this.#tree.get(target)
      if (target !== undefined && there === undefined)
        this.#set({ ...entry, path: target }, written)
      else if (there?.type !== 'directory') throw conflict(path, part, this.#owners.get(path))
      return
    }
    this.#owners.set(path, part)
  }

  /** Two packages at one path: the newcomer wins, loses, or both have it. */
  async #meet(existing: Entry, entry: Entry, part: DebPart): Promise<'win' | 'lose' | 'share'> {
    const { path } = existing
    const owner = this.#owners.get(path)
    if (existing.type === 'directory' || owner === part) throw conflict(path, part, owner)
    if (owner === undefined) return 'win'
    if (part.replaces(owner)) {
      const others = this.#lists.get(owner)!
      const index = others.findIndex((listed) => realOf(this.#tree, listed) === path)
      if (index >= 0) others.splice(index, 1)
      return 'win'
    }
    if (owner.replaces(part)) return 'lose'
    if (sharedByArchitectures(part, owner) && (await this.#options.sameContent(existing, entry)))
      return 'share'
    throw conflict(path, part, owner)
  }

  #realPath(path: string, part: DebPart, written: Entry[]): string {
    const parent = parentOf(path)
    this.#mergeUsr(path, written)
    if (parent === '') return path
    let real = this.#resolved.get(parent)
    if (real === undefined) {
      const found = resolveIn(this.#tree, parent, { last: true })
      if (found === undefined) throw unsafe(path, part, 'its directory is a loop of symbolic links')
      // only a link that another package (or the merged /usr) made may be followed
      for (let at = parent; at !== ''; at = parentOf(at)) {
        if (this.#tree.get(at)?.type === 'symlink' && this.#owners.get(at) === part) {
          throw unsafe(path, part, `it goes through the package's own symbolic link '${at}'`)
        }
      }
      real = found
      this.#resolved.set(parent, real)
    }
    const name = path.slice(parent.length + 1)
    return real === '' ? name : `${real}/${name}`
  }

  /** Makes `bin -> usr/bin` and the directory behind it when a package first has something there. */
  #mergeUsr(path: string, written: Entry[]): void {
    const slash = path.indexOf('/')
    const top = slash < 0 ? path : path.slice(0, slash)
    if (!this.#options.usrMerge || !mergedDirectories.has(top) || this.#tree.has(top)) return
    const owned = { uid: 0, gid: 0, mtime: this.#options.mtime }
    this.#set({ type: 'symlink', path: top, mode: 0o777, target: `usr/${top}`, ...owned }, written)
    if (this.#tree.has(`usr/${top}`)) return
    this.#set({ type: 'directory', path: `usr/${top}`, mode: 0o755, ...owned }, written)
  }

  /** Directories a path needs that no package named (yet): root's, 0755, as dpkg makes them. */
  #makeParents(path: string, written: Entry[]): void {
    const parent = parentOf(path)
    if (parent === '' || this.#tree.has(parent)) return
    this.#set(
      { type: 'directory', path: parent, mode: 0o755, uid: 0, gid: 0, mtime: this.#options.mtime },
      written,
    )
  }
}

function realOf(tree: Tree, path: string): string {
  const parent = resolveIn(tree, parentOf(path), { last: true }) ?? ''
  const name = path.slice(path.lastIndexOf('/') + 1)
  return parent === '' ? name : `${parent}/${name}`
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
