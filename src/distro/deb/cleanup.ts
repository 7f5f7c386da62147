import type { Tree } from '../../rootfs/tree.ts'
import { applyCleanup, commonRules, type CleanupRule } from '../cleanup.ts'

/** All that is removed from a configured Debian tree, and why. Nothing else is. */
export const cleanupRules: readonly CleanupRule[] = [
  ...commonRules,
  { path: 'var/log/dpkg.log', action: 'remove', reason: 'build log, holds times' },
  { path: 'var/log/alternatives.log', action: 'remove', reason: 'build log, holds times' },
  { path: 'var/log/bootstrap.log', action: 'remove', reason: 'build log, holds times' },
  { path: 'var/log/fontconfig.log', action: 'remove', reason: 'build log' },
  { path: 'var/log/apt/*', action: 'remove', reason: 'build log, holds times' },
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
    path: 'var/lib/systemd/random-seed',
    action: 'remove',
    reason: 'a seed that many share is none',
  },
  {
    path: 'var/lib/systemd/catalog/database',
    action: 'remove',
    reason: 'cache, differs from run to run; journalctl makes it again',
  },
]

/** What the rules must leave: directories packages and their scripts count on. */
const kept: readonly RegExp[] = [/^run\/lock$/, /^run\/mount$/]

/** A configured Debian tree without what an image does not hold. */
export function cleanUp(tree: Tree): Tree {
  return applyCleanup(tree, cleanupRules, (path) => kept.some((pattern) => pattern.test(path)))
}
