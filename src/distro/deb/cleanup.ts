import type { Change, Entry } from '../../entry.ts'
import { applyChanges, type Tree } from '../../rootfs/tree.ts'

/** One thing that configuring leaves behind and a base image does not hold. */
export interface CleanupRule {
  /** a path; `*` stands for anything within one component, a final `/**` for everything below */
  readonly path: string
  /** an emptied file is 0644, whatever its owner made of the full one */
  readonly action: 'remove' | 'empty'
  readonly reason: string
}

/** All that is removed from a configured Debian tree, and why. Nothing else is. */
export const cleanupRules: readonly CleanupRule[] = [
  { path: 'var/log/dpkg.log', action: 'remove', reason: 'build log, holds times' },
  { path: 'var/log/alternatives.log', action: 'remove', reason: 'build log, holds times' },
  { path: 'var/log/bootstrap.log', action: 'remove', reason: 'build log, holds times' },
  { path: 'var/log/fontconfig.log', action: 'remove', reason: 'build log' },
  { path: 'var/log/apt/*', action: 'remove', reason: 'build log, holds times' },
  {
    path: 'var/cache/ldconfig/aux-cache',
    action: 'remove',
    reason: 'holds inode numbers and times; ldconfig makes it again',
  },
  { path: 'var/cache/apt/*.bin', action: 'remove', reason: 'cache; apt makes it again' },
  { path: 'var/cache/apt/archives/*.deb', action: 'remove', reason: 'packages already installed' },
  {
    path: 'var/lib/apt/lists/*_*',
    action: 'remove',
    reason: 'package lists grow stale; apt-get update fetches them',
  },
  {
    path: 'var/cache/debconf/*-old',
    action: 'remove',
    reason: 'backup of a database in the same layer',
  },
  {
    path: 'var/lib/dpkg/*-old',
    action: 'remove',
    reason: 'backup of a database in the same layer',
  },
  {
    path: 'var/lib/dbus/machine-id',
    action: 'remove',
    reason: 'identifies one machine; made at first boot',
  },
  {
    path: 'etc/machine-id',
    action: 'empty',
    reason: 'identifies one machine; empty means: make it at first boot (machine-id(5))',
  },
  {
    path: 'var/lib/systemd/random-seed',
    action: 'remove',
    reason: 'a seed that many share is none',
  },
  {
    path: 'var/lib/systemd/catalog/database',
    action: 'remove',
    reason: 'cache, differs from run to run; journalctl makes it again',
  },
  { path: 'run/**', action: 'remove', reason: 'a tmpfs at run time' },
  { path: 'tmp/**', action: 'remove', reason: 'temporary' },
  { path: 'var/tmp/**', action: 'remove', reason: 'temporary' },
  { path: 'dev/**', action: 'remove', reason: 'made by every engine; an image holds no devices' },
  { path: 'proc/**', action: 'remove', reason: 'mounted at run time' },
  { path: 'sys/**', action: 'remove', reason: 'mounted at run time' },
]

/** What `rules` must leave although a rule matches: directories packages and their scripts count on. */
const kept: readonly RegExp[] = [/^run\/lock$/, /^run\/mount$/]

/**
 * The tree after the rules. A directory that is removed takes along what it holds; another name of a file that
 * is removed or emptied keeps it.
 */
export function cleanUp(tree: Tree, rules: readonly CleanupRule[] = cleanupRules): Tree {
  const patterns = rules.map((rule) => ({ ...rule, pattern: toPattern(rule.path) }))
  const changes: Change[] = []
  for (const [path, entry] of tree) {
    const rule = patterns.find(({ pattern }) => pattern.test(path))
    if (rule === undefined || kept.some((pattern) => pattern.test(path))) continue
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
