import { readFile } from 'node:fs/promises'

/** Facts of this process that decide how a workspace can be made: /proc/self/status (proc(5)). */
export interface ProcessStatus {
  /** the effective capabilities hold CAP_SYS_ADMIN */
  readonly sysAdmin: boolean
  readonly gid: number
  /** system calls are filtered */
  readonly seccomp: boolean
}

/** Reads them. */
export async function processStatus(): Promise<ProcessStatus> {
  const text = await readFile('/proc/self/status', 'latin1')
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(text)?.[1]
  return {
    sysAdmin: (BigInt(`0x${field('CapEff') ?? '0'}`) & (1n << 21n)) !== 0n,
    gid: Number(field('Gid') ?? 0),
    seccomp: field('Seccomp') === '2',
  }
}

/** A kernel setting, or undefined where this kernel has none. */
export async function kernelSetting(name: string): Promise<string | undefined> {
  return readFile(`/proc/sys/${name}`, 'latin1').then(
    (text) => text.trim(),
    () => undefined,
  )
}

/** Whether this kernel is at least `major.minor`. */
export async function kernelAtLeast(major: number, minor: number): Promise<boolean> {
  const match = /^([0-9]+)\.([0-9]+)/.exec((await kernelSetting('kernel/osrelease')) ?? '')
  if (!match) return false
  const [a, b] = [Number(match[1]), Number(match[2])]
  return a > major || (a === major && b >= minor)
}
