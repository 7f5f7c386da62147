import type { Change, Entry } from '../entry.ts'
import { applyChanges, type Tree } from '../rootfs/tree.ts'

/** One thing that configuring leaves behind and a base image does not hold. */
export interface CleanupRule {
  /** a path; `*` stands for anything within one component, a final `/**` for everything below */
  readonly path: string
  /** an emptied file is 0644, whatever its owner made of the full one */
  readonly action: 'remove' | 'empty'
  readonly reason: string
}

/** What no image holds, whatever it was made from. */
export const commonRules: readonly CleanupRule[] = [
  {
    path: 'var/cache/ldconfig/aux-cache',
    action: 'remove',
    reason: 'holds inode numbers and times; ldconfig makes it again',
  },
  {
    path: 'etc/machine-id',
    action: 'empty',
    reason: 'identifies one machine; empty means: make it at first boot (machine-id(5))',
  },
  { path: 'run/**', action: 'remove', reason: 'a tmpfs at run time' },
  { path: 'tmp/**', action: 'remove', reason: 'temporary' },
  { path: 'var/tmp/**', action: 'remove', reason: 'temporary' },
  { path: 'dev/**', action: 'remove', reason: 'made by every engine; an image holds no devices' },
  { path: 'proc/**', action: 'remove', reason: 'mounted at run time' },
  { path: 'sys/**', action: 'remove', reason: 'mounted at run time' },
]

/**
 * The tree after the rules, but for what `isKept` says. A directory that is removed takes along what it holds;
 * another name of a file that is removed or emptied keeps it.
 */
export function applyCleanup(
  tree: Tree,
  rules: readonly CleanupRule[],
  isKept: (path: string) => boolean,
): Tree {
  const patterns = rules.map((rule) => ({ ...rule, pattern: toPattern(rule.path) }))
  const changes: Change[] = []
  for (const [path, entry] of tree) {
    const rule = patterns.find(({ pattern }) => pattern.test(path))
    if (rule === undefined || isKept(path)) continue
    if (rule.action === 'remove') changes.push({ type: 'whiteout', path })
    else if (entry.type === 'file' || entry.type === 'hardlink') changes.push(emptied(entry, tree))
  }
  return applyChanges(tree, changes)
}

function emptied(entry: Entry, tree: Tree): Entry {
  const { uid, gid, mtime } = (entry.type === 'hardlink' && tree.get(entry.target)) || entry
  return {
    type: 'file',
    path: entry.path,
    mode: 0o644,
    uid,
    gid,
    mtime,
    size: 0,
    content: { kind: 'bytes', bytes: new Uint8Array(0) },
  }
}

function toPattern(path: string): RegExp {
  const escaped = path.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replace(/\/\*\*$/, '/[^]+').replaceAll('*', '[^/]*')}$`)
}
