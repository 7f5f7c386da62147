import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PlinthError } from '../../errors.ts'
import type { Emit } from '../../events.ts'
import { startError } from './diagnose.ts'
import type { IdMap } from './ids.ts'
import { lineSource } from './lines.ts'
import { closed, runTool, tailOf, type Finished, type RunOptions } from './process.ts'
import { initScript, superviseScript, viewScript } from './scripts.ts'
import type { Place } from './scratch.ts'
import type { Tools } from './tools.ts'
import { openIdentity } from './userns.ts'
import { startView, viewReady, type View } from './view.ts'

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
  readonly tools: Tools
  /** the workspace's directory, through /proc, for this process */
  readonly visible: string
  /** Runs a host program in the host's view of the namespaces, in `cwd` below the workspace's directory. */
  tool(
    argv: readonly string[],
    cwd: string,
    options?: Omit<RunOptions, 'env' | 'inputFifo'>,
  ): Promise<Finished>
  /** Mounts what is in `lower` as `merged` and makes the view: once. */
  mount(storage: 'overlay' | 'copy'): Promise<Mounted>
  /** A second view, with the host's network; `resolv.conf` and `hosts` are in `io`. */
  hostView(): Promise<View & { close(): Promise<void> }>
  /** Ends every process in the workspace but PID 1. */
  killAll(): Promise<void>
  /** Ends everything at once; `close` waits for it. */
  kill(): void
  close(): Promise<void>
}

/** What `mount` came to. */
export interface Mounted {
  readonly storage: 'overlay' | 'copy'
  /** what mount(8) said where no overlay could be mounted */
  readonly why: string
  readonly view: View
}

/** Starts the holder of a new workspace. Throws `NAMESPACE_UNAVAILABLE`, `DISK_FULL` or `IO`. */
export async function openHolder(
  place: Place,
  hostname: string,
  deps: HolderDeps,
): Promise<Holder> {
  const { tools } = deps
  const identity = await openIdentity(deps)
  const { ids } = identity
  const directory = join(place.scratch, place.name)
  // gid 5 is tty everywhere
  const view = [directory, fstab(join(directory, 'merged')), ids.kind === 'single' ? '' : ',gid=5']
  const env = { ...tools.env, init: initScript, view: viewScript }
  const namespaces = ['--mount', '--ipc', '--uts', '--']
  const memory = place.memory === undefined ? '' : String(place.memory)
  const storage = [place.scratch, memory, place.name, hostname]
  const child = spawn(
    identity.prefix[0] ?? tools.unshare,
    [
      ...(identity.prefix.length > 0 ? [...identity.prefix.slice(1), tools.unshare] : []),
      ...identity.options,
      ...namespaces,
      tools.sh,
      '-c',
      superviseScript,
      'plinth',
      ...storage,
      ...view.slice(1),
      ...place.dead,
    ],
    { env, cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe'] },
  )
  const end = closed(child)
  const said = tailOf(child.stderr)
  child.stdin.on('error', () => {})
  const lines = lineSource(child.stdout)
  const first = await lines.next()
  identity.release()
  const init = /^init ([0-9]+)$/.exec(first ?? '')?.[1]
  if (init === undefined) {
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
  const within = ['--ipc', '--uts', `--pid=/proc/${init}/ns/pid`]
  const visible = `/proc/${child.pid}/root${directory}`
  /** The words that lead into a view whose process is `pid`, once its old root is off. */
  const uncovered = async (pid: string, ...more: readonly string[]): Promise<string[]> => {
    const off = [...entering(pid), '--', tools.umount, '-l', '/']
    const { code, stderr } = await runTool(off, { env: tools.env })
    if (code !== 0) throw await startError(stderr)
    return [...entering(pid), ...within, ...more, '--root=/', `--wd=/proc/${pid}/root`, '--']
  }

  return {
    ids,
    tools,
    visible,
    tool: (argv, cwd, options = {}) =>
      runTool([...entering(child.pid!), ...within, `--wd=${join(visible, cwd)}`, '--', ...argv], {
        ...options,
        inputFifo: `${visible}/io/input`,
        env: tools.env,
      }),
    async mount(wanted) {
      child.stdin.write(`${wanted === 'copy' ? 'copy' : overlayOptions(ids)}\n`)
      const answer = await lines.next()
      if (answer === undefined) throw await startError(said())
      const { stubs } = await viewReady(lines, said)
      return {
        storage: answer === 'storage overlay' ? 'overlay' : 'copy',
        why: await readFile(`${visible}/io/overlay-error`, 'utf8').catch(() => ''),
        view: { enter: await uncovered(init, '--net'), stubs },
      }
    },
    async hostView() {
      const start = [tools.unshare, '--mount', '--', tools.sh, '-c', 'eval "$view"', 'plinth']
      const argv = [...entering(child.pid!), ...within, '--', ...start, 'host', ...view]
      const started = await startView(argv, env)
      return { ...started, enter: await uncovered(started.pid!) }
    },
    async killAll() {
      child.stdin.write('\n')
      if ((await lines.next()) === undefined) {
        throw new PlinthError('IO', `the workspace ended by itself: ${said() || 'it was killed'}`, {
          hint: 'look for the out-of-memory killer in the system log',
        })
      }
    },
    kill: () => child.stdin.destroy(),
    async close() {
      child.stdin.destroy()
      await end
    },
  }
}

/** The trusted.* attributes overlayfs marks its files with are for the host's root only (overlayfs.rst). */
function overlayOptions(ids: IdMap): string {
  const nested = ids.kind !== 'none' || !ids.uids.some((range) => range.count >= 0xffff_ffff)
  // with userxattr redirects are never followed, and saying so is a conflict
  const marks = nested ? 'userxattr' : 'redirect_dir=nofollow'
  return `lowerdir=lower,upperdir=upper,workdir=work,index=off,metacopy=off,${marks}`
}

/** A path as fstab(5) writes it. */
function fstab(path: string): string {
  return path.replace(/[\s\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
}
