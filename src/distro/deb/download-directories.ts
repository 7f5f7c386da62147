import type { Entry } from '../../entry.ts'
import type { Tree } from '../../rootfs/tree.ts'
import type { ContentReader } from '../../store/content.ts'

/** The directories apt downloads into, given to the user it downloads as: what its first run would do. */
export async function withDownloadDirectories(
  tree: Tree,
  mtime: number,
  contents: Pick<ContentReader, 'bytes'>,
): Promise<Tree> {
  const passwd = tree.get('etc/passwd')
  if (passwd?.type !== 'file') return tree
  const users = Buffer.from(await contents.bytes(passwd.content, passwd.size)).toString('latin1')
  const uid = /^_apt:[^:]*:(\d+):/m.exec(users)?.[1]
  if (uid === undefined) return tree
  const made = new Map<string, Entry>(tree)
  for (const path of ['var/lib/apt/lists/partial', 'var/cache/apt/archives/partial'])
    made.set(path, { type: 'directory', path, mode: 0o700, uid: Number(uid), gid: 0, mtime })
  return made
}
