import { chmodSync, mkdirSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entry } from '../../entry.ts'
import type { Store } from '../../ports.ts'
import { storeFailure } from '../../store/failure.ts'
import { ownerIsAlive, processOwner } from '../../store/owner.ts'
import { kernelAtLeast } from './status.ts'

/** Where a workspace's files are kept. */
export interface Place {
  /** a directory of its own; over its `io` lies a tmpfs that only the workspace sees */
  readonly directory: string
  /** most bytes of memory to use, as a tmpfs over its `data`; not given: disk */
  readonly memory?: number | undefined
  /** directories that dead runs left */
  readonly dead: readonly string[]
}

let counter = 0

/** What decides where a workspace is kept. */
export interface PlaceDeps {
  readonly store: Store
  /** bytes of memory workspaces may use; default three quarters of what is available */
  readonly memory?: number | undefined
  /** inside a user namespace */
  readonly userNamespace: boolean
}

/**
 * Chooses where a workspace of `size` bytes is kept: in memory when it takes at most a third of what may
 * be used, which leaves room for what runs in it; else, or when the size is unknown, on the store's disk.
 */
export async function choosePlace(size: number | undefined, deps: PlaceDeps): Promise<Place> {
  const scratch = await deps.store.directory('scratch')
  const directory = join(scratch, `${processOwner()}.${counter++}`)
  const names = await readdir(scratch)
  const dead = names
    .filter((name) => name.includes('.') && !ownerIsAlive(name.slice(0, name.indexOf('.'))))
    .map((name) => join(scratch, name))
  const memory = deps.memory ?? Math.floor((await availableMemory()) * 0.75)
  // overlayfs in a user namespace needs user.* attributes, which tmpfs has since Linux 6.6
  const suitable = !deps.userNamespace || (await kernelAtLeast(6, 6))
  const inMemory = suitable && memory > 0 && size !== undefined && size <= memory / 3
  try {
    mkdirSync(directory, { mode: 0o700 })
    makeDirectories(directory, ['io', 'data', 'merged'])
  } catch (error) {
    throw storeFailure(error, `make a scratch directory in ${scratch}`)
  }
  return { directory, dead, ...(inMemory && { memory }) }
}

/** Makes what a workspace has in its `io` and `data`, where these are mounted: seen at `visible`. */
export function fillPlace(visible: string): void {
  const io = ['sys', 'empty', 'dev'].map((name) => `io/${name}`)
  makeDirectories(visible, [...io, 'data/lower', 'data/upper', 'data/work'])
}

/** Calls, not processes; whatever the umask is, the tree's root can be entered by all. */
function makeDirectories(place: string, names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(join(place, name))
    chmodSync(join(place, name), 0o755)
  }
}

/** Removes the directory of a workspace that never started. */
export async function forgetPlace(place: Place): Promise<void> {
  await rm(place.directory, { recursive: true, force: true })
}

/** The bytes a tree takes on a file system: contents in whole pages, and a node for each entry. */
export function sizeOf(entries: readonly Entry[]): number {
  let total = 0
  for (const entry of entries) {
    total += 1024 + (entry.type === 'file' ? Math.ceil(entry.size / 4096) * 4096 : 0)
  }
  return total
}

/** What the machine, or the container we are in, has left (proc_meminfo(5), cgroup-v2). */
async function availableMemory(): Promise<number> {
  const files = ['/proc/meminfo', '/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory.current']
  const [meminfo = '', limit = '', used = ''] = await Promise.all(
    files.map((file) => readFile(file, 'latin1').catch(() => '')),
  )
  const machine = Number(/^MemAvailable:\s*([0-9]+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024
  const group = /^[0-9]+\n/.test(limit) ? Number(limit) - Number(used) : machine
  return Math.max(0, Math.min(machine, group))
}
