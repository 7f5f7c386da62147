import type { Entry } from '../../entry.ts'
import type { ContentReader } from '../../store/content.ts'
import type { Tree } from '../../rootfs/tree.ts'
import { realPath } from './directories.ts'

/** Where Alpine's busybox packages list the paths of their applets, a file for each of their programs. */
const lists = 'etc/busybox-paths.d'

/**
 * The links to busybox that its scripts would make, by the lists its packages bring: where nothing else is, as
 * the official root filesystems have them. Undefined where there is a busybox, and no list.
 */
export async function busyboxLinks(
  tree: Tree,
  contents: ContentReader,
  mtime: number,
): Promise<readonly Entry[] | undefined> {
  if (!isThere(tree, 'bin/busybox')) return []
  if (!isThere(tree, `${lists}/busybox`)) return undefined
  const links = new Map<string, Entry>()
  // the first program that has a path gets it: busybox itself, whose own script runs first
  const others = [...tree.keys()].filter((path) => path.startsWith(`${lists}/busybox-`)).toSorted()
  for (const list of [`${lists}/busybox`, ...others]) {
    const program = `bin/${list.slice(lists.length + 1)}`
    const entry = tree.get(list)
    if (entry?.type !== 'file' || !isThere(tree, program)) continue
    const text = Buffer.from(await contents.bytes(entry.content, entry.size)).toString()
    for (const line of text.split('\n')) {
      const path = realPath(tree, line.replace(/^\/+/, ''))
      if (line === '' || path === undefined || line.split('/').includes('..')) continue
      if (tree.has(path) || links.has(path)) continue
      const owned = { mode: 0o777, uid: 0, gid: 0, mtime } as const
      links.set(path, { type: 'symlink', path, target: `/${program}`, ...owned })
    }
  }
  return [...links.values()]
}

function isThere(tree: Tree, path: string): boolean {
  return tree.has(realPath(tree, path) ?? path)
}
