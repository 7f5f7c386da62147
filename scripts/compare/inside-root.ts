import { spawn } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { $ } from 'zx'
import { cleanupRules } from '../../src/distro/deb/cleanup.ts'

/**
 * Unpacks both archives below `work` and asks the programs inside: dpkg must find no fault with plinth's
 * packages and files, apt none with their relations, and both apts must hold the same packages for
 * automatic. Needs root, for chroot(8). Returns what is wrong.
 */
export async function inspectRoots(peer: string, own: string, work: string): Promise<string[]> {
  const roots = [path.join(work, 'mmdebstrap.root'), path.join(work, 'plinth.root')] as const
  try {
    for (const [index, archive] of [peer, own].entries()) {
      await mkdir(roots[index]!)
      await $({
        quiet: true,
      })`tar --extract --preserve-permissions --xattrs --xattrs-include=* --directory=${roots[index]!} --file=${archive}`
    }
    const [theirs, ours] = roots
    return [
      ...complaints('dpkg --audit', await inside(ours, ['dpkg', '--audit'])),
      ...complaints('dpkg --verify', await inside(ours, ['dpkg', '--verify'])).filter(
        (line) => !cleanupRules.some(({ path: cleaned }) => line.endsWith(` /${cleaned}`)),
      ),
      ...(await aptComplaints(theirs, ours)),
    ]
  } finally {
    for (const root of roots) await rm(root, { recursive: true, force: true })
  }
}

async function aptComplaints(theirs: string, ours: string): Promise<string[]> {
  const has = await inside(ours, ['test', '-x', '/usr/bin/apt-get'])
  if (has.code !== 0) return []
  const check = await inside(ours, ['apt-get', 'check', '-q'])
  const marks = await Promise.all(
    [theirs, ours].map(async (root) => (await inside(root, ['apt-mark', 'showauto'])).output),
  )
  return [
    ...(check.code === 0 ? [] : complaints('apt-get check', check)),
    ...(marks[0] === marks[1] ? [] : [`apt-mark showauto: ${marks[0]} | ${marks[1]}`]),
  ]
}

interface Answer {
  readonly code: number | null
  readonly output: string
}

function inside(root: string, argv: readonly string[]): Promise<Answer> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' }
  const child = spawn('chroot', [root, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, output }))
  })
}

function complaints(command: string, { code, output }: Answer): string[] {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  if (lines.length === 0 && code !== 0) return [`${command}: exit status ${code}`]
  return lines.map((line) => `${command}: ${line}`)
}
