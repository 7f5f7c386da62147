import { type Digest, sha256 } from '../digest.ts'
import type { Image } from '../image.ts'
import type { Descriptor } from '../descriptor.ts'
import { encodeJson } from './canonical-json.ts'
import { indexPlatform } from './image.ts'
import { mediaTypes } from './media-types.ts'

/** A document and what points at it. */
interface EncodedBlob {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** The two documents of an image. `manifest.descriptor` names the platform, as an index wants it. */
export interface EncodedImage {
  readonly manifest: EncodedBlob
  readonly config: EncodedBlob
}

/** The bytes of an image's config and manifest: the same for equal images, everywhere. */
export function encodeImage(image: Image): EncodedImage {
  const config = encodedBlob(mediaTypes.config, image.config)
  const hasAnnotations = Object.keys(image.annotations).length > 0
  const manifest = encodedBlob(mediaTypes.manifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: config.descriptor,
    layers: image.layers.map(({ diffId: _diffId, history: _history, ...descriptor }) => descriptor),
    annotations: hasAnnotations ? image.annotations : undefined,
  })
  const platform = indexPlatform(image.config)
  return { config, manifest: { ...manifest, descriptor: { ...manifest.descriptor, platform } } }
}

/** The manifest's digest: what registries and `name@digest` mean by the image. */
export function imageDigest(image: Image): Digest {
  return encodeImage(image).manifest.descriptor.digest
}

function encodedBlob(mediaType: string, document: unknown): EncodedBlob {
  const bytes = encodeJson(document)
  return { bytes, descriptor: { mediaType, digest: sha256(bytes), size: bytes.byteLength } }
}
