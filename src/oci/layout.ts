import { type Digest, digestHex } from '../digest.ts'
import { familiarName, type Reference, referenceParts } from '../reference.ts'
import type { Descriptor } from '../descriptor.ts'
import { encodeJson } from './canonical-json.ts'
import type { EncodedImage } from './encode-image.ts'
import type { ImageIndex } from './image-index.ts'
import { freeze } from './image.ts'

/** Names of OCI image-spec `image-layout.md`. */
export const layoutFile = 'oci-layout'
export const indexFile = 'index.json'
export const layoutBytes: Uint8Array = encodeJson({ imageLayoutVersion: '1.0.0' })

/** Docker's list of images in an archive (moby image-spec v1.2, `manifest.json`). */
export const dockerManifestFile = 'manifest.json'

/** Where a blob is in a layout. */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`
}

/** Annotations of an entry in a layout's index: OCI's own, and the one containerd and Podman read first. */
export const refName = 'org.opencontainers.image.ref.name'
export const containerdName = 'io.containerd.image.name'

/**
 * The index entries of one image: one for each name, or one without. Both annotations are needed: a tag
 * alone is all that skopeo and umoci look for, but containerd would take it for the image's whole name.
 */
export function namedDescriptors(manifest: Descriptor, names: readonly Reference[]): Descriptor[] {
  if (names.length === 0) return [manifest]
  return names.map((name) => ({
    ...manifest,
    annotations: { [containerdName]: name, [refName]: referenceParts(name).tag ?? 'latest' },
  }))
}

/**
 * `index` with an image added: entries of the same names give way, others stay. An image without a name
 * takes the place of an equal nameless one. A name is the full one where an entry has it, else its tag.
 */
export function addToIndex(index: ImageIndex, added: readonly Descriptor[]): ImageIndex {
  const replaced = (old: Descriptor): boolean =>
    added.some((entry) => sameName(old, entry) && samePlatform(old, entry))
  return freeze({
    ...index,
    manifests: [...index.manifests.filter((old) => !replaced(old)), ...added],
  })
}

/** Docker's `manifest.json` for one image whose blobs are at their places in the layout. */
export function encodeDockerManifest(
  image: EncodedImage,
  layers: readonly Descriptor[],
  names: readonly Reference[],
): Uint8Array {
  return encodeJson([
    {
      Config: blobPath(image.config.descriptor.digest),
      // Docker itself writes null for an image without a name
      RepoTags: names.length > 0 ? names.map(familiarName) : null,
      Layers: layers.map((layer) => blobPath(layer.digest)),
    },
  ])
}

function sameName(a: Descriptor, b: Descriptor): boolean {
  const full = [a, b].map((entry) => entry.annotations?.[containerdName])
  const tags = [a, b].map((entry) => entry.annotations?.[refName])
  if (full[0] !== undefined && full[1] !== undefined) return full[0] === full[1]
  if (tags[0] !== undefined || tags[1] !== undefined) return tags[0] === tags[1]
  return a.digest === b.digest
}

/** Two platforms may share one name; an entry that names none stands for all. */
function samePlatform(a: Descriptor, b: Descriptor): boolean {
  if (a.platform === undefined || b.platform === undefined) return true
  const [first, second] = [a.platform, b.platform].map(({ os, architecture, variant }) =>
    [os, architecture, variant ?? (architecture === 'arm64' ? 'v8' : '')].join('/'),
  )
  return first === second
}
