import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Emit } from '../../events.ts'
import { startError } from './diagnose.ts'
import type { IdMap } from './ids.ts'
import { lineSource } from '../lines.ts'
import { closed, runTool, tailOf, type Finished, type RunOptions } from './process.ts'
import { superviseScript, viewScript } from './scripts.ts'
import { fillPlace, type Place } from './scratch.ts'
import type { Tools } from './tools.ts'
import { openIdentity } from './userns.ts'
import { startView, type View, type ViewSpec } from './view.ts'

/** What a holder is opened with. */
export interface HolderDeps {
  readonly tools: Tools
  readonly uid: number
  readonly emit: Emit
}

/**
 * The processes that hold a workspace's namespaces. They live on a pipe from this process: when it ends,
 * however it ends, the kernel ends all that runs inside and takes the mounts down.
 */
export interface Holder {
  readonly ids: IdMap
  /** the overlay's marks are user.* attributes: trusted.* ones are for the host's root only (overlayfs.rst) */
  readonly userMarks: boolean
  readonly tools: Tools
  /** the workspace's directory */
  readonly directory: string
  /** the same as the namespaces have it, through /proc, for this process */
  readonly visible: string
  /** Runs a host program in the host's view of the namespaces, in `cwd` below the workspace's directory. */
  tool(
    argv: readonly string[],
    cwd: string,
    options?: Omit<RunOptions, 'env' | 'inputFifo'>,
  ): Promise<Finished>
  /**
   * Mounts `lowers`, paths below the workspace's directory from the top down, as `merged`: once. Where no
   * overlay can be had, or none is wanted, `merged` is `data/lower` itself.
   */
  mount(lowers: readonly string[] | undefined): Promise<Mounted>
  /** Starts a view; one at a time. */
  view(spec: ViewSpec): Promise<View>
  /** Ends everything at once; `close` waits for it. */
  kill(): void
  close(): Promise<void>
}

/** What `mount` came to. */
export interface Mounted {
  readonly storage: 'overlay' | 'copy'
  /** what mount(8) said where no overlay could be mounted */
  readonly why: string
}

/** Starts the holder of a new workspace. Throws `NAMESPACE_UNAVAILABLE`, `DISK_FULL` or `IO`. */
export async function openHolder(place: Place, deps: HolderDeps): Promise<Holder> {
  const { tools } = deps
  const { directory } = place
  const identity = await openIdentity(deps)
  const { ids } = identity
  const env = { ...tools.env, view: viewScript }
  const memory = place.memory === undefined ? '' : String(place.memory)
  const [command = '', ...args] = [
    ...identity.prefix,
    tools.unshare,
    ...identity.options,
    '--mount',
    '--',
    tools.sh,
    '-c',
    superviseScript,
    'plinth',
    directory,
    memory,
    ...place.dead,
  ]
  const child = spawn(command, args, {
    env,
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const end = closed(child)
  const said = tailOf(child.stderr)
  child.stdin.on('error', () => {})
  const lines = lineSource(child.stdout)
  const visible = `/proc/${child.pid}/root${directory}`
  const mounted = (await lines.next()) === 'mounted'
  identity.release()
  if (mounted) fillPlace(visible)
  if (!mounted || (await lines.next()) !== 'ready') {
    child.stdin.destroy()
    await end
    throw await startError(said())
  }

  const keep = ids.kind === 'single' ? ['--preserve-credentials'] : []
  const user = ids.kind === 'none' ? [] : ['--user', ...keep]
  const entering = (pid: string | number): string[] => [
    tools.nsenter,
    '--target',
    String(pid),
    ...user,
    '--mount',
  ]
  const userMarks = ids.kind !== 'none' || !ids.uids.some((range) => range.count >= 0xffff_ffff)
  let views = 0
  const send = (line: string): void => void child.stdin.write(`${line}\n`)

  return {
    ids,
    userMarks,
    tools,
    directory,
    visible,
    tool: (argv, cwd, options = {}) => {
      const at = join(visible, cwd)
      const run = { ...options, inputFifo: `${visible}/io/input`, env: tools.env }
      // root needs to be nowhere else to work on what is mounted there
      if (ids.kind === 'none') return runTool(argv, { ...run, cwd: at })
      return runTool([...entering(child.pid!), `--wd=${at}`, '--', ...argv], run)
    },
    async mount(lowers) {
      send(`storage ${lowers === undefined ? 'copy' : overlayOptions(lowers, userMarks)}`)
      const answer = await lines.next()
      if (answer === undefined) throw await startError(said())
      const storage = answer === 'storage overlay' ? 'overlay' : 'copy'
      if (storage === 'overlay') return { storage, why: '' }
      const why = await readFile(`${visible}/io/overlay-error`, 'utf8').catch(() => '')
      return { storage, why }
    },
    view: (spec) =>
      startView(spec, {
        ids,
        tools,
        directory,
        visible,
        lines,
        said,
        send,
        entering,
        count: () => views++,
      }),
    kill: () => child.stdin.destroy(),
    async close() {
      // where this process can remove what is left, and that is little, no other is needed for it
      const own = ids.kind === 'none' && (place.memory !== undefined || isEmpty(directory))
      if (own && child.stdin.writable) child.stdin.end('leave\n')
      else child.stdin.destroy()
      await end
      if (own) await rm(directory, { recursive: true, force: true })
    },
  }
}

function isEmpty(directory: string): boolean {
  try {
    return ['upper', 'lower'].every(
      (name) => readdirSync(join(directory, 'data', name)).length === 0,
    )
  } catch {
    return false
  }
}

function overlayOptions(lowers: readonly string[], userMarks: boolean): string {
  // with userxattr redirects are never followed, and saying so is a conflict
  const marks = userMarks ? 'userxattr' : 'redirect_dir=nofollow'
  return `lowerdir=${lowers.join(':')},upperdir=data/upper,workdir=data/work,index=off,metacopy=off,${marks}`
}
