import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import { GrowingTree } from '../../rootfs/growing-tree.ts'
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
  readonly #growing: GrowingTree
  /** by real path, whoever has it; several only for directories and what architectures share */
  readonly #claims = new Map<string, Claim[]>()
  /** every path a part names, and whether it is a symbolic link */
  readonly #lists = new Map<DebPart, Map<string, boolean>>()
  /** real paths of directories, as far as links were followed */
  readonly #resolved = new Map<string, string>()
  readonly #options: AssembleOptions

  constructor(options: AssembleOptions) {
    this.#options = options
    this.#growing = new GrowingTree(options)
  }

  get tree(): Tree {
    return this.#growing.tree
  }

  /**
   * The paths a part still owns after take-overs, as it names them: in its own order, but symbolic links last,
   * since dpkg makes them last.
   */
  listOf(part: DebPart): readonly string[] {
    const list = [...(this.#lists.get(part) ?? [])]
    return [...list.filter(([, late]) => !late), ...list.filter(([, late]) => late)].map(
      ([path]) => path,
    )
  }

  /**
   * Adds a package and returns the entries that are new or changed by it, parents first, as they would have
   * to be written. Throws `FILE_CONFLICT` when another package brings the same file, `PATH_UNSAFE` when the
   * package goes through its own symbolic links.
   */
  async add(part: DebPart): Promise<readonly Entry[]> {
    const written: Entry[] = []
    const list = new Map<string, boolean>()
    this.#lists.set(part, list)
    for (const entry of part.entries) {
      const path = this.#realPath(entry.path, part, written)
      const outcome =
        entry.type === 'directory'
          ? this.#meetDirectory({ ...entry, path }, part, written)
          : await this.#meet({ ...entry, path }, part)
      if (outcome !== 'lose') list.set(entry.path, entry.type === 'symlink')
      if (outcome !== 'win') continue
      this.#claims.set(path, [{ part, name: entry.path }])
      const placed =
        entry.type === 'hardlink'
          ? { ...entry, path, target: this.#realPath(entry.target, part, written) }
          : { ...entry, path }
      this.#growing.put(placed, written)
      if (entry.type === 'symlink') this.#resolved.clear()
    }
    return written
  }

  /** A directory is shared by all that name it, and like the first of them said. */
  #meetDirectory(entry: Entry, part: DebPart, written: Entry[]): 'win' | 'share' {
    const { path } = entry
    const existing = this.tree.get(path)
    if (existing === undefined) return 'win'
    // implied by a file that came first: now its owner says what it is like
    if (existing.type === 'directory') return this.#claims.has(path) ? 'share' : 'win'
    const target =
      existing.type === 'symlink' ? resolveIn(this.tree, path, { last: true }) : undefined
    const there = target === undefined ? undefined : this.tree.get(target)
    if (target !== undefined && there === undefined)
      this.#growing.put({ ...entry, path: target }, written)
    else if (there?.type !== 'directory') throw conflict(path, part, this.#ownerOf(path))
    return 'share'
  }

  /** Two packages at one path: the newcomer wins, loses, or both have it. */
  async #meet(entry: Entry, part: DebPart): Promise<'win' | 'lose' | 'share'> {
    const { path } = entry
    const existing = this.tree.get(path)
    if (existing === undefined) return 'win'
    const owner = this.#ownerOf(path)
    if (entry.type === 'symlink') {
      // dpkg leaves a directory where a link would stand, and takes two links to one directory for the same
      if (existing.type === 'directory') return 'share'
      if (this.#leadToSame(existing, entry)) return owner === undefined ? 'win' : 'share'
    }
    if (owner === undefined || owner === part || existing.type === 'directory')
      throw conflict(path, part, owner)
    if (part.replaces(owner)) {
      for (const { part: loser, name } of this.#claims.get(path)!)
        this.#lists.get(loser)?.delete(name)
      return 'win'
    }
    if (owner.replaces(part)) return 'lose'
    if (sharedByArchitectures(part, owner) && (await this.#options.sameContent(existing, entry))) {
      this.#claims.get(path)!.push({ part, name: entry.path })
      return 'share'
    }
    throw conflict(path, part, owner)
  }

  #leadToSame(a: Entry, b: Entry): boolean {
    if (a.type !== 'symlink' || b.type !== 'symlink') return false
    const parent = parentOf(a.path)
    const [left, right] = [a, b].map(({ target }) =>
      resolveIn(this.tree, target.startsWith('/') ? target : `${parent}/${target}`, {
        last: true,
      }),
    )
    return left !== undefined && left === right && this.tree.get(left)?.type === 'directory'
  }

  #ownerOf(path: string): DebPart | undefined {
    return this.#claims.get(path)?.[0]?.part
  }

  #realPath(path: string, part: DebPart, written: Entry[]): string {
    this.#mergeUsr(path, written)
    const parent = parentOf(path)
    return parent === '' ? path : join(this.#realDirectory(parent, part), path)
  }

  #realDirectory(path: string, part: DebPart): string {
    const known = this.#resolved.get(path)
    if (known !== undefined) return known
    const parent = parentOf(path)
    let real = parent === '' ? path : join(this.#realDirectory(parent, part), path)
    if (this.tree.get(real)?.type === 'symlink') {
      // only a link that another package (or the merged /usr) made may be followed
      if (this.#ownerOf(real) === part)
        throw unsafe(path, part, "it is the package's own symbolic link, and a directory elsewhere")
      const target = resolveIn(this.tree, real, { last: true })
      if (target === undefined) throw unsafe(path, part, 'it is a loop of symbolic links')
      real = target
    }
    if ((this.tree.get(real)?.type ?? 'directory') !== 'directory') {
      if (this.#ownerOf(real) === part) throw unsafe(path, part, 'it is a file and a directory')
      throw conflict(real, part, this.#ownerOf(real))
    }
    this.#resolved.set(path, real)
    return real
  }

  /** Makes `bin -> usr/bin` and the directory behind it when a package first has something there. */
  #mergeUsr(path: string, written: Entry[]): void {
    const slash = path.indexOf('/')
    const top = slash < 0 ? path : path.slice(0, slash)
    if (!this.#options.usrMerge || !mergedDirectories.has(top) || this.tree.has(top)) return
    const owned = { uid: 0, gid: 0, mtime: this.#options.mtime }
    this.#growing.put(
      { type: 'symlink', path: top, mode: 0o777, target: `usr/${top}`, ...owned },
      written,
    )
    if (this.tree.has(`usr/${top}`)) return
    this.#growing.put({ type: 'directory', path: `usr/${top}`, mode: 0o755, ...owned }, written)
  }
}

/** Who has a path, and the name it goes by there. */
interface Claim {
  readonly part: DebPart
  readonly name: string
}

/** The last component of `path` in `directory`. */
function join(directory: string, path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return directory === '' ? name : `${directory}/${name}`
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
