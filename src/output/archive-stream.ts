import { blockSize } from '../archive/tar-header.ts'
import { tarEnd, tarPadding, writeTar } from '../archive/tar-write.ts'
import type { Digest } from '../digest.ts'
import type { Content, Entry } from '../entry.ts'
import type { Image } from '../image.ts'
import { type EncodedImage, encodeImage } from '../oci/encode-image.ts'
import { emptyIndex, encodeIndex } from '../oci/image-index.ts'
import { createdSeconds } from '../oci/image.ts'
import {
  addToIndex,
  blobPath,
  dockerManifestFile,
  encodeDockerManifest,
  indexFile,
  layoutBytes,
  layoutFile,
  namedDescriptors,
} from '../oci/layout.ts'
import type { Store } from '../ports.ts'
import type { Reference } from '../reference.ts'

/** An image as one tar, not yet read. */
export interface ImageArchive {
  readonly encoded: EncodedImage
  /** of the archive, in bytes */
  readonly size: number
  readonly chunks: () => AsyncIterable<Uint8Array>
}

/**
 * The archive of an image that every loader takes: an OCI image layout (containerd, skopeo `oci-archive:`,
 * podman) with Docker's `manifest.json` pointing at the same blobs (classic Docker, skopeo
 * `docker-archive:`). Layers are copied as they are, each blob once, verified while they are read:
 * `STORE_CORRUPT` ends the stream. Equal images under equal names give equal bytes.
 */
export function imageArchive(
  image: Image,
  deps: { readonly store: Store; readonly names: readonly Reference[] },
): ImageArchive {
  const encoded = encodeImage(image)
  const entries = archiveEntries(image, encoded, deps.names)
  const size = entries.reduce((sum, entry) => sum + entrySize(entry), tarEnd.length)
  const open = (content: Content): Uint8Array | AsyncIterable<Uint8Array> =>
    content.kind === 'bytes' ? content.bytes : deps.store.get(content.digest)
  return { encoded, size, chunks: () => writeTar(entries, { open }) }
}

function archiveEntries(image: Image, encoded: EncodedImage, names: readonly Reference[]): Entry[] {
  const { manifest, config } = encoded
  const mtime = createdSeconds(image.config)
  const file = (path: string, size: number, content: Content): Entry => ({
    type: 'file',
    path,
    size,
    content,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime,
  })
  const bytes = (path: string, value: Uint8Array): Entry =>
    file(path, value.byteLength, { kind: 'bytes', bytes: value })
  const blobs = new Map<Digest, Entry>()
  for (const { descriptor, bytes: value } of [manifest, config]) {
    blobs.set(descriptor.digest, bytes(blobPath(descriptor.digest), value))
  }
  // an archive has no entry twice, though an image may well have a layer twice
  for (const { digest, size } of image.layers) {
    blobs.set(digest, file(blobPath(digest), size, { kind: 'blob', digest, offset: 0 }))
  }
  const index = addToIndex(emptyIndex, namedDescriptors(manifest.descriptor, names))
  return [
    bytes(layoutFile, layoutBytes),
    bytes(indexFile, encodeIndex(index)),
    bytes(dockerManifestFile, encodeDockerManifest(encoded, image.layers, names)),
    ...[...blobs.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  ]
}

/** What an entry with a short name takes: one header block, and its content in whole blocks. */
function entrySize(entry: Entry): number {
  return entry.type === 'file' ? blockSize + entry.size + tarPadding(entry.size) : blockSize
}
