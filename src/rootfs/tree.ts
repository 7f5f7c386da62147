import type { Change, Entry } from '../entry.ts'
import { PlinthError } from '../errors.ts'

/** A root filesystem: entries by path. Functions here return new trees. */
export type Tree = ReadonlyMap<string, Entry>

/** The path of the directory that holds `path`; `''` for the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/**
 * Where `path` really is when symbolic links in its directories are followed, as a process chrooted into
 * the tree would (absolute targets and `..` stay inside). With `last` the final component is followed too.
 * Undefined for a loop. Directories need not exist.
 */
export function resolveIn(
  tree: Pick<Tree, 'get'>,
  path: string,
  options: { readonly last: boolean },
): string | undefined {
  const pending = path.split('/').filter((part) => part !== '')
  const real: string[] = []
  let links = 0
  while (pending.length > 0) {
    const part = pending.shift()!
    if (part === '.') continue
    if (part === '..') {
      real.pop()
      continue
    }
    const here = real.length === 0 ? part : `${real.join('/')}/${part}`
    const entry = tree.get(here)
    if (entry?.type === 'symlink' && (pending.length > 0 || options.last)) {
      // Linux gives up at 40 (path_resolution(7))
      if (++links > 40) return undefined
      if (entry.target.startsWith('/')) real.length = 0
      pending.unshift(...entry.target.split('/').filter((p) => p !== ''))
      continue
    }
    real.push(part)
  }
  return real.join('/')
}

/** Entries in layer order: by path in code units, which puts every directory before what it holds. */
export function sortedEntries(tree: Tree): Entry[] {
  return [...tree.values()].toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}

/**
 * The tree after a workspace's changes. A non-directory that replaces a directory removes what it held;
 * a whiteout removes a path and everything under it (OCI image-spec, layer.md).
 */
export function applyChanges(tree: Tree, changes: readonly Change[]): Tree {
  const result = new Map(tree)
  const removed = new Set<string>()
  for (const change of changes) {
    const existing = result.get(change.path)
    if (
      change.type === 'whiteout' ||
      (existing?.type === 'directory' && change.type !== 'directory')
    ) {
      removed.add(change.path)
      result.delete(change.path)
    }
  }
  if (removed.size > 0) {
    const gone = (path: string): boolean =>
      path !== '' && (removed.has(path) || gone(parentOf(path)))
    for (const path of tree.keys()) if (gone(parentOf(path))) result.delete(path)
  }
  for (const change of changes) if (change.type !== 'whiteout') result.set(change.path, change)
  return relinked(result, tree)
}

/**
 * Hard links whose target is gone or was replaced by another file: the first of those that remain takes
 * the old content over, the others point to it.
 */
function relinked(result: Map<string, Entry>, before: Tree): Map<string, Entry> {
  const heirs = new Map<string, string>()
  for (const entry of result.values()) {
    if (entry.type !== 'hardlink' || before.get(entry.path) !== entry) continue
    const target = before.get(entry.target)
    if (target === undefined || result.get(entry.target) === target) continue
    const heir = heirs.get(entry.target)
    if (heir !== undefined) {
      result.set(entry.path, { ...entry, target: heir })
    } else if (target.type === 'file') {
      heirs.set(entry.target, entry.path)
      result.set(entry.path, { ...target, path: entry.path })
    }
  }
  return result
}

/**
 * The same tree with every group of hard links headed by its first path in layer order, as extracting
 * needs it: a link's target comes before the link.
 */
export function withOrderedLinks(tree: Tree): Tree {
  const groups = new Map<string, string[]>()
  for (const entry of tree.values()) {
    if (entry.type !== 'hardlink') continue
    const group = groups.get(entry.target)
    if (group) group.push(entry.path)
    else groups.set(entry.target, [entry.path])
  }
  if (groups.size === 0) return tree
  const result = new Map(tree)
  for (const [target, links] of groups) {
    const file = tree.get(target)
    if (file?.type !== 'file') {
      throw new PlinthError(
        'PATH_UNSAFE',
        `cannot link '${links[0]}' to '${target}': that is no file of the tree`,
      )
    }
    const [head, ...others] = [target, ...links].toSorted() as [string, ...string[]]
    result.set(head, { ...file, path: head })
    for (const path of others) result.set(path, { ...file, type: 'hardlink', path, target: head })
  }
  return result
}
