import { digestHex, type Digest } from '../../digest.ts'
import type { Entry } from '../../entry.ts'
import type { Store } from '../../ports.ts'
import { readRecord, writeRecord } from '../../store/record.ts'

/** A file of control.tar: a maintainer script, `conffiles`, `md5sums`, … */
export interface ControlFile {
  readonly name: string
  readonly mode: number
  readonly mtime: number
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
const recordKind = 'deb-2'

/** What was found in a `.deb` when it was unpacked before; undefined when it was not, or the record is damaged. */
export async function recordedUnpacked(
  deb: Digest,
  store: Store,
): Promise<UnpackedDeb | undefined> {
  const known = await readRecord<RecordedDeb>(store, recordKind, digestHex(deb))
  return known && fromRecord(known)
}

/** Remembers what was found in a `.deb`. Throws `DISK_FULL` or `IO`. */
export async function recordUnpacked(
  deb: Digest,
  unpacked: UnpackedDeb,
  store: Store,
): Promise<void> {
  await writeRecord(store, recordKind, digestHex(deb), toRecord(unpacked))
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
