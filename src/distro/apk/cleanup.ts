import type { Tree } from '../../rootfs/tree.ts'
import { applyCleanup, commonRules, type CleanupRule } from '../cleanup.ts'
import type { ApkAssembly } from './assemble.ts'

/** All that is removed from an Alpine tree, and why. */
const cleanupRules: readonly CleanupRule[] = [
  ...commonRules,
  { path: 'lib/apk/exec/**', action: 'remove', reason: 'scripts while they run' },
  { path: 'usr/lib/apk/exec/**', action: 'remove', reason: 'the same where /usr is merged' },
  { path: 'var/log/apk.log', action: 'remove', reason: 'build log, holds times' },
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
