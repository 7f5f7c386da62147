import type { Digest } from '../digest.ts'
import type { Entry } from '../entry.ts'
import type { TarMember } from './tar-read.ts'

/**
 * The entry at `path` that a member of an archive is, its content a slice of the uncompressed archive, the blob
 * `data`. A hard link's target is `target`, or as the member has it.
 */
export function memberEntry(
  path: string,
  member: TarMember,
  data: Digest,
  target = member.linkname,
): Entry {
  const { mode, uid, gid, mtime, xattrs } = member
  const metadata = { path, mode, uid, gid, mtime, ...(xattrs && { xattrs }) }
  switch (member.type) {
    case 'file':
      return {
        ...metadata,
        type: 'file',
        size: member.size,
        content: { kind: 'blob', digest: data, offset: member.offset },
      }
    case 'hardlink':
      return { ...metadata, type: 'hardlink', target }
    case 'symlink':
      return { ...metadata, type: 'symlink', target: member.linkname }
    case 'character':
    case 'block':
      return { ...metadata, type: member.type, major: member.major, minor: member.minor }
    case 'directory':
    case 'fifo':
      return { ...metadata, type: member.type }
  }
}
