import { readFileSync, readlinkSync } from 'node:fs'

/**
 * Names the running process so that what it left behind can be told from what another still uses:
 * `<pid>-<start time>-<pid namespace>`. Process ids are reused, start times (in clock ticks since boot) are
 * not; in another container the same id is another process.
 */
export function processOwner(pid: number = process.pid): string {
  return `${pid}-${startTime(pid) ?? 0}-${ownNamespace()}`
}

/**
 * Whether the process that `processOwner` named still runs. Unreadable names count as running, and so do
 * processes of other namespaces.
 */
export function ownerIsAlive(owner: string): boolean {
  const match = ownerName.exec(owner)
  if (!match || ownerIsElsewhere(owner)) return true
  const pid = Number(match[1])
  const start = startTime(pid)
  if (start !== undefined) return String(start) === match[2]
  try {
    process.kill(pid, 0)
    // alive, on a system without /proc
    return match[2] === '0'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' && match[2] === '0'
  }
}

/** Whether a process of another pid namespace is named: nothing can be known about it. */
export function ownerIsElsewhere(owner: string): boolean {
  const namespace = ownerName.exec(owner)?.[3]
  return namespace !== undefined && namespace !== ownNamespace()
}

const ownerName = /^([0-9]+)-([0-9]+)(?:-([0-9]+))?$/

let namespace: string | undefined

/** The inode of the pid namespace (pid_namespaces(7)); 0 where there is none. */
function ownNamespace(): string {
  if (namespace === undefined) {
    try {
      namespace = /[0-9]+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
    } catch {
      namespace = '0'
    }
  }
  return namespace
}

/** Field 22 of /proc/PID/stat (proc(5)); undefined when there is no such process or no /proc. */
function startTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // the command name, in parentheses, may hold anything
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // a zombie holds nothing any more
    return fields[0] === 'Z' ? undefined : Number(fields[19])
  } catch {
    return undefined
  }
}
