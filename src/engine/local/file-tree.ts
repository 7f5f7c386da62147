import type { Content, Entry, Metadata } from '../../entry.ts'
import { parentOf, type Tree } from '../../rootfs/tree.ts'

/** A path of a source. A file's content may be known only when it is read. */
export type SourceEntry =
  | Exclude<Entry, { readonly type: 'file' | 'hardlink' }>
  | (Metadata & {
      readonly type: 'file'
      readonly size: number
      readonly content?: Content | undefined
      /** files of the same value are one file with several names */
      readonly link?: string | undefined
    })

/**
 * The time of what has none that may count: later than any image's, which is what layers set it to. The times of
 * a context say when it was checked out, not what is in it.
 */
export const unknownTime = Number.MAX_SAFE_INTEGER

/** What files are copied from: a build context, a root filesystem. The root itself is `''` and no entry. */
export interface FileTree {
  /** what messages call it: `the context` */
  readonly name: string
  /** what is at a path, no link followed */
  get(path: string): SourceEntry | undefined
  /** the names in a directory, sorted */
  children(path: string): readonly string[]
  /** why a path that may exist is not to be seen */
  hidden?(path: string): string | undefined
}

/** A root filesystem as a source. */
export function treeSource(tree: Tree, name: string): FileTree {
  let names: Map<string, string[]> | undefined
  const index = (): Map<string, string[]> => {
    if (names !== undefined) return names
    names = new Map()
    for (const path of tree.keys()) {
      const parent = parentOf(path)
      const known = names.get(parent)
      const base = path.slice(parent === '' ? 0 : parent.length + 1)
      if (known) known.push(base)
      else names.set(parent, [base])
    }
    for (const list of names.values()) list.sort()
    return names
  }
  let targets: ReadonlySet<string> | undefined
  const linked = (): ReadonlySet<string> =>
    (targets ??= new Set(
      [...tree.values()].flatMap((entry) => (entry.type === 'hardlink' ? [entry.target] : [])),
    ))
  return {
    name,
    get(path) {
      const entry = tree.get(path)
      if (entry?.type === 'hardlink') {
        const file = tree.get(entry.target)
        return file?.type === 'file' ? { ...file, path, link: entry.target } : undefined
      }
      if (entry?.type === 'file' && linked().has(path)) return { ...entry, link: path }
      return entry
    },
    children: (path) => index().get(path) ?? [],
  }
}
