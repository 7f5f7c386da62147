import { sha256 } from '../digest.ts'
import { PlinthError } from '../errors.ts'
import type { History, Image, ImageConfig, Layer } from '../image.ts'
import { freeze } from './image.ts'
import { layerCompression, mediaTypes, ociMediaType } from './media-types.ts'
import { configSchema, manifestSchema, parseDocument } from './schemas.ts'

/**
 * The image of a manifest and the config it names, OCI's or Docker's (which become OCI's). Verified:
 * the config's digest and size, one diff id and at most one history entry per layer, layer types.
 * Throws `DIGEST_MISMATCH` when the config is another one, `IMAGE_INVALID` for anything else.
 */
export function parseImage(documents: {
  readonly manifest: Uint8Array
  readonly config: Uint8Array
}): Image {
  const manifest = parseDocument(manifestSchema, documents.manifest, 'the image manifest')
  if (
    manifest.mediaType !== undefined &&
    ociMediaType(manifest.mediaType) !== mediaTypes.manifest
  ) {
    throw invalid(`its manifest says it is ${manifest.mediaType}`)
  }
  // a document that is a manifest and an index at once is read differently by different tools (CVE-2021-41190)
  if ('manifests' in manifest) throw invalid('its manifest is an index as well')
  if (ociMediaType(manifest.config.mediaType) !== mediaTypes.config) {
    throw invalid(
      `its config is ${manifest.config.mediaType}: this is an artifact, not a container image`,
    )
  }
  const actual = sha256(documents.config)
  if (actual !== manifest.config.digest || documents.config.byteLength !== manifest.config.size) {
    throw new PlinthError(
      'DIGEST_MISMATCH',
      `cannot use the image config: expected ${manifest.config.digest}, got ${actual}`,
      {
        hint: 'fetch or build the image again',
      },
    )
  }
  const config = parseDocument(configSchema, documents.config, 'the image config')
  const layers = joinLayers(manifest.layers, config)
  return freeze({ config, layers, annotations: manifest.annotations ?? {} })
}

function joinLayers(
  descriptors: readonly Omit<Layer, 'diffId' | 'history'>[],
  config: ImageConfig,
): Layer[] {
  const diffIds = config.rootfs.diff_ids
  if (descriptors.length !== diffIds.length) {
    throw invalid(
      `its manifest has ${descriptors.length} layers, its config ${diffIds.length} diff ids`,
    )
  }
  const history = config.history.filter((entry) => entry.empty_layer !== true)
  if (config.history.length > 0 && history.length !== diffIds.length) {
    throw invalid(`its history tells of ${history.length} layers, but it has ${diffIds.length}`)
  }
  const seen = new Map<string, string>()
  return descriptors.map((descriptor, i) => {
    const mediaType = ociMediaType(descriptor.mediaType)
    const diffId = diffIds[i]!
    if (layerCompression(mediaType) === undefined)
      throw invalid(`layer ${i + 1} is ${descriptor.mediaType}`)
    if ((seen.get(descriptor.digest) ?? diffId) !== diffId)
      throw invalid(`layer ${i + 1} has two diff ids`)
    seen.set(descriptor.digest, diffId)
    const entry: History = history[i] ?? {}
    return { ...descriptor, mediaType, diffId, history: entry }
  })
}

function invalid(why: string): PlinthError {
  return new PlinthError('IMAGE_INVALID', `cannot use the image: ${why}`)
}
