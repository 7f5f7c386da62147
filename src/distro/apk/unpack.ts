import { createReadStream } from 'node:fs'
import { readDataFiles, type PackagedFile } from '../../apk/data-files.ts'
import { openApk, type PackageScript } from '../../apk/package-file.ts'
import type { PackageInfo } from '../../apk/pkginfo.ts'
import type { ApkKeys } from '../../apk/signature.ts'
import { digestHex, sha256, type Digest } from '../../digest.ts'
import type { Store } from '../../ports.ts'
import { fromRows, toRows, type EntryRows } from '../../store/entry-rows.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import { through } from '../../store/through.ts'
import { keysDigest } from './keys-digest.ts'

/** One package, verified and decompressed once: its metadata here, its contents as one blob in the store. */
export interface UnpackedApk {
  readonly info: PackageInfo
  /** digest of its control part: `Q1…` */
  readonly identity: string
  readonly scripts: readonly PackageScript[]
  /** the uncompressed data part, of which the files' contents are slices */
  readonly data: Digest
  /** in the package's order */
  readonly files: readonly PackagedFile[]
}

/** Whom a package must prove itself to. */
export interface ApkTrust {
  /** what messages call it */
  readonly name: string
  readonly keys: ApkKeys
  /** what a verified index says it is; without one its own signature must be of a trusted key */
  readonly identity?: string | undefined
}

/**
 * Unpacks an `.apk` that is in the store: verifies control part, signatures, data and every file, decompresses
 * the data into the store and lists what is in it. The result is handed to `remember`, which by default keeps
 * it for the next time the same package is to prove itself to the same index and keys.
 *
 * Throws `STORE_CORRUPT` (the file does not match its digest), `DISK_FULL`, and what `openApk` and
 * `readDataFiles` do.
 */
export async function unpackApk(
  apk: Digest,
  trust: ApkTrust,
  store: Store,
  remember: Remember = async (unpacked) => recordUnpackedApk(apk, trust, unpacked, store),
): Promise<UnpackedApk> {
  const known = await readRecord<RecordedApk>(store, recordKind, recordKey(apk, trust))
  if (known && (await store.has(known.data)) !== undefined) return fromRecord(known)
  const unpacked = await unpackAnew(apk, trust, store)
  await remember(unpacked)
  return unpacked
}

type Remember = (unpacked: UnpackedApk) => void | Promise<void>

/** The same without looking at what was kept or keeping it: for content that was lost. */
export async function unpackAnew(apk: Digest, trust: ApkTrust, store: Store): Promise<UnpackedApk> {
  const path = await store.verified(apk)
  const size = (await store.has(apk)) ?? 0
  const chunks = createReadStream(path, { highWaterMark: 512 * 1024 })
  await using opened = await openApk(chunks, { ...trust, maxSize: maxUnpacked(size) })
  // the same bytes go into the store and through the tar reader
  const blob = await store.writer()
  try {
    const filesIn = await readDataFiles(through(opened.data(), blob), trust.name)
    const { digest: data } = await blob.commit()
    const { info, identity, scripts } = opened
    return { info, identity, scripts, data, files: filesIn(data) }
  } finally {
    await blob.abort()
  }
}

/** How much may come out of so many bytes; the package's own number proves nothing. */
function maxUnpacked(size: number): number {
  return 256 * 1024 * 1024 + size * 100
}

/** Raised when the meaning of the record changes. */
const recordKind = 'apk-1'

/** Remembers what was found in an `.apk`. Throws `DISK_FULL` or `IO`. */
export async function recordUnpackedApk(
  apk: Digest,
  trust: ApkTrust,
  unpacked: UnpackedApk,
  store: Store,
): Promise<void> {
  await writeRecord(store, recordKind, recordKey(apk, trust), toRecord(unpacked))
}

/** What a package proved to one set of keys says nothing about another. */
function recordKey(apk: Digest, { keys, identity }: ApkTrust): string {
  return digestHex(sha256(JSON.stringify([apk, identity ?? null, keysDigest(keys)])))
}

interface RecordedApk extends EntryRows {
  readonly info: PackageInfo
  readonly identity: string
  /** their bytes one character each (latin1) */
  readonly scripts: readonly [type: PackageScript['type'], bytes: string][]
  readonly data: Digest
  /** by row */
  readonly owners: readonly (readonly [user: string, group: string, checksum?: string])[]
}

function toRecord({ files, scripts, ...rest }: UnpackedApk): RecordedApk {
  return {
    ...rest,
    scripts: scripts.map(({ type, bytes }) => [type, Buffer.from(bytes).toString('latin1')]),
    ...toRows(files.map(({ entry }) => entry)),
    owners: files.map(({ user, group, checksum }) =>
      checksum === undefined ? [user, group] : [user, group, checksum],
    ),
  }
}

function fromRecord({ rows, xattrs, owners, scripts, ...rest }: RecordedApk): UnpackedApk {
  return {
    ...rest,
    scripts: scripts.map(([type, bytes]) => ({ type, bytes: Buffer.from(bytes, 'latin1') })),
    files: fromRows({ rows, xattrs }, rest.data).map((entry, index) => {
      const [user, group, checksum] = owners[index]!
      return { entry, user, group, checksum }
    }),
  }
}
