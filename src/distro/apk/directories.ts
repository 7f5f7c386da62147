import type { Entry } from '../../entry.ts'
import type { GrowingTree } from '../../rootfs/growing-tree.ts'
import { parentOf, resolveIn, type Tree } from '../../rootfs/tree.ts'

/**
 * The directories of packages as apk 2.14 makes them: the first package that names one has it made, as root's.
 * In the end those that apk made get the owner and mode on which all packages that have them agree; what was
 * there before stays as it was found.
 */
export class Directories {
  readonly #growing: GrowingTree
  /** whether apk made it */
  readonly #known = new Map<string, boolean>()

  constructor(growing: GrowingTree) {
    this.#growing = growing
  }

  /** By the names packages give them, in the order apk came to know them; the root is empty. */
  get names(): Iterable<string> {
    return this.#known.keys()
  }

  has(name: string): boolean {
    return this.#known.has(name)
  }

  /** A package has this directory, by the name it gives it. */
  add({ path, mode, mtime }: Entry, written: Entry[]): void {
    if (this.#known.get(path)) return
    const real = realPath(this.#growing.tree, path)
    const made = real !== undefined && !this.#growing.tree.has(real)
    if (made) {
      // mkdir(2) leaves the set-ids away
      const owned = { mode: mode & 0o1777, uid: 0, gid: 0, mtime }
      this.#growing.put({ type: 'directory', path: real, ...owned }, written)
    }
    this.#know(path)
    if (made) this.#known.set(path, true)
  }

  /** Applies what the packages' directories (`entries`, in the order of packages) agree on; gives all that apk made. */
  settle(entries: readonly Entry[]): readonly Entry[] {
    const wanted = new Map<string, Access>()
    for (const entry of entries) {
      if (entry.type !== 'directory' || !this.#known.get(entry.path)) continue
      wanted.set(entry.path, agreed(wanted.get(entry.path), entry))
    }
    const written: Entry[] = []
    for (const [path, access] of wanted) {
      const existing = this.#growing.tree.get(realPath(this.#growing.tree, path) ?? path)
      if (existing?.type === 'directory') this.#growing.put({ ...existing, ...access }, written)
    }
    return written
  }

  #know(path: string): void {
    // one before those above it: so they come into apk's own table
    if (this.#known.has(path)) return
    this.#known.set(path, false)
    if (path !== '') this.#know(parentOf(path))
  }
}

type Access = Pick<Entry, 'mode' | 'uid' | 'gid'>

/** The lower owner wins; of the same owner, what both allow. */
function agreed(before: Access | undefined, { mode, uid, gid }: Access): Access {
  if (before === undefined || uid < before.uid || (uid === before.uid && gid < before.gid))
    return { mode, uid, gid }
  if (uid !== before.uid || gid !== before.gid) return before
  return { ...before, mode: before.mode & mode }
}

/**
 * Where a path stands once the links in its directories are followed; undefined where these do not lead to a
 * directory.
 */
export function realPath(tree: Tree, path: string): string | undefined {
  const parent = parentOf(path)
  if (parent === '') return path
  const real = resolveIn(tree, parent, { last: true })
  if (real === '') return path.slice(parent.length + 1)
  if (real === undefined || tree.get(real)?.type !== 'directory') return undefined
  return `${real}${path.slice(parent.length)}`
}
