import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** A Docker engine of its own for one suite; leaving its scope ends it and removes all it made. */
export interface PrivateDockerd extends AsyncDisposable {
  /** `unix://…`, for DOCKER_HOST */
  readonly host: string
  /** words before the docker command line that goes with it */
  readonly prefix: readonly string[]
  /** Runs the docker command line against it; rejects with what docker said. */
  readonly docker: (...argv: readonly string[]) => Promise<string>
}

/**
 * Runs a command in a tree as if it were the system, but for this one's /tmp, /dev, /proc and /sys. It is the
 * root of a mount namespace, not only of the process: an engine pivots from there into its containers.
 */
const inTree = `root=$1 here=$PWD; shift
mount --bind "$root" "$root"
for shared in proc sys dev tmp; do mount --rbind "/$shared" "$root/$shared"; done
mount -t tmpfs none "$root/run"
mkdir "$root/run/before"
cd "$root" && pivot_root . run/before && exec chroot . sh -c '
  umount -l /run/before; cd "$1"; shift; exec "$@"' sh "$here" "$@"`

/** The words before a command that is to run in a tree; none where it is to run here. */
export function prefixOf(tree: string | undefined): readonly string[] {
  return tree === undefined ? [] : ['unshare', '--mount', 'sh', '-euc', inTree, 'sh', tree]
}

/**
 * Starts the system's dockerd with its own data, socket and containerd, without touching networks or
 * firewall rules: containers get `--network none` or `host`. With `tree` it is the one of another system,
 * unpacked there, which keeps images in containerd as today's engines do. Needs root.
 */
export async function startDockerd(
  options: { readonly tree?: string | undefined } = {},
): Promise<PrivateDockerd> {
  const prefix = prefixOf(options.tree)
  // socket paths are limited to 108 bytes, hence the short name
  const home = await mkdtemp(join(tmpdir(), 'pd-'))
  const host = `unix://${home}/docker.sock`
  const log: string[] = []
  const [command, ...before] = [...prefix, 'dockerd']
  const daemon = spawn(
    command,
    [
      ...before,
      '--data-root',
      join(home, 'data'),
      '--exec-root',
      join(home, 'exec'),
      '--pidfile',
      join(home, 'pid'),
      '-H',
      host,
      '--iptables=false',
      '--ip-forward=false',
      '--ip-masq=false',
      '--bridge=none',
      ...(options.tree === undefined
        ? []
        : ['--ip6tables=false', '--feature=containerd-snapshotter']),
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
    },
  )
  daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
    log.push(text)
    if (log.length > 200) log.shift()
  })
  const failed = new Promise<never>((_, reject) => {
    daemon.once('error', reject)
    daemon.once('exit', (code, signal) =>
      reject(new Error(`dockerd ended (${signal ?? code}):\n${log.join('')}`)),
    )
  })
  failed.catch(() => {})
  const docker = async (...argv: readonly string[]): Promise<string> => {
    const [client, ...first] = [...prefix, 'docker']
    const { stdout } = await execute(client, [...first, '-H', host, ...argv], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    })
    return stdout.trim()
  }
  const stop = async (): Promise<void> => {
    await end(daemon)
    await unmountBelow(home)
    await rm(home, { recursive: true, force: true })
  }
  try {
    await Promise.race([failed, answering(docker)])
  } catch (error) {
    await stop()
    throw error
  }
  return { host, prefix, docker, [Symbol.asyncDispose]: stop }
}

async function answering(docker: PrivateDockerd['docker']): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await docker('version')
      return
    } catch (error) {
      if (tries >= 300) throw error
      await sleep(100)
    }
  }
}

/** Asks a daemon to end, which ends its containerd too; insists after ten seconds. */
async function end(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null || daemon.pid === undefined) return
  const gone = new Promise((resolve) => daemon.once('close', resolve))
  daemon.kill('SIGTERM')
  const patience = setTimeout(() => daemon.kill('SIGKILL'), 10_000)
  await gone
  clearTimeout(patience)
}

/** A daemon that ended badly may leave mounts, which would keep its directory. */
async function unmountBelow(home: string): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  const points = mounts.split('\n').map((line) => line.split(' ')[1] ?? '')
  for (const point of points.filter((path) => path.startsWith(`${home}/`)).toReversed()) {
    await execute('umount', ['--lazy', point]).catch(() => {})
  }
}
