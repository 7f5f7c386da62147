import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { decompress, sniffCompression, type Compression } from '../../archive/decompress.ts'
import { memberEntry } from '../../archive/member-entry.ts'
import { treePath } from '../../archive/path.ts'
import { readTar, type TarMember } from '../../archive/tar-read.ts'
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
  const compression = sniffCompression(head)
  if (compression !== 'none') return compression
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
    if (path === '') return []
    const isLink = member.type === 'hardlink'
    const target = isLink ? treePath(member.linkname.replace(/^\/+/, ''), name) : undefined
    return [memberEntry(path, member, digest, target)]
  })
}
