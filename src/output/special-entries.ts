import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { writeTar } from '../archive/tar-write.ts'
import type { Entry } from '../entry.ts'
import { PlinthError } from '../errors.ts'
import type { ContentReader } from '../store/content.ts'

/**
 * Writes the entries that Node has no call for (devices, pipes, extended attributes) with GNU tar, into
 * `root` where their parents are already. Throws `TOOL_MISSING` without GNU tar, `IO` with what it said.
 */
export async function writeSpecialEntries(
  root: string,
  entries: readonly Entry[],
  options: { readonly contents: ContentReader; readonly owners: boolean },
): Promise<void> {
  const owners = options.owners ? ['--same-owner', '--numeric-owner'] : ['--no-same-owner']
  const flags = [
    '--same-permissions',
    '--xattrs',
    '--xattrs-include=*',
    '--delay-directory-restore',
    ...owners,
  ]
  const tar = spawn('tar', ['--extract', '--file=-', ...flags, `--directory=${root}`], {
    stdio: ['pipe', 'ignore', 'pipe'],
    // messages in English, nothing else of the caller's surroundings
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin', LC_ALL: 'C' },
  })
  let said = ''
  tar.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = new Promise<number | null>((resolve, reject) => {
    tar.once('error', reject)
    tar.once('close', resolve)
  })
  // tar's own end says more than the broken pipe that follows from it
  const fed = pipeline(Readable.from(writeTar(entries, options.contents)), tar.stdin)
  const [end, feed] = await Promise.allSettled([ended, fed])
  if (end.status === 'rejected') {
    throw new PlinthError(
      'TOOL_MISSING',
      'cannot write devices, pipes and extended attributes: GNU tar does not start',
      {
        cause: end.reason,
        hint: 'install GNU tar, or write type=rootfs, which needs no tool',
      },
    )
  }
  if (end.value !== 0) {
    throw new PlinthError(
      'IO',
      `cannot write devices, pipes and extended attributes: ${said.trim() || 'tar failed'}`,
    )
  }
  if (feed.status === 'rejected') throw feed.reason
}
