import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join, posix } from 'node:path'
import { PlinthError } from '../../errors.ts'
import type { Mount } from '../../ports.ts'
import type { MountLine } from './fstab.ts'
import type { IdMap } from './ids.ts'
import { type Forwarder, forwardSocket } from './socket.ts'

/** Mounts as a view takes them: what to mount beside the tree at once, and what then goes where, in order. */
export interface PreparedMounts extends AsyncDisposable {
  readonly fstab: readonly MountLine[]
  /** three lines each: see `viewScript` */
  readonly orders: string
}

/** None. */
export const noMounts: PreparedMounts = {
  fstab: [],
  orders: '',
  async [Symbol.asyncDispose]() {},
}

/** A tree to mount, made ready below the workspace's directory. */
export interface ReadyTree {
  /** mounted beside the root, then bound from there */
  readonly line: (at: string) => MountLine
}

/** What preparing mounts needs: `holder` says where the workspace is, and whose. */
export interface MountDeps {
  readonly holder: { readonly directory: string; readonly visible: string; readonly ids: IdMap }
  /** makes a tree ready; `name` is unique in the workspace */
  readonly tree: (mount: Mount & { readonly type: 'tree' }, name: string) => Promise<ReadyTree>
  /** a number for each mount */
  readonly count: () => number
}

/**
 * Makes the sources of mounts ready. Throws `RUN_FAILED` for one that is not there, `PATH_UNSAFE` for a target
 * that cannot be one.
 */
export async function prepareMounts(
  mounts: readonly Mount[],
  deps: MountDeps,
): Promise<PreparedMounts> {
  if (mounts.length === 0) return noMounts
  const { holder } = deps
  const lines: MountLine[] = []
  const orders: string[] = []
  const files: string[] = []
  const forwarders: Forwarder[] = []
  const order = (kind: string, source: string, target = '', inner = ''): void =>
    void orders.push(`${kind} ${source}\n${target}\n${inner}\n`)
  /** Owners inside a user namespace can only be given from inside. */
  const own = (made: string, at: string, { uid, gid, mode }: Owned): void => {
    if (holder.ids.kind === 'none') chownSync(made, uid, gid)
    else if (uid !== 0 || gid !== 0) order('owner', `${uid}:${gid}`, at)
    chmodSync(made, mode)
  }
  const close = async (): Promise<void> => {
    for (const file of files) rmSync(file, { force: true })
    await Promise.all(forwarders.map((forwarder) => forwarder.close()))
  }
  try {
    for (const mount of mounts) {
      const target = targetPath(mount.target)
      const name = `m${deps.count()}`
      const at = join(holder.directory, 'io', name)
      const made = join(holder.visible, 'io', name)
      switch (mount.type) {
        case 'directory': {
          const found = hostPath(mount.path)
          if (found.directory) mkdirSync(made)
          else writeFileSync(made, '')
          lines.push([found.path, at, 'none', bindOptions(found.path, mount.readonly, holder)])
          if (mount.readonly) order('sealed', '-', at)
          order(found.directory ? 'directory' : 'file', at, target)
          break
        }
        case 'tmpfs':
          mkdirSync(made)
          lines.push([
            'tmpfs',
            at,
            'tmpfs',
            `mode=1777,nosuid,nodev${mount.size === undefined ? '' : `,size=${mount.size}`}`,
          ])
          order('directory', at, target)
          break
        case 'tree':
          mkdirSync(made)
          lines.push((await deps.tree(mount, name)).line(at))
          if (mount.readonly) order('sealed', '-', at)
          order('tree', at, target, oneLine(mount.source ?? '', mount.source ?? ''))
          break
        case 'file':
          writeFileSync(made, mount.content, { mode: 0o600 })
          files.push(made)
          own(made, at, mount)
          order('file', at, target)
          break
        case 'socket':
          forwarders.push(await forwardSocket(mount.path, made))
          own(made, at, mount)
          order('file', at, target)
      }
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    fstab: lines,
    orders: orders.join(''),
    [Symbol.asyncDispose]: close,
  }
}

interface Owned {
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

/** A mount's target below the root. */
export function targetPath(target: string): string {
  const path = posix.normalize(target).replace(/^\/+|\/+$/g, '')
  if (path === '' || path === '.' || path === '..' || path.startsWith('../')) {
    throw new PlinthError('PATH_UNSAFE', `cannot mount at '${target}': that is the root itself`)
  }
  return oneLine(path, target)
}

function oneLine(path: string, given: string): string {
  if (/[\n\0]/.test(path)) {
    throw new PlinthError('PATH_UNSAFE', `cannot mount '${given}': it holds a line end`)
  }
  return path
}

/** A path of this machine, links followed. */
export function hostPath(path: string): { readonly path: string; readonly directory: boolean } {
  try {
    const real = realpathSync(path)
    return { path: real, directory: statSync(real).isDirectory() }
  } catch (error) {
    throw new PlinthError('RUN_FAILED', `cannot mount '${path}': ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/**
 * No devices: root inside may make them in a directory of the host. Below a user namespace nobody can, and
 * what the host has mounted there comes along and keeps its own restrictions (mount_namespaces(7)).
 */
function bindOptions(
  path: string,
  readonly: boolean | undefined,
  { ids }: MountDeps['holder'],
): string {
  if (ids.kind === 'none') return `bind,nodev${readonly ? ',ro' : ''}`
  if (!readonly) return 'rbind'
  return ['rbind', 'ro', ...restrictionsOf(path)].join(',')
}

/** The options of the mount that holds `path` which a remount must repeat (proc_pid_mountinfo(5)). */
function restrictionsOf(path: string): readonly string[] {
  let best = { length: -1, options: '' }
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const fields = line.split(' ')
    const point = (fields[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    const holds = point === '/' || path === point || path.startsWith(`${point}/`)
    if (point !== '' && holds && point.length >= best.length) {
      best = { length: point.length, options: fields[5] ?? '' }
    }
  }
  return best.options.split(',').filter((option) => ['nosuid', 'nodev', 'noexec'].includes(option))
}
