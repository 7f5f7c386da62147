import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

/** What belongs to a process while it runs, and what is left of it afterwards. */
export interface Trace {
  /** Looks once more at what runs below it; stop looking before asking for what is left. */
  stop(): void
  /** Processes and mounts that are still there: waits a little for the kernel to take them down. */
  left(): Promise<readonly string[]>
}

interface Found {
  readonly pid: number
  readonly parent: number
  readonly start: string
  readonly command: string
}

const namespaceKinds = ['mnt', 'pid', 'user'] as const

/**
 * Watches the processes below `pid`: themselves, and the namespaces they make, by which those are found
 * that have another parent by now. `paths` are places nothing may stay mounted below.
 */
export function trace(pid: number, paths: readonly string[]): Trace {
  const seen = new Map<number, string>()
  const namespaces = new Set<string>()
  const own = new Set(namespacesOf(process.pid))
  const mounted = new Set(mountsBelow(paths))
  const look = (): void => {
    const all = processes()
    const family = new Set([pid])
    // parents have lower ids nearly always; a second round is for those that have not
    for (let round = 0; round < 2; round++)
      for (const { pid: child, parent } of all) if (family.has(parent)) family.add(child)
    for (const { pid: member, start } of all) {
      if (!family.has(member)) continue
      seen.set(member, start)
      for (const namespace of namespacesOf(member))
        if (!own.has(namespace)) namespaces.add(namespace)
    }
  }
  look()
  const timer = setInterval(look, 40)
  return {
    stop: () => clearInterval(timer),
    async left() {
      clearInterval(timer)
      for (let tries = 0; ; tries++) {
        const mounts = mountsBelow(paths).filter((mount) => !mounted.has(mount))
        const left = [...alive(seen, namespaces), ...mounts]
        if (left.length === 0 || tries === 100) return left
        await sleep(50)
      }
    },
  }
}

function alive(seen: ReadonlyMap<number, string>, namespaces: ReadonlySet<string>): string[] {
  return processes()
    .filter(
      ({ pid, start }) =>
        seen.get(pid) === start || namespacesOf(pid).some((one) => namespaces.has(one)),
    )
    .map(({ pid, command }) => `process ${pid}: ${command}`)
}

/** Mounts in our own view below some directories. */
function mountsBelow(paths: readonly string[]): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => paths.some((path) => point.startsWith(`${path}/`)))
    .map((point) => `mount ${point}`)
}

function namespacesOf(pid: number): string[] {
  return namespaceKinds.flatMap((kind) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/${kind}`)]
    } catch {
      return []
    }
  })
}

/** All processes but zombies, which wait for nothing but their parent. */
function processes(): Found[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^[0-9]+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (state === 'Z' || state === 'X') return []
      const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ')
      return [{ pid: Number(name), parent: Number(parent), start: rest[17] ?? '', command }]
    } catch {
      return []
    }
  })
}
