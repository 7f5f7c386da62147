import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { decompress, type Compression } from '../../archive/decompress.ts'
import { treePath } from '../../archive/path.ts'
import { readTar, type TarMember } from '../../archive/tar-read.ts'
import type { Digest } from '../../digest.ts'
import type { Content, Entry } from '../../entry.ts'
import { isPlinthError } from '../../errors.ts'
import type { BlobWriter, Store } from '../../ports.ts'
import { through } from '../../store/through.ts'
import type { Part } from './part.ts'
import type { StepDeps } from './deps.ts'
import type { Destination, Owner } from './place.ts'
import type { Selection } from './select.ts'

/**
 * Unpacks what was selected into the destination when it is a tar archive, plain or compressed, which its content
 * tells, never its name. False when it is none: then it is copied.
 */
export async function unpackInto(
  target: Destination,
  { isDirectory, entries }: Selection,
  part: Part,
  options: { readonly destination: string; readonly owner: Owner | undefined },
  deps: StepDeps,
): Promise<boolean> {
  const file = entries[0]?.entry
  if (isDirectory || file?.type !== 'file') return false
  const content = file.content ?? part.content?.(file.path)
  if (content === undefined) return false
  const source = await archiveSource(content, file.path, deps)
  const compression = compressionOf(source.head)
  if (compression === undefined) return false
  const unpacked = await unpackArchive(source.read(), {
    compression,
    size: file.size,
    name: file.path,
    store: deps.store,
  })
  if (unpacked === undefined) return false
  target.unpack(unpacked, options)
  return true
}

interface ArchiveSource {
  readonly head: Uint8Array
  read(): AsyncIterable<Uint8Array>
}

async function archiveSource(
  content: Content,
  path: string,
  { request, store }: StepDeps,
): Promise<ArchiveSource> {
  if (content.kind === 'bytes') {
    const { bytes } = content
    // oxlint-disable-next-line require-await -- a stream of one
    return {
      head: bytes.subarray(0, headSize),
      read: async function* () {
        yield bytes
      },
    }
  }
  const file =
    (await store.has(content.digest)) === undefined
      ? join(request.context!.directory, path)
      : await store.verified(content.digest)
  await using handle = await open(file)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(headSize), 0, headSize, 0)
  return { head: buffer.subarray(0, bytesRead), read: () => createReadStream(file) }
}

const headSize = 512

/** By the first bytes; a plain tar has its mark in the first header (POSIX ustar). Undefined: no archive. */
function compressionOf(head: Uint8Array): Compression | undefined {
  const begins = (...bytes: readonly number[]): boolean => bytes.every((b, i) => head[i] === b)
  if (begins(0x1f, 0x8b)) return 'gzip'
  if (begins(0x42, 0x5a, 0x68)) return 'bzip2'
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)) return 'xz'
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd'
  const mark = Buffer.from(head.subarray(257, 262)).toString('latin1')
  return mark === 'ustar' ? 'none' : undefined
}

/**
 * The entries of an archive, contents in the store as slices of its plain tar. Undefined when what is compressed
 * is no tar; an archive that is damaged further on is refused.
 */
async function unpackArchive(
  chunks: AsyncIterable<Uint8Array>,
  file: {
    readonly compression: Compression
    readonly size: number
    readonly name: string
    readonly store: Store
  },
): Promise<readonly Entry[] | undefined> {
  const plain = decompress(file.compression, chunks, {
    name: file.name,
    // the best of these compressions shrinks zeros to a ten-thousandth
    maxSize: Math.max(file.size * 20_000, 1 << 30),
  })
  const writer = await file.store.writer()
  const members: TarMember[] = []
  try {
    for await (const member of readTar(through(plain, writer), file.name)) members.push(member)
    return await kept(members, writer, file.name)
  } catch (error) {
    if (members.length === 0 && isPlinthError(error, 'ARCHIVE_INVALID')) return undefined
    throw error
  } finally {
    await writer.abort()
  }
}

async function kept(
  members: readonly TarMember[],
  writer: BlobWriter,
  name: string,
): Promise<readonly Entry[]> {
  const { digest } = await writer.commit()
  return members.flatMap((member) => {
    const path = treePath(member.name.replace(/^\/+/, ''), name)
    return path === '' ? [] : [entryOf(member, path, name, digest)]
  })
}

function entryOf(member: TarMember, path: string, archive: string, digest: Digest): Entry {
  const { mode, uid, gid, mtime, xattrs } = member
  const metadata = { path, mode, uid, gid, mtime, ...(xattrs && { xattrs }) }
  switch (member.type) {
    case 'file':
      return {
        ...metadata,
        type: 'file',
        size: member.size,
        content: { kind: 'blob', digest, offset: member.offset },
      }
    case 'hardlink':
      return {
        ...metadata,
        type: 'hardlink',
        target: treePath(member.linkname.replace(/^\/+/, ''), archive),
      }
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
