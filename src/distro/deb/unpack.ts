import { createHash } from 'node:crypto'
import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import { decompress } from '../../archive/decompress.ts'
import { treePath } from '../../archive/path.ts'
import { readTar, type TarMember } from '../../archive/tar-read.ts'
import { debLayout, type DebLayout } from '../../deb/deb-file.ts'
import { digestHex, type Digest } from '../../digest.ts'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { BlobWriter, Store } from '../../ports.ts'
import { readRecord, writeRecord } from '../../store/record.ts'

/** A file of control.tar: a maintainer script, `conffiles`, `md5sums`, … */
export interface ControlFile {
  readonly name: string
  readonly mode: number
  /** the bytes, one character each (latin1) */
  readonly bytes: string
}

/** One package, decompressed once: its metadata here, its contents as one blob in the store. */
export interface UnpackedDeb {
  /** the package's `control` paragraph as text */
  readonly control: string
  readonly controlFiles: readonly ControlFile[]
  /** the uncompressed data.tar that the entries' contents are slices of */
  readonly data: Digest
  /** data.tar's entries in its order; the root directory, when it is there, is `rootListed` */
  readonly entries: readonly Entry[]
  readonly rootListed: boolean
  /** MD5 (hex) by path, of conffiles, and of every file when the package brings no `md5sums` */
  readonly md5: Readonly<Record<string, string>>
}

/** Raised when the meaning of the record changes. */
const recordKind = 'deb-1'

/** The largest control.tar content kept in memory; real ones are below 2 MiB. */
const maxControl = 64 * 1024 * 1024

/**
 * Unpacks a `.deb` that is in the store: verifies it, reads the control files, decompresses data.tar into
 * the store and lists its entries. The result is remembered by the package's digest.
 *
 * Throws `STORE_CORRUPT` (the .deb does not match its digest), `ARCHIVE_INVALID`, `COMPRESSION_UNKNOWN`,
 * `DECOMPRESSION_BOMB`, `CONTROL_INVALID`, `PATH_UNSAFE`, `ENTRY_UNSUPPORTED`, `DISK_FULL`.
 */
export async function unpackDeb(deb: Digest, name: string, store: Store): Promise<UnpackedDeb> {
  const known = await readRecord<RecordedDeb>(store, recordKind, digestHex(deb))
  if (known && (await store.has(known.data)) !== undefined) return fromRecord(known)
  const path = await store.verified(deb)
  const layout = readLayout(path, name)
  const member = (part: DebLayout['control']) =>
    decompress(
      part.compression,
      part.size === 0
        ? emptyStream()
        : createReadStream(path, {
            start: part.offset,
            end: part.offset + part.size - 1,
            highWaterMark: 512 * 1024,
          }),
      // the publisher's own numbers are not signed for; no real package expands a thousandfold
      { name, maxSize: 64 * 1024 * 1024 + part.size * 1000 },
    )
  const control = await readControl(member(layout.control), name)
  const unpacked = await readData(member(layout.data), control, name, store)
  await writeRecord(store, recordKind, digestHex(deb), toRecord(unpacked))
  return unpacked
}

async function* emptyStream(): AsyncGenerator<Uint8Array> {}

function readLayout(path: string, name: string): DebLayout {
  const file = openSync(path, 'r')
  try {
    const read = (offset: number, length: number) => {
      const bytes = Buffer.alloc(length)
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset))
    }
    return debLayout(read, fstatSync(file).size, name)
  } finally {
    closeSync(file)
  }
}

