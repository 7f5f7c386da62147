import { openApk } from '../../apk/package-file.ts'
import { digestHex, sha256, type Digest } from '../../digest.ts'
import { downloadVerified } from '../../http/download.ts'
import type { Store } from '../../ports.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import { through } from '../../store/through.ts'
import type { FileKind, PackageFile } from '../fetch.ts'

/** An `.apk` to have: its index gives the digest of its control part, and no digest of the file. */
export interface ApkFile extends PackageFile {
  /** `Q1…` */
  readonly identity: string
}

/**
 * apk's package files, known by what their index says. A file is verified as it arrives: its size, the control
 * part by the index, the data by the control part. Its digest is known then and kept, so that it is found in
 * the store the next time.
 */
export function apkFiles(store: Store): FileKind<ApkFile> {
  return {
    keyOf,
    async digestOf(item) {
      const known = await readRecord<{ digest: Digest }>(store, recordKind, keyOf(item))
      return known?.digest
    },
    async download(item, deps) {
      const { urls, size, identity } = item
      const name = `${item.name} ${item.version}`
      const partials = await store.directory('partial')
      const digest = await downloadVerified(
        { name, urls, size, key: fileKey(item) },
        { ...deps, partials },
        async (chunks) => {
          const blob = await store.writer()
          try {
            // its own signature is looked at when it is unpacked
            const options = { name, keys: new Map(), identity, maxSize: 0 }
            await using opened = await openApk(through(chunks, blob), options)
            await opened.verifyData()
            return (await blob.commit()).digest
          } finally {
            await blob.abort()
          }
        },
      )
      await writeRecord(store, recordKind, keyOf(item), { digest })
      return digest
    },
  }
}

const recordKind = 'apk-files'

function keyOf(item: ApkFile): string {
  return digestHex(fileKey(item))
}

function fileKey({ identity, size }: ApkFile): Digest {
  return sha256(JSON.stringify([identity, size]))
}
