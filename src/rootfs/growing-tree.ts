import type { Entry } from '../entry.ts'
import { parentOf, type Tree } from './tree.ts'

/** A tree that is being put together, one entry after another. */
export class GrowingTree {
  readonly #tree = new Map<string, Entry>()
  /** by path of a file, its hard links */
  readonly #links = new Map<string, string[]>()
  readonly #mtime: number

  /** `mtime` is that of directories nobody named. */
  constructor(options: { readonly mtime: number }) {
    this.#mtime = options.mtime
  }

  /** As it is now; it goes on growing. */
  get tree(): Tree {
    return this.#tree
  }

  /**
   * Puts an entry at its path, over what was there. Other names of a file that is replaced keep it: the first
   * of its hard links takes its content over. Directories above that are missing are made: root's, 0755.
   * What had to be written is added to `written`, parents first.
   */
  put(entry: Entry, written: Entry[] = []): void {
    this.#leaveLinks(entry.path, written)
    this.#set(entry, written)
    if (entry.type !== 'hardlink') return
    this.#links.set(entry.target, [...(this.#links.get(entry.target) ?? []), entry.path])
  }

  #leaveLinks(path: string, written: Entry[]): void {
    const existing = this.#tree.get(path)
    const links = (this.#links.get(path) ?? []).filter((link) => {
      const entry = this.#tree.get(link)
      return entry?.type === 'hardlink' && entry.target === path
    })
    const [heir, ...others] = links
    if (existing?.type !== 'file' || heir === undefined) return
    this.#set({ ...existing, path: heir }, written)
    for (const link of others) {
      this.#set({ ...this.#tree.get(link)!, type: 'hardlink', path: link, target: heir }, written)
    }
    this.#links.delete(path)
    this.#links.set(heir, others)
  }

  #set(entry: Entry, written: Entry[]): void {
    this.#makeParents(entry.path, written)
    this.#tree.set(entry.path, entry)
    written.push(entry)
  }

  #makeParents(path: string, written: Entry[]): void {
    const parent = parentOf(path)
    if (parent === '' || this.#tree.has(parent)) return
    const owned = { mode: 0o755, uid: 0, gid: 0, mtime: this.#mtime }
    this.#set({ type: 'directory', path: parent, ...owned }, written)
  }
}
