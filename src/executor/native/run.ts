import { writeFileSync } from 'node:fs'
import { constants as system } from 'node:os'
import type { ExitStatus, RunRequest } from '../../ports.ts'
import type { Holder } from './holder.ts'
import { eachLine } from './lines.ts'
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

/**
 * Runs one process in a view and waits until it and everything it left behind has ended. `cwd` has no
 * symbolic link in it. The process gets real pipes (Node's are sockets), so that it can open /dev/stdout and its like.
 */
export async function runIn(
  holder: Holder,
  view: View,
  request: RunRequest & { readonly cwd: string },
): Promise<ExitStatus> {
  const { uid, gid, groups } = request.user ?? { uid: 0, gid: 0 }
  const direct: string[] = []
  const inside: string[] = []
  for (const [name, value] of Object.entries(request.env))
    (steering.test(name) ? inside : direct).push(`${name}=${value}`)
  const limits = [
    '--inh-caps=-all',
    `--bounding-set=-all,${capabilities.map((name) => `+${name}`).join(',')}`,
    ...groupOptions(holder, gid, groups),
  ]
  const change = ['--root=.', `--wd=${request.cwd}`, ...(uid === 0 ? [] : [`--setuid=${uid}`])]
  const { tools } = holder
  const inherited = [tools.env, '-i', ...direct]
  const limited = [tools.setpriv, ...limits, '--']
  const moved = [tools.nsenter, ...change, '--']
  const words = [
    ...inherited,
    // a signal to its process group must not reach the agent
    tools.setsid,
    ...view.enter,
    ...limited,
    ...moved,
    ...(inside.length > 0 ? ['/usr/bin/env', ...inside] : []),
    ...request.argv,
  ]
  if (request.stdin !== undefined) writeFileSync(`${holder.visible}/io/stdin`, request.stdin)
  using job = holder.start(words, request.stdin === undefined ? 'none' : 'file')
  const { onLine } = request
  const output = Promise.all([
    eachLine(job.stdout, (line) => onLine?.('stdout', line)),
    eachLine(job.stderr, (line) => onLine?.('stderr', line)),
  ])
  const status = statusOf(await job.code)
  await holder.killAll()
  job.finish()
  await output
  return status
}

/** Of a process that was ended by a signal a shell tells 128 and its number. */
function statusOf(code: number): ExitStatus {
  const signal = signals.get(code - 128)
  return signal === undefined ? { code } : { code, signal }
}

/** Of the names of one signal that which comes first. */
const signals = new Map(
  Object.entries(system.signals)
    .map(([name, number]) => [number, name] as const)
    .toReversed(),
)

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
