import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { PlinthError } from '../../errors.ts'
import type { Emit } from '../../events.ts'
import { namespaceError } from './diagnose.ts'
import type { IdMap } from './ids.ts'
import { lineSource, type LineSource } from './lines.ts'
import { closed, runTool, tailOf, type Finished, type RunOptions } from './process.ts'
import { initScript, superviseScript, viewScript } from './scripts.ts'
import type { Tools } from './tools.ts'
import { openIdentity } from './userns.ts'

/** Where a workspace's files are kept. */
export interface Place {
  /** the scratch directory; in memory a tmpfs lies over it that only the workspace sees */
  readonly scratch: string
  /** one name below it, unique to this workspace */
  readonly name: string
  /** bytes of memory to use at most; not given: the directory's own disk */
  readonly memory?: number | undefined
  /** what dead runs left in `scratch` */
  readonly dead: readonly string[]
}

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
  /** the workspace's directory as its own mount namespace shows it */
  readonly directory: string
  /** the same, through /proc, for this process */
  readonly visible: string
  /** Runs a host program in the host's view of the namespaces, in `cwd` below `directory`. */
  tool(argv: readonly string[], cwd: string, options?: Omit<RunOptions, 'env'>): Promise<Finished>
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
  /** why it is no overlay */
  readonly why: string
  readonly view: View
}

/** A mount namespace to run processes in. */
export interface View {
  /** the words before a command that is to run there, in the tree's root: still the host's programs */
  readonly enter: readonly string[]
  /** paths that had to be made to mount on */
  readonly stubs: readonly string[]
}

/** Starts the holder of a new workspace. Throws `NAMESPACE_UNAVAILABLE`, `SUBIDS_MISSING` or `IO`. */
export async function openHolder(
  place: Place,
  hostname: string,
  deps: HolderDeps,
): Promise<Holder> {
  const { tools } = deps
  const identity = await openIdentity(deps)
  const directory = join(place.scratch, place.name)
  const many = identity.ids.kind !== 'single'
  const supervise = [
    ...identity.prefix,
    tools.unshare,
    ...identity.options,
    ...['--mount', '--ipc', '--uts', '--', tools.sh, '-c', superviseScript, 'plinth'],
    ...[
      place.scratch,
      place.memory === undefined ? '' : String(place.memory),
      place.name,
      hostname,
    ],
    ...[initScript, viewScript, fstab(join(directory, 'merged')), many ? ',gid=5' : ''],
    ...place.dead,
  ]
  const child = spawn(supervise[0]!, supervise.slice(1), {
    env: { ...tools.env },
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const end = closed(child)
  const said = tailOf(child.stderr)
  child.stdin.on('error', () => {})
  const lines = lineSource(child.stdout)
  const first = await lines.next()
  identity.release()
  const init = /^init ([0-9]+)$/.exec(first ?? '')?.[1]
  if (init === undefined) {
    child.stdin.end()
    await end
    throw await startError(said())
  }

  const supervisor = String(child.pid)
  const user =
    identity.ids.kind === 'none'
      ? []
      : ['--user', ...(identity.ids.kind === 'single' ? ['--preserve-credentials'] : [])]
  const outer = [
    tools.nsenter,
    '--target',
    supervisor,
    ...user,
    '--mount',
    '--ipc',
    '--uts',
    `--pid=/proc/${init}/ns/pid`,
  ]
  const uncover = async (pid: string): Promise<void> => {
    const { code, stderr } = await runTool(
      [tools.nsenter, '--target', pid, ...user, '--mount', '--', tools.umount, '-l', '/'],
      { env: tools.env },
    )
    if (code !== 0) throw await startError(stderr)
  }
  const enter = (pid: string, ...more: string[]): string[] => [
    ...[tools.nsenter, '--target', pid, ...user, '--mount', '--ipc', '--uts', ...more],
    ...[`--pid=/proc/${init}/ns/pid`, '--root=/', `--wd=/proc/${pid}/root`, '--'],
  ]

  return {
    ids: identity.ids,
    tools,
    directory,
    visible: `/proc/${supervisor}/root${directory}`,
    tool: (argv, cwd, options = {}) =>
      runTool([...outer, `--wd=/proc/${supervisor}/root${join(directory, cwd)}`, '--', ...argv], {
        ...options,
        env: tools.env,
      }),
    async mount(storage) {
      child.stdin.write(`${storage === 'copy' ? 'copy' : overlayOptions(identity.ids)}\n`)
      const answer = await lines.next()
      const actual = /^storage (overlay|copy)$/.exec(answer ?? '')?.[1] as Mounted['storage']
      if (actual === undefined) throw await startError(said())
      const { stubs } = await viewReady(lines, said)
      await uncover(init)
      return { storage: actual, why: '', view: { enter: enter(init, '--net'), stubs } }
    },
    async hostView() {
      const argv = [
        ...outer,
        ...['--', tools.unshare, '--mount', '--', tools.sh, '-c', viewScript, 'view', 'host'],
        ...[directory, fstab(join(directory, 'merged')), many ? ',gid=5' : ''],
      ]
      const view = spawn(argv[0]!, argv.slice(1), {
        env: { ...tools.env },
        cwd: '/',
        detached: true,
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      const viewEnd = closed(view)
      const viewSaid = tailOf(view.stderr)
      view.stdin.on('error', () => {})
      const ready = await viewReady(lineSource(view.stdout), viewSaid)
      await uncover(ready.pid!)
      return {
        enter: enter(ready.pid!),
        stubs: ready.stubs,
        async close() {
          view.stdin.end()
          await viewEnd
        },
      }
    },
    async killAll() {
      child.stdin.write('\n')
      await lines.next()
    },
    kill: () => child.stdin.destroy(),
    async close() {
      child.stdin.destroy()
      await end
    },
  }
}

/** Waits for a view to stand; its reports on the way. */
async function viewReady(
  lines: LineSource,
  said: () => string,
): Promise<{ readonly stubs: string[]; readonly pid: string | undefined }> {
  const stubs: string[] = []
  let pid: string | undefined
  for (;;) {
    const line = await lines.next()
    if (line === undefined) throw await startError(said())
    if (line === 'view') return { stubs, pid }
    const [word, rest] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]
    if (word === 'init') pid = rest
    if (word === 'stub') stubs.push(rest.replace(/^\.\//, ''))
    if (word === 'unsafe') {
      throw new PlinthError('PATH_UNSAFE', `cannot run in this tree: '/${rest}' is no directory`, {
        hint: 'proc, dev and sys are where the kernel is mounted: they must be directories or absent',
      })
    }
  }
}

/** The trusted.* attributes overlayfs marks its files with are for the host's root only (overlayfs.rst). */
function overlayOptions(ids: IdMap): string {
  const nested = ids.kind !== 'none' || !ids.uids.some((r) => r.count >= 0xffff_ffff)
  // with userxattr redirects are never followed, and saying so is a conflict
  const marks = nested ? 'userxattr' : 'redirect_dir=nofollow'
  return `lowerdir=lower,upperdir=upper,workdir=work,index=off,metacopy=off,${marks}`
}

/** A path as fstab(5) writes it. */
function fstab(path: string): string {
  return path.replace(/[\s\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
}

async function startError(said: string): Promise<PlinthError> {
  if (/No space left on device/.test(said) && !/unshare/.test(said)) {
    return new PlinthError('DISK_FULL', `cannot open a workspace: ${said}`, {
      hint: 'free some space, or put the store elsewhere with --store DIR',
    })
  }
  return namespaceError('open a workspace', said)
}
