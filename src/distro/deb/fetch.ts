import type { Digest } from '../../digest.ts'
import { download } from '../../http/download.ts'
import type { FileKind, PackageFile } from '../fetch.ts'

/** A `.deb` to have: its index gives the digest of the file. */
export interface DebFile extends PackageFile {
  readonly digest: Digest
}

/** Debian's package files, known by their digest from the start. */
export const debFiles: FileKind<DebFile> = {
  keyOf: ({ digest }) => digest,
  digestOf: async ({ digest }) => digest,
  async download({ name, version, urls, size, digest }, deps) {
    await download({ name: `${name} ${version}`, urls, size, digest }, deps)
    return digest
  },
}
