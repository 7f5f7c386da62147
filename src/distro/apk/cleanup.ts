import type { Tree } from '../../rootfs/tree.ts'
import { applyCleanup, type CleanupRule } from '../cleanup.ts'
import type { ApkAssembly } from './assemble.ts'

/** All that is removed from an Alpine tree, and why. */
const cleanupRules: readonly CleanupRule[] = [
  { path: 'dev/**', action: 'remove', reason: 'made by every engine; an image holds no devices' },
  { path: 'proc/**', action: 'remove', reason: 'mounted at run time' },
  { path: 'sys/**', action: 'remove', reason: 'mounted at run time' },
  { path: 'run/**', action: 'remove', reason: 'a tmpfs at run time' },
  { path: 'tmp/**', action: 'remove', reason: 'temporary' },
  { path: 'var/tmp/**', action: 'remove', reason: 'temporary' },
  { path: 'lib/apk/exec/**', action: 'remove', reason: 'scripts while they run' },
  { path: 'usr/lib/apk/exec/**', action: 'remove', reason: 'the same where /usr is merged' },
  { path: 'var/log/apk.log', action: 'remove', reason: 'build log, holds times' },
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
]

/** A tree without what an image does not hold. */
export function cleanUp(tree: Tree, assembly: Pick<ApkAssembly, 'isOwned'>): Tree {
  return applyCleanup(
    tree,
    cleanupRules,
    // what a package has for temporary things, its database has too
    (path) => !/^(dev|proc|sys)\//.test(path) && assembly.isOwned(path),
  )
}

const secondsPerDay = 86_400

/**
 * `etc/shadow` with the day of the image's epoch where a script noted the day it ran on: accounts it made, which
 * `before` does not have.
 */
export function withFixedDays(before: string, after: string, epoch: number): string {
  const known = new Set(before.split('\n'))
  const day = String(Math.floor(epoch / secondsPerDay))
  return after
    .split('\n')
    .map((line) => {
      const fields = line.split(':')
      if (known.has(line) || fields.length < 9 || !/^\d+$/.test(fields[2]!)) return line
      return [...fields.slice(0, 2), day, ...fields.slice(3)].join(':')
    })
    .join('\n')
}
