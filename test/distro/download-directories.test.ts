import { describe, expect, test } from 'vitest'
import { withDownloadDirectories } from '../../src/distro/deb/download-directories.ts'
import { file } from '../../src/distro/deb/configure-stubs.ts'
import type { Entry } from '../../src/entry.ts'
import { contentReader } from '../../src/store/content.ts'
import { scratchStore } from '../support/scratch.ts'

const directories = ['var/cache/apt/archives/partial', 'var/lib/apt/lists/partial']

async function owners(passwd: Entry | undefined): Promise<readonly unknown[]> {
  const tree = new Map<string, Entry>(
    directories.map((path) => [
      path,
      { type: 'directory', path, mode: 0o755, uid: 0, gid: 0, mtime: 1 },
    ]),
  )
  if (passwd) tree.set(passwd.path, passwd)
  using contents = contentReader(await scratchStore())
  const made = await withDownloadDirectories(tree, 2, contents)
  return directories.map((path) => {
    const { mode, uid, gid, mtime } = made.get(path)!
    return [mode.toString(8), uid, gid, mtime]
  })
}

describe('withDownloadDirectories()', () => {
  test('gives them to the user apt downloads as, and to nobody else', async () => {
    const passwd =
      'root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n'
    const given = ['700', 42, 0, 2]
    expect(await owners(file('etc/passwd', passwd, 0o644))).toEqual([given, given])
  })

  test.each([
    ['no such user', file('etc/passwd', 'root:x:0:0::/:/bin/sh\nnot_apt:x:42:0::/:\n', 0o644)],
    ['no users', undefined],
  ])('leaves them as they are where there is %s', async (_, passwd) => {
    const left = ['755', 0, 0, 1]
    expect(await owners(passwd)).toEqual([left, left])
  })
})
