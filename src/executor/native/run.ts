import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { constants as system } from 'node:os'
import process from 'node:process'
import type { ExitStatus, Interactive, RunRequest } from '../../ports.ts'
import type { Holder } from './holder.ts'
import { eachLine } from '../lines.ts'
import { runTool } from './process.ts'
import { signalSender } from './signal.ts'
import { processStatus } from './status.ts'
import type { Tools } from './tools.ts'
import type { View } from './view.ts'

/** Docker's default capabilities (moby, oci/caps/defaults.go). */
const capabilities = [
  'chown',
  'dac_override',
  'fsetid',
  'fowner',
  'mknod',
  'net_raw',
  'setgid',
  'setuid',
  'setfcap',
  'setpcap',
  'net_bind_service',
  'sys_chroot',
  'kill',
  'audit_write',
]

/**
 * Variables that would steer the host's own programs on the way in (ld.so(8), "secure-execution mode",
 * and mount(8)): they are set by the tree's env(1), once inside.
 */
const steering =
  /^(LD_|GLIBC_TUNABLES$|MALLOC_|LIBMOUNT_|LIBBLKID_|GCONV_PATH$|LOCPATH$|NLSPATH$|GETCONF_DIR$|HOSTALIASES$|LOCALDOMAIN$|RES_OPTIONS$|RESOLV_|TZDIR$|TMPDIR$|NIS_PATH$|OPENSSL_|POSIXLY_CORRECT$)/

const fileMask = 0o022

/**
 * Runs one process in a view, in the directory the view has gone to, and waits until it and everything it
 * left behind has ended. The process gets real pipes, so that it can open /dev/stdout and its like; one that
 * is `interactive` gets what this process has.
 */
export async function runIn(
  holder: Holder,
  view: View,
  request: RunRequest & { readonly cwd: string },
): Promise<ExitStatus> {
  const { uid, gid, groups } = request.user ?? { uid: 0, gid: 0 }
  const direct: Record<string, string> = {}
  const inside: string[] = []
  for (const [name, value] of Object.entries(request.env)) {
    if (steering.test(name)) inside.push(`${name}=${value}`)
    else direct[name] = value
  }
  const limits = [
    ...(request.security === 'insecure'
      ? []
      : [
          '--inh-caps=-all',
          `--bounding-set=-all,${capabilities.map((name) => `+${name}`).join(',')}`,
        ]),
    ...groupOptions(holder, gid, groups),
  ]
  // above the root there is nothing: more steps up than the directory is deep lead there, and nothing but steps
  // up does, as the directory is one that was gone to and not a name
  const root = '../'.repeat(request.cwd.split('/').length + 8)
  const change = [`--root=${root}`, '--wd=.', ...(uid === 0 ? [] : [`--setuid=${uid}`])]
  const env = inside.length > 0 ? ['/usr/bin/env', ...inside] : []
  const enter = view.enter
  const words = {
    enter,
    limited: [holder.tools.setpriv, ...limits, '--'],
    inside: [holder.tools.nsenter, ...change, '--', ...env, ...request.argv],
  }
  const heeded = request.interactive?.tty
    ? await onTerminal({ ...words, env: request.env }, holder.tools)
    : undefined
  const [command = '', ...args] = heeded ?? [...enter, ...words.limited, ...words.inside]
  const streams = request.interactive
    ? callersStreams(request.interactive, heeded !== undefined)
    : pipedStreams(holder, request)
  const restore = await setUmask()
  const child = spawn(command, args, { env: direct, cwd: '/', ...streams.options })
  restore()
  const ended = endOf(child)
  const output = streams.started()
  request.interactive?.onStart?.(signalSender(child, heeded === undefined ? 1 : 2))
  try {
    const status = await ended
    await view.killAll()
    await output
    return status
  } finally {
    streams.close()
  }
}

/** The words that lead into a view, limit what is there, and start the process; and its environment. */
type TerminalWords = Readonly<Record<'enter' | 'limited' | 'inside', readonly string[]>> &
  Pick<RunRequest, 'env'>

