import { lstat, readlink } from 'node:fs/promises'
import type { Entry } from '../../entry.ts'
import type { Executor, Mount } from '../../ports.ts'
import type { Finding } from './finding.ts'

/** Where a system's own programs and libraries are. */
const systemDirectories = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'usr']

/**
 * A shell of this machine, in a workspace without network where its folders are mounted read-only, looks whether
 * the loopback is up (netdevice(7): IFF_UP and IFF_LOOPBACK are 0x9) and cannot write to what is mounted.
 */
export async function checkLoopback(executor: Executor, signal: AbortSignal): Promise<Finding> {
  const entries: Entry[] = []
  const mounts: Mount[] = []
  for (const path of systemDirectories) {
    const found = await lstat(`/${path}`).catch(() => undefined)
    const metadata = { path, mode: 0o755, uid: 0, gid: 0, mtime: 0 }
    if (found?.isSymbolicLink()) {
      entries.push({
        ...metadata,
        mode: 0o777,
        type: 'symlink',
        target: await readlink(`/${path}`),
      })
    } else if (found?.isDirectory()) {
      entries.push({ ...metadata, type: 'directory' })
      mounts.push({ type: 'directory', path: `/${path}`, target: `/${path}`, readonly: true })
    }
  }
  const lines: string[] = []
  await using workspace = await executor.open(entries, { signal })
  const { code } = await workspace.run({
    argv: ['/bin/sh', '-c', script],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    network: 'none',
    mounts,
    onLine: (_, line) => void lines.push(line),
  })
  const name = 'network'
  if (code === 0 && lines.at(-1) === '0x9') {
    return { name, state: 'ok', detail: 'none but a loopback, or that of this machine' }
  }
  return {
    name,
    state: 'degraded',
    detail: `the loopback of a network of its own is not up: ${lines.join('; ') || `exit code ${code}`}`,
    hint: 'programs that talk to themselves need --network host',
  }
}

const script = `
if (: >/usr/.plinth-doctor) 2>/dev/null; then echo 'a read-only mount can be written'; exit 1; fi
cat /sys/class/net/lo/flags
`
