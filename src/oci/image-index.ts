import type { Descriptor } from '../descriptor.ts'
import { encodeJson } from './canonical-json.ts'
import { freeze } from './image.ts'
import { mediaTypes, ociMediaType } from './media-types.ts'
import { indexSchema, parseDocument } from './schemas.ts'
import { PlinthError } from '../errors.ts'

/** A list of manifests: one image's platforms, or what is in a layout (OCI image-spec, image-index.md). */
export interface ImageIndex {
  readonly manifests: readonly Descriptor[]
  readonly annotations: Readonly<Record<string, string>>
}

export const emptyIndex: ImageIndex = freeze({ manifests: [], annotations: {} })

/** Parses an index, OCI's or Docker's manifest list. Throws `IMAGE_INVALID`. */
export function parseIndex(bytes: Uint8Array): ImageIndex {
  const { mediaType, manifests, annotations } = parseDocument(indexSchema, bytes, 'the image index')
  if (mediaType !== undefined && ociMediaType(mediaType) !== mediaTypes.index) {
    throw new PlinthError(
      'IMAGE_INVALID',
      `cannot read the image index: it says it is ${mediaType}`,
    )
  }
  return freeze({ manifests, annotations: annotations ?? {} })
}

/** The bytes of an index; the manifests stay in their order, which readers use to choose. */
export function encodeIndex(index: ImageIndex): Uint8Array {
  const hasAnnotations = Object.keys(index.annotations).length > 0
  return encodeJson({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: index.manifests,
    annotations: hasAnnotations ? index.annotations : undefined,
  })
}
