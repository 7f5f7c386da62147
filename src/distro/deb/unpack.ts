import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { ArMember } from '../../archive/ar.ts'
import { decompress } from '../../archive/decompress.ts'
import { treePath } from '../../archive/path.ts'
import { readTar } from '../../archive/tar-read.ts'
import { TreeMembers } from '../../archive/tree-members.ts'
import { debLayout, type DebLayout } from '../../deb/deb-file.ts'
import type { Digest } from '../../digest.ts'
import { PlinthError } from '../../errors.ts'
import type { Store } from '../../ports.ts'
import { through } from '../../store/through.ts'
import {
  recordUnpacked,
  recordedUnpacked,
  type ControlFile,
  type UnpackedDeb,
} from './unpacked-record.ts'

export type { ControlFile, UnpackedDeb } from './unpacked-record.ts'

/** The largest control.tar content kept in memory; real ones are below 2 MiB. */
const maxControl = 64 * 1024 * 1024

/**
 * Unpacks a `.deb` that is in the store: verifies it, reads the control files, decompresses data.tar into
 * the store and lists its entries. The result is handed to `remember`, which by default keeps it by the
 * package's digest for the next time.
 *
 * Throws `STORE_CORRUPT` (the .deb does not match its digest), `ARCHIVE_INVALID`, `COMPRESSION_UNKNOWN`,
 * `DECOMPRESSION_BOMB`, `CONTROL_INVALID`, `PATH_UNSAFE`, `ENTRY_UNSUPPORTED`, `DISK_FULL`.
 */
export async function unpackDeb(
  deb: Digest,
  name: string,
  store: Store,
  remember: Remember = async (unpacked) => recordUnpacked(deb, unpacked, store),
): Promise<UnpackedDeb> {
  const known = await recordedUnpacked(deb, store)
  if (known && (await store.has(known.data)) !== undefined) return known
  const unpacked = await unpackAnew(deb, name, store)
  await remember(unpacked)
  return unpacked
}

type Remember = (unpacked: UnpackedDeb) => void | Promise<void>

/** The same without looking at what was kept or keeping it: for content that was lost. */
export async function unpackAnew(deb: Digest, name: string, store: Store): Promise<UnpackedDeb> {
  const file = openSync(await store.verified(deb), 'r')
  try {
    const layout = readLayout(file, name)
    const member = (part: DebLayout['control']) =>
      decompress(part.compression, readPart(file, part), { name, maxSize: maxUnpacked(part.size) })
    const control = await readControl(member(layout.control), name)
    return await readData(member(layout.data), control, name, store)
  } finally {
    closeSync(file)
  }
}

/**
 * How much may come out of so many bytes. The publisher's own numbers prove nothing; of Debian's packages none
 * beyond 256 MiB expands even a hundredfold.
 */
function maxUnpacked(size: number): number {
  return 256 * 1024 * 1024 + size * 100
}

/** A member's bytes. They were verified just now, so that the system has them in memory: no thread need wait. */
async function* readPart(file: number, part: ArMember): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < part.size;) {
    const buffer = Buffer.allocUnsafe(Math.min(pieceSize, part.size - done))
    const count = readSync(file, buffer, 0, buffer.length, part.offset + done)
    if (count === 0) return
    done += count
    yield buffer.subarray(0, count)
  }
}

const pieceSize = 512 * 1024

function readLayout(file: number, name: string): DebLayout {
  const read = (offset: number, length: number) => {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(file, bytes, 0, length, offset))
  }
  return debLayout(read, fstatSync(file).size, name)
}

async function readControl(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
): Promise<Pick<UnpackedDeb, 'control' | 'controlFiles'>> {
  let control: string | undefined
  let total = 0
  const controlFiles: ControlFile[] = []
  const seen = new Set<string>()
  for await (const member of readTar(chunks, `control.tar of ${name}`)) {
    const path = treePath(member.name, name)
    if (member.type === 'directory' && path === '') continue
    if (member.type !== 'file' || path.includes('/')) {
      throw new PlinthError(
        'CONTROL_INVALID',
        `cannot unpack ${name}: its control.tar holds '${path}', a ${member.type}`,
      )
    }
    if (seen.has(path)) {
      throw new PlinthError('CONTROL_INVALID', `cannot unpack ${name}: it has '${path}' twice`)
    }
    seen.add(path)
    total += member.size
    if (total > maxControl)
      throw new PlinthError(
        'DECOMPRESSION_BOMB',
        `cannot unpack ${name}: its control files exceed ${maxControl} bytes`,
      )
    const parts: Buffer[] = []
    for await (const part of member.body()) parts.push(part)
    const bytes = Buffer.concat(parts)
    if (path === 'control') control = bytes.toString('utf8')
    else {
      const { mode, mtime } = member
      controlFiles.push({ name: path, mode, mtime, bytes: bytes.toString('latin1') })
    }
  }
  if (control === undefined)
    throw new PlinthError('CONTROL_INVALID', `cannot unpack ${name}: it has no control file`)
  return { control, controlFiles }
}

/** The paths a `conffiles` control file lists, without `/` (deb-conffiles(5)); flags before the path are dropped. */
export function conffilePaths(
  controlFiles: readonly ControlFile[],
): { readonly path: string; readonly removeOnUpgrade: boolean }[] {
  const text = controlFiles.find((file) => file.name === 'conffiles')?.bytes ?? ''
  return Buffer.from(text, 'latin1')
    .toString('utf8')
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .map((line) => {
      const flagged = /^remove-on-upgrade\s+(.*)$/.exec(line)
      return { path: (flagged?.[1] ?? line).replace(/^\//, ''), removeOnUpgrade: flagged !== null }
    })
}

async function readData(
  chunks: AsyncIterable<Uint8Array>,
  control: Pick<UnpackedDeb, 'control' | 'controlFiles'>,
  name: string,
  store: Store,
): Promise<UnpackedDeb> {
  const conffiles = new Set(conffilePaths(control.controlFiles).map(({ path }) => path))
  const hashAll = !control.controlFiles.some((file) => file.name === 'md5sums')
  // no prototype: a file may be called __proto__
  const md5 = Object.create(null) as Record<string, string>
  const tree = new TreeMembers(name)

  // the same bytes go into the store and through the tar reader
  const blob = await store.writer()
  try {
    for await (const member of readTar(through(chunks, blob), `data.tar of ${name}`)) {
      const path = tree.add(member)
      if (path === undefined) continue
      if (member.type === 'file' && (hashAll || conffiles.has(path))) {
        const hash = createHash('md5')
        for await (const part of member.body()) hash.update(part)
        md5[path] = hash.digest('hex')
      }
    }
    const { digest: data } = await blob.commit()
    return {
      ...control,
      data,
      entries: tree.entries(data),
      rootListed: tree.rootListed,
      md5,
    }
  } finally {
    await blob.abort()
  }
}
