import type { Tree } from '../../rootfs/tree.ts'
import { applyCleanup, type CleanupRule } from '../cleanup.ts'

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

/** What the rules must leave: directories packages and their scripts count on. */
const kept: readonly RegExp[] = [/^run\/lock$/, /^run\/mount$/]

/** A configured Debian tree without what an image does not hold. */
export function cleanUp(tree: Tree): Tree {
  return applyCleanup(tree, cleanupRules, (path) => kept.some((pattern) => pattern.test(path)))
}