/**
 * What Ctrl-C sends goes to the whole foreground. Of that only the process inside may heed it, not the one that
 * waits for it to tell how it ended. Where env(1) cannot undo that, Ctrl-C ends the run: undefined. A shell says by
 * its exit code what signal ended the process: nsenter(1) would send itself that, which it now does not heed. What
 * the shell has to remark goes nowhere: it keeps the standard error of the process as 3.
 */
async function onTerminal(
  { enter, limited, inside, env }: TerminalWords,
  tools: Tools,
): Promise<readonly string[] | undefined> {
  // what shells add to the environment
  const added = ['PWD', 'OLDPWD', 'SHLVL', '_'].filter((name) => env[name] === undefined)
  const unset = added.flatMap((name) => ['-u', name])
  const undo = ['/usr/bin/env', '--default-signal=INT,QUIT', ...unset, '--']
  const { code } = await runTool(['/usr/bin/env', '--default-signal=INT', 'true'], {
    env: tools.env,
  })
  if (code !== 0) return undefined
  const ignoring = [tools.sh, '-c', 'trap "" INT QUIT; exec "$@"', 'sh']
  const waiting = [tools.sh, '-c', '"$@" 2>&3 3>&-; exit $?', 'sh']
  return [...ignoring, ...enter, ...limited, ...waiting, ...undo, ...inside]
}

function endOf(child: ChildProcess): Promise<ExitStatus> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      resolve(
        signal === null ? { code: code ?? 0 } : { code: 128 + system.signals[signal], signal },
      ),
    )
  })
}

/** What a process reads and writes. */
interface Streams {
  readonly options: { readonly stdio: StdioOptions; readonly detached: boolean }
  /** to be called when the process has them; resolves when all it wrote was read */
  started(): Promise<unknown>
  close(): void
}

/**
 * This process's own. On a terminal the process stays in the session and the foreground, so that Ctrl-C and
 * the window's size reach it as they would outside.
 */
function callersStreams({ tty, stdin = true }: Interactive, aside: boolean): Streams {
  const errors: StdioOptions = aside ? ['ignore', process.stderr] : ['inherit']
  return {
    options: { stdio: [stdin ? 'inherit' : 'ignore', 'inherit', ...errors], detached: !tty },
    started: async () => {},
    close() {},
  }
}

function pipedStreams(holder: Holder, { stdin: given, onLine }: RunRequest): Streams {
  const stdout = pipe(`${holder.visible}/io/stdout`)
  const stderr = pipe(`${holder.visible}/io/stderr`)
  const stdin = given === undefined ? 'ignore' : inputFile(holder, given)
  return {
    options: { stdio: [stdin, stdout.write, stderr.write], detached: true },
    started() {
      for (const fd of [stdin, stdout.write, stderr.write]) {
        if (typeof fd === 'number') closeSync(fd)
      }
      return Promise.all([
        eachLine(stdout.read, (line) => onLine?.('stdout', line)),
        eachLine(stderr.read, (line) => onLine?.('stderr', line)),
      ])
    },
    close() {
      stdout.read.destroy()
      stderr.read.destroy()
    },
  }
}

/** setpriv(1) sets the groups while it still may; the user is changed last, after the root was. */
function groupOptions(
  { ids }: Holder,
  gid: number,
  groups: readonly number[] = [],
): readonly string[] {
  // setgroups(2) is denied where a user mapped a single id
  if (ids.kind === 'single') return gid === 0 ? [] : [`--regid=${gid}`, '--keep-groups']
  return [`--regid=${gid}`, groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups']
}

/** A pipe through a FIFO: Node's own are sockets, which cannot be opened through /proc/self/fd. */
function pipe(path: string): { readonly read: Socket; readonly write: number } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const write = openSync(path, constants.O_WRONLY)
  return { read: new Socket({ fd, readable: true, writable: false }), write }
}

/** Standard input as a file that is read from its beginning. */
function inputFile(holder: Holder, bytes: Uint8Array): number {
  const path = `${holder.visible}/io/stdin`
  writeFileSync(path, bytes)
  return openSync(path, 'r')
}

/**
 * A child inherits the umask, and nothing between here and the process could change it without touching
 * its environment. The caller's is back before anything else happens in this thread.
 */
async function setUmask(): Promise<() => void> {
  const { umask } = await processStatus()
  if (umask === fileMask) return () => {}
  const before = process.umask(fileMask)
  return () => void process.umask(before)
}
