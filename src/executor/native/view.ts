import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PlinthError } from '../../errors.ts'
import { startError } from './diagnose.ts'
import { writeDevices } from './devices.ts'
import { fstab, kernelMounts } from './fstab.ts'
import type { IdMap } from './ids.ts'
import type { LineSource } from '../lines.ts'
import type { PreparedMounts } from './mounts.ts'
import { hostNetworkFiles } from './network.ts'
import { runTool } from './process.ts'
import type { Tools } from './tools.ts'

/** What a view shows. */
export interface ViewSpec {
  readonly hostname: string
  readonly network: 'none' | 'host'
  readonly security: 'sandbox' | 'insecure'
  readonly mounts: PreparedMounts
  /** gets the paths that have to be made to mount on */
  readonly stubs: Set<string>
}

/** Namespaces to run processes in: mount, pid, ipc, uts, and network unless that is the host's. */
export interface View {
  /** the words before a command that is to run there, in the tree: still the host's programs */
  readonly enter: readonly string[]
  /** Goes to a directory inside, links followed there. The path it really has, or undefined when there is none. */
  cd(path: string): Promise<string | undefined>
  /** Ends every process in it but PID 1. */
  killAll(): Promise<void>
  /** Ends it. */
  close(): Promise<void>
}

/** The holder's side of a view. */
export interface ViewDeps {
  readonly ids: IdMap
  readonly tools: Tools
  readonly directory: string
  /** the directory for this process */
  readonly visible: string
  /** a number for each view */
  readonly count: () => number
  readonly lines: LineSource
  readonly said: () => string
  readonly send: (line: string) => void
  /** the words that enter the user and mount namespaces of a process */
  readonly entering: (pid: string) => readonly string[]
}

/** Starts a view. Throws `PATH_UNSAFE` when the tree cannot take the mounts, `RUN_FAILED` for a source that is not there. */
export async function startView(spec: ViewSpec, deps: ViewDeps): Promise<View> {
  const { ids, tools, directory, lines, said, send } = deps
  const io = join(deps.visible, 'io')
  // what a run leaves in /dev is not for the next one
  const dev = join('io/dev', String(deps.count()))
  writeDevices(join(deps.visible, dev))
  writeFileSync(join(io, 'hostname'), `${spec.hostname}\n`)
  if (spec.network === 'host') await hostNetworkFiles(io, spec.hostname)
  const lent = [
    ...spec.mounts.fstab,
    ...kernelMounts({ directory, dev: join(directory, dev), ids }, spec),
  ]
  writeFileSync(join(io, 'fstab'), fstab(lent))
  writeFileSync(join(io, 'mounts'), spec.mounts.orders)
  send(`view ${spec.network}`)
  const pid = await ready(spec, deps)

  const inner = ['--ipc', '--uts', '--pid', ...(spec.network === 'none' ? ['--net'] : [])]
  const entering = deps.entering(pid)
  const off = await runTool([...entering, '--', tools.umount, '-l', '/'], { env: tools.env })
  if (off.code !== 0) throw await startError(off.stderr)
  const answer = async (): Promise<string> => {
    const line = await lines.next()
    if (line !== undefined && line !== 'ended') return line
    throw new PlinthError('IO', `the workspace ended by itself: ${said() || 'it was killed'}`, {
      hint: 'look for the out-of-memory killer in the system log',
    })
  }
  return {
    enter: [...entering, ...inner, '--root=/', `--wd=/proc/${pid}/cwd`, '--'],
    async cd(path) {
      send(`cd ${path}`)
      const line = await answer()
      return line === 'out' ? undefined : line.slice('in '.length)
    },
    async killAll() {
      send('kill')
      await answer()
    },
    async close() {
      send('end')
      await lines.next()
    },
  }
}

/** Waits for a view to stand, and hands it what it asks for. Its process, as the host sees it. */
async function ready({ stubs }: ViewSpec, { lines, said }: ViewDeps): Promise<string> {
  let pid = ''
  for (;;) {
    const line = await lines.next()
    if (line === undefined || line === 'ended') throw await startError(said())
    const space = line.indexOf(' ')
    const rest = line.slice(space + 1)
    switch (space < 0 ? line : line.slice(0, space)) {
      case 'view':
        return pid
      case 'init':
        pid = rest
        break
      case 'stub':
        stubs.add(rest.replace(/^\/+/, ''))
        break
      case 'unsafe':
        await lines.next()
        throw new PlinthError(
          'PATH_UNSAFE',
          `cannot mount at '${rest}': something else is in its way`,
          {
            hint: 'what is mounted on must be absent or a directory (for a file: a file), as must proc, dev and sys',
          },
        )
      case 'absent':
        await lines.next()
        throw new PlinthError('RUN_FAILED', `cannot mount '${rest}': its source has no such path`)
    }
  }
}
