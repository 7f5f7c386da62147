import { readFileSync } from 'node:fs'

/**
 * Names the running process so that what it left behind can be told from what another still uses:
 * `<pid>-<start time>`; process ids are reused, start times (in clock ticks since boot) are not.
 */
export function processOwner(pid: number = process.pid): string {
  return `${pid}-${startTime(pid) ?? 0}`
}

/** Whether the process that `processOwner` named still runs. Unreadable names count as running. */
export function ownerIsAlive(owner: string): boolean {
  const match = /^([0-9]+)-([0-9]+)$/.exec(owner)
  if (!match) return true
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
