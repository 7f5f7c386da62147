import { devices } from './devices.ts'
import type { IdMap } from './ids.ts'

/** One line of fstab(5): source, target, type, options. */
export type MountLine = readonly [string, string, string, string]

/** The text of fstab(5) lines. */
export function fstab(lines: readonly MountLine[]): string {
  return lines.map((line) => `${line.map(escaped).join(' ')} 0 0\n`).join('')
}

/** A path as fstab(5) writes it. */
function escaped(path: string): string {
  return path.replace(/[\s\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
}

/**
 * The kernel's file systems a view has: /proc, /dev and /sys, with what lets a privileged process act on the
 * whole machine read-only or out of sight (as runc's defaults have it), unless `security` is `insecure`.
 * `dev` is what `writeDevices` made. Lines for what a kernel does not have fail, and are no loss.
 */
export function kernelMounts(
  {
    directory,
    dev,
    ids,
  }: { readonly directory: string; readonly dev: string; readonly ids: IdMap },
  {
    network,
    security,
  }: { readonly network: 'none' | 'host'; readonly security: 'sandbox' | 'insecure' },
): MountLine[] {
  const root = `${directory}/merged`
  // gid 5 is tty everywhere
  const tty = ids.kind === 'single' ? '' : ',gid=5'
  const closed = 'nosuid,nodev,noexec'
  const open: MountLine[] = [
    ['proc', `${root}/proc`, 'proc', closed],
    [dev, `${root}/dev`, 'none', `bind,${closed}`],
    ...devices.map((name): MountLine => [`/dev/${name}`, `${root}/dev/${name}`, 'none', 'bind']),
    [
      'devpts',
      `${root}/dev/pts`,
      'devpts',
      `newinstance,ptmxmode=0666,mode=0620,nosuid,noexec${tty}`,
    ],
    ['shm', `${root}/dev/shm`, 'tmpfs', `mode=1777,${closed},size=64m`],
    // writable out of the tree first, to bring the loopback up: it is one file system
    ...(network === 'none'
      ? [['sysfs', `${directory}/io/sys`, 'sysfs', closed] satisfies MountLine]
      : []),
    ['sysfs', `${root}/sys`, 'sysfs', security === 'insecure' ? closed : `ro,${closed}`],
  ]
  if (security === 'insecure') return open
  const readonly = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger']
  const hidden = ['kcore', 'keys', 'timer_list', 'sched_debug']
  const emptied = ['proc/acpi', 'proc/scsi', 'sys/firmware']
  return [
    ...open,
    ...readonly.map((name): MountLine => {
      const path = `${root}/proc/${name}`
      return [path, path, 'none', `bind,ro,${closed}`]
    }),
    ...hidden.map((name): MountLine => ['/dev/null', `${root}/proc/${name}`, 'none', 'bind']),
    ...emptied.map((name): MountLine => ['tmpfs', `${root}/${name}`, 'tmpfs', 'ro,size=4k']),
  ]
}
