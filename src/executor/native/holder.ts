import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Emit } from '../../events.ts'
import { endedByItself, openAgent, type Agent } from './agent.ts'
import { startError } from './diagnose.ts'
import type { IdMap } from './ids.ts'
import { lineSource } from './lines.ts'
import { closed, tailOf } from './process.ts'
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
export interface Holder extends Pick<Agent, 'tool' | 'start'> {
  readonly ids: IdMap
  readonly tools: Tools
  /** the workspace's directory, through /proc, for this process */
  readonly visible: string
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
  const env = { ...tools.environment, init: initScript, view: viewScript }
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
    // the agent's requests, what PID 1 says, errors, what PID 1 is told, the agent's replies
    { env, cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'] },
  )
  const end = closed(child)
  const said = tailOf(child.stderr)
  const [wake, , , control, replies] = child.stdio as unknown as Pipes
  const hangUp = (): void => {
    wake.destroy()
    control.destroy()
  }
  for (const stream of [wake, control]) stream.on('error', () => {})
  const lines = lineSource(child.stdout)
  const first = await lines.next()
  identity.release()
  const init = /^init ([0-9]+)$/.exec(first ?? '')?.[1]
  if (init === undefined) {
    hangUp()
    await end
    throw await startError(said())
  }

  const visible = `/proc/${child.pid}/root${directory}`
  let agent: Agent
  try {
    agent = openAgent({ io: join(visible, 'io'), wake, replies, said })
  } catch (error) {
    hangUp()
    await end
    throw error
  }
  const within = ['--ipc', '--uts', `--pid=/proc/${init}/ns/pid`]
  /** The words that lead the agent into a view whose process is `pid`, once its old root is off. */
  const uncovered = async (pid: string, ...more: readonly string[]): Promise<string[]> => {
    const entering = [tools.nsenter, '--target', pid, '--mount']
    const { code, stderr } = await agent.tool([...entering, '--', tools.umount, '-l', '/'], '.')
    if (code !== 0) throw await startError(stderr)
    return [...entering, ...within, ...more, '--root=/', `--wd=/proc/${pid}/root`, '--']
  }

  return {
    ids,
    tools,
    visible,
    tool: (argv, cwd, options) => agent.tool(argv, cwd, options),
    start: (argv, stdin) => agent.start(argv, stdin),
    async mount(wanted) {
      control.write(`${wanted === 'copy' ? 'copy' : overlayOptions(ids)}\n`)
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
      // from outside: into the user namespace first
      const keep = ids.kind === 'single' ? ['--preserve-credentials'] : []
      const user = ids.kind === 'none' ? [] : ['--user', ...keep]
      const entering = [tools.nsenter, '--target', String(child.pid), ...user, '--mount']
      const argv = [...entering, ...within, '--', ...start, 'host', ...view]
      const started = await startView(argv, env)
      return { ...started, enter: await uncovered(started.pid!) }
    },
    async killAll() {
      control.write('\n')
      if ((await lines.next()) === undefined) throw endedByItself(said())
    },
    kill() {
      agent.abandon()
      hangUp()
    },
    async close() {
      agent.close()
      hangUp()
      await end
    },
  }
}

type Pipes = readonly [Writable, Readable, Readable, Writable, Readable]

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
