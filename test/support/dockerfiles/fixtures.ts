import { execFileSync } from 'node:child_process'
import { gzipSync } from 'node:zlib'
import { pax, rawTar, type RawMember } from '../tar.ts'

/**
 * When everything in a context was last changed, as were the files that are served and those in tars: before the
 * base was built, so that no builder takes it for too late.
 */
export const contextTime = 1_500_000_000

/** What a case's context or the server beside it holds that is not text. */
export const fixtures: Readonly<Record<string, () => Uint8Array>> = {
  tar: () => rawTar(members),
  'tar.gz': () => gzipSync(rawTar(members)),
  'tar.bz2': () => compressed('bzip2'),
  'tar.xz': () => compressed('xz'),
  'tar.zst': () => compressed('zstd'),
  'empty-tar': () => rawTar([]),
  /** not a tar: only compressed */
  'text.gz': () => gzipSync('text\n'),
  /** would write outside of where it is unpacked */
  'escaping-tar': () => rawTar([{ name: '../../escaped', body: 'out\n', mtime: contextTime }]),
  /** replaces what the base image has */
  'replacing-tar': () =>
    rawTar([
      { name: 'etc/', mode: 0o711, mtime: contextTime },
      { name: 'etc/issue', body: 'replaced\n', mode: 0o600, mtime: contextTime },
    ]),
  /** a symbolic link, then a file through it */
  'link-tar': () =>
    rawTar([
      { name: 'd/', mtime: contextTime },
      { name: 'l', type: '2', linkname: 'd', mtime: contextTime },
      { name: 'l/f', body: 'through\n', mtime: contextTime },
    ]),
  /** a whiteout, which is a file like any other where no layer is read */
  'whiteout-tar': () =>
    rawTar([
      { name: 'etc/', mtime: contextTime },
      { name: 'etc/.wh.issue', body: '', mtime: contextTime },
    ]),
  'broken-tar': () => rawTar(members).subarray(0, 1100),
  'broken-tar.gz': () => gzipSync(rawTar(members)).subarray(0, 90),
  big: () => Buffer.alloc(3 << 20, 'plinth '),
}

/** Every type, owners and modes of all sorts. */
const members: RawMember[] = [
  { name: 'dir/', mode: 0o750, uid: 7, gid: 8, mtime: contextTime },
  { name: 'dir/file', body: 'packed\n', mode: 0o4755, uid: 7, gid: 8, mtime: contextTime },
  // as the file it is: whoever unpacks gives the one file what the last of its names says
  {
    name: 'dir/hard',
    type: '1',
    linkname: 'dir/file',
    mode: 0o4755,
    uid: 7,
    gid: 8,
    mtime: contextTime,
  },
  { name: 'link', type: '2', linkname: 'dir/file', uid: 7, gid: 8, mtime: contextTime },
  { name: 'pipe', type: '6', mode: 0o600, mtime: contextTime },
  pax({ 'SCHILY.xattr.user.plinth': 'kept' }),
  { name: 'attributes', body: 'x\n', mtime: contextTime },
  { name: 'deep/er/file', body: 'no entries above\n', mtime: contextTime },
]

function compressed(program: string): Buffer {
  return execFileSync(program, ['-c'], { input: rawTar(members) })
}