async function readControl(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
): Promise<Pick<UnpackedDeb, 'control' | 'controlFiles'>> {
  let control: string | undefined
  let total = 0
  const controlFiles: ControlFile[] = []
  for await (const member of readTar(chunks, `control.tar of ${name}`)) {
    const path = treePath(member.name, name)
    if (member.type === 'directory' && path === '') continue
    if (member.type !== 'file' || path.includes('/')) {
      throw new PlinthError(
        'CONTROL_INVALID',
        `cannot unpack ${name}: its control.tar holds '${path}', a ${member.type}`,
      )
    }
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
    else controlFiles.push({ name: path, mode: member.mode, bytes: bytes.toString('latin1') })
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
  const md5: Record<string, string> = {}
  const members: { readonly path: string; readonly member: TarMember }[] = []
  const files = new Set<string>()
  let rootListed = false

  // the same bytes go into the store and through the tar reader
  const blob = await store.writer()
  try {
    for await (const member of readTar(through(chunks, blob), `data.tar of ${name}`)) {
      const path = treePath(member.name, name)
      if (path === '') {
        if (member.type !== 'directory')
          throw new PlinthError(
            'PATH_UNSAFE',
            `cannot unpack ${name}: its root is a ${member.type}`,
          )
        rootListed = true
        continue
      }
      if (member.type === 'character' || member.type === 'block') {
        throw new PlinthError(
          'ENTRY_UNSUPPORTED',
          `cannot unpack '${path}' of ${name}: device nodes are refused`,
          {
            hint: 'packages create devices in their scripts, if at all',
          },
        )
      }
      if (member.type === 'hardlink') {
        const target = treePath(member.linkname, name)
        if (!files.has(target)) {
          throw new PlinthError(
            'PATH_UNSAFE',
            `cannot unpack '${path}' of ${name}: it is a hard link to '${target}', which is no earlier file of the package`,
          )
        }
      }
      if (member.type === 'file') {
        files.add(path)
        if (hashAll || conffiles.has(path)) {
          const hash = createHash('md5')
          for await (const part of member.body()) hash.update(part)
          md5[path] = hash.digest('hex')
        }
      }
      members.push({ path, member })
    }
    const { digest: data } = await blob.commit()
    return {
      ...control,
      data,
      entries: members.map(({ path, member }) => toEntry(path, member, data, name)),
      rootListed,
      md5,
    }
  } finally {
    await blob.abort()
  }
}

/** Passes chunks on, writing each to `blob` first. */
async function* through(
  chunks: AsyncIterable<Uint8Array>,
  blob: BlobWriter,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await blob.write(chunk)
    yield chunk
  }
}

function toEntry(path: string, member: TarMember, data: Digest, name: string): Entry {
  const metadata = {
    path,
    mode: member.mode,
    uid: member.uid,
    gid: member.gid,
    mtime: member.mtime,
    xattrs: member.xattrs,
  }
  switch (member.type) {
    case 'file':
      return {
        ...metadata,
        type: 'file',
        size: member.size,
        content: { kind: 'blob', digest: data, offset: member.offset },
      }
    case 'hardlink':
      return { ...metadata, type: 'hardlink', target: treePath(member.linkname, name) }
    case 'symlink':
      return { ...metadata, type: 'symlink', target: member.linkname }
    case 'character':
    case 'block':
      return { ...metadata, type: member.type, major: member.major, minor: member.minor }
    case 'directory':
      return { ...metadata, type: 'directory' }
    case 'fifo':
      return { ...metadata, type: 'fifo' }
  }
}

/** The record keeps entries as short rows: a package has thousands. */
type Row = readonly [
  type: Entry['type'],
  path: string,
  mode: number,
  uid: number,
  gid: number,
  mtime: number,
  size?: number,
  offset?: number,
  link?: string,
]
type RecordedDeb = Omit<UnpackedDeb, 'entries'> & {
  readonly rows: readonly Row[]
  /** base64 values by attribute by row */
  readonly xattrs: Readonly<Record<number, Readonly<Record<string, string>>>>
}

function toRecord(unpacked: UnpackedDeb): RecordedDeb {
  const { entries, ...rest } = unpacked
  const xattrs: Record<number, Record<string, string>> = {}
  const rows = entries.map((e, index): Row => {
    if (e.xattrs) {
      xattrs[index] = Object.fromEntries(
        [...e.xattrs].map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
      )
    }
    const row = [e.type, e.path, e.mode, e.uid, e.gid, e.mtime] as const
    if (e.type === 'file' && e.content.kind === 'blob') return [...row, e.size, e.content.offset]
    if (e.type === 'symlink' || e.type === 'hardlink') return [...row, 0, 0, e.target]
    return row
  })
  return { ...rest, rows, xattrs }
}

function fromRecord(record: RecordedDeb): UnpackedDeb {
  const { rows, xattrs, ...rest } = record
  const entries = rows.map(
    ([type, path, mode, uid, gid, mtime, size, offset, link], index): Entry => {
      const attributes = xattrs[index]
      const metadata = {
        path,
        mode,
        uid,
        gid,
        mtime,
        xattrs:
          attributes &&
          new Map(
            Object.entries(attributes).map(([key, value]) => [key, Buffer.from(value, 'base64')]),
          ),
      }
      switch (type) {
        case 'file':
          return {
            ...metadata,
            type,
            size: size!,
            content: { kind: 'blob', digest: rest.data, offset: offset! },
          }
        case 'symlink':
        case 'hardlink':
          return { ...metadata, type, target: link! }
        case 'directory':
        case 'fifo':
          return { ...metadata, type }
        case 'character':
        case 'block':
          throw new Error('devices are refused when a package is unpacked')
      }
    },
  )
  return { ...rest, entries }
}
