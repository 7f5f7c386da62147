import { sha256, type Digest } from '../../digest.ts'
import type { Change, Entry } from '../../entry.ts'
import type { Tree } from '../../rootfs/tree.ts'
import { shortcuts, shortcutText } from './configure-shortcuts.ts'

/** Where late packages and the control files of others lie meanwhile; not part of the image. */
export const scratch = 'var/cache/plinth'

/** What a service script must not do while an image is made: policy-rc.d says no (invoke-rc.d(8)). */
const policy = '#!/bin/sh\nexit 101\n'
/**
 * Programs that only say "done" meanwhile. ischroot: no init runs here, as in a chroot, and libc6 would wait
 * for one. sync: would flush every disk of the machine for files that live only until they are packed.
 * dpkg-maintscript-helper: acts on upgrades only, and nothing here was installed before.
 */
const idle = ['usr/bin/ischroot', 'usr/bin/sync', 'usr/bin/dpkg-maintscript-helper'] as const
const noDaemon = '#!/bin/sh\necho "start-stop-daemon is off while the image is built"\n'

/** Scripts that ask for the machine's names get an answer as on a machine that has some. */
const hostname = 'plinth\n'

/**
 * A workspace's changes without what exists only while configuring. A stub that is no longer as it was made
 * is a script's own work, and stays.
 */
export function withoutStubs(
  changes: readonly Change[],
  tree: Pick<Tree, 'get'>,
): readonly Change[] {
  const made = new Map(stubs(tree).map((entry) => [entry.path, entry]))
  return changes.filter((change) => {
    if (change.path === scratch || change.path.startsWith(`${scratch}/`)) return false
    const stub = made.get(change.path)
    return stub === undefined || !isSame(stub, change)
  })
}

function isSame(stub: Entry, change: Change): boolean {
  if (stub.type === 'symlink') return change.type === 'symlink' && change.target === stub.target
  if (stub.type !== 'file' || change.type !== 'file') return false
  return digestOf(stub) === digestOf(change)
}

function digestOf({ content }: Extract<Entry, { type: 'file' }>): Digest {
  return content.kind === 'blob' ? content.digest : sha256(content.bytes)
}

/** What is written into a workspace before scripts run, over the unpacked tree. */
export function stubs(tree: Pick<Tree, 'get'>): Entry[] {
  const entries = [file('usr/sbin/policy-rc.d', policy, 0o755)]
  const has = (path: string): boolean => tree.get(path) !== undefined
  // what a package brings is its own answer
  if (!has('etc/hostname')) entries.push(file('etc/hostname', hostname, 0o644))
  if (!has('etc/resolv.conf')) entries.push(file('etc/resolv.conf', '', 0o644))
  for (const path of idle) {
    if (has(path)) entries.push({ type: 'symlink', path, mode: 0o777, target: 'true', ...owned })
  }
  if (has('usr/sbin/start-stop-daemon'))
    entries.push(file('usr/sbin/start-stop-daemon', noDaemon, 0o755))
  entries.push({ type: 'directory', path: scratch, mode: 0o755, ...owned })
  for (const shortcut of shortcuts) {
    const program = tree.get(shortcut.path)
    if (program?.type !== 'file') continue
    const real = `${scratch}/${shortcut.path.slice(shortcut.path.lastIndexOf('/') + 1)}`
    entries.push({ ...program, path: real })
    entries.push(file(shortcut.path, shortcutText(shortcut, `/${real}`), 0o755))
  }
  return entries
}

export const owned = { uid: 0, gid: 0, mtime: 0 }

/** A file of root's, as plinth makes them for the time of configuring. */
export function file(path: string, content: string | Buffer, mode: number): Entry {
  const bytes = Buffer.from(content as Buffer)
  const { length: size } = bytes
  return { type: 'file', path, mode, ...owned, size, content: { kind: 'bytes', bytes } }
}
