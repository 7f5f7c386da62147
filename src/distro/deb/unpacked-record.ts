import { digestHex, type Digest } from '../../digest.ts'
import type { Entry } from '../../entry.ts'
import type { Store } from '../../ports.ts'
import { fromRows, toRows, type EntryRows } from '../../store/entry-rows.ts'
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

type RecordedDeb = Omit<UnpackedDeb, 'entries'> & EntryRows

function toRecord({ entries, ...rest }: UnpackedDeb): RecordedDeb {
  return { ...rest, ...toRows(entries) }
}

function fromRecord({ rows, xattrs, ...rest }: RecordedDeb): UnpackedDeb {
  return { ...rest, entries: fromRows({ rows, xattrs }, rest.data) }
}
