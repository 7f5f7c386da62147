import type { History, Image, ImageConfig, Layer, RunConfig } from '../image.ts'
import type { Platform } from '../platform.ts'
import type { OciPlatform } from '../descriptor.ts'

/** An image with nothing in it. `created` is in seconds since 1970: SOURCE_DATE_EPOCH or the snapshot's time. */
export function emptyImage(platform: Platform, created: number): Image {
  const { os, architecture, variant } = ociPlatform(platform)
  return freeze({
    config: {
      created: timestamp(created),
      architecture,
      // official images leave arm64's v8 to the index; for arm the variant is needed to choose
      ...(variant !== undefined && architecture === 'arm' && { variant }),
      os,
      config: {},
      rootfs: { type: 'layers', diff_ids: [] },
      history: [],
    },
    layers: [],
    annotations: {},
  })
}

/** `image` with one layer more, on top; the image's `created` becomes the layer's if it has one. */
export function appendLayer(image: Image, layer: Layer): Image {
  const { empty_layer: _, ...history } = layer.history
  return freeze({
    ...image,
    layers: [...image.layers, { ...layer, history }],
    config: {
      ...image.config,
      created: history.created ?? image.config.created,
      rootfs: { type: 'layers', diff_ids: [...image.config.rootfs.diff_ids, layer.diffId] },
      history: [...fullHistory(image), history],
    },
  })
}

/**
 * `image` with fields of its run configuration replaced (`undefined` removes one). `history` says
 * what did it; a string is short for its `created_by`, at the image's own time.
 */
export function withConfig(image: Image, changes: RunConfig, history: History | string): Image {
  const entry =
    typeof history === 'string' ? { created: image.config.created, created_by: history } : history
  const config = Object.fromEntries(
    Object.entries({ ...image.config.config, ...changes }).filter(
      ([, value]) => value !== undefined,
    ),
  )
  return freeze({
    ...image,
    config: {
      ...image.config,
      config,
      history: [...fullHistory(image), { ...entry, empty_layer: true }],
    },
  })
}

/** `image` with annotations added to its manifest. The config, and so Docker's image id, stay as they are. */
export function withAnnotations(
  image: Image,
  annotations: Readonly<Record<string, string>>,
): Image {
  return freeze({ ...image, annotations: { ...image.annotations, ...annotations } })
}

/** Seconds since 1970 as image documents write times: RFC 3339 in UTC, whole seconds. */
export function timestamp(seconds: number): string {
  return new Date(Math.trunc(seconds) * 1000).toISOString().replace('.000Z', 'Z')
}

/** The time of an image in seconds since 1970; 0 when it has none. */
export function createdSeconds(config: ImageConfig): number {
  const milliseconds = Date.parse(config.created ?? '')
  return Number.isNaN(milliseconds) ? 0 : Math.max(0, Math.floor(milliseconds / 1000))
}

/** A platform in the parts OCI documents write; arm64 without a variant stays without. */
function ociPlatform(platform: Platform): OciPlatform {
  const [os = '', architecture = '', variant] = platform.split('/')
  return { os, architecture, ...(variant !== undefined && { variant }) }
}

/** The platform object for an image's descriptor in an index, where arm64 is written as official images do: `v8`. */
export function indexPlatform(config: ImageConfig): OciPlatform {
  const variant = config.variant ?? (config.architecture === 'arm64' ? 'v8' : undefined)
  return {
    os: config.os,
    architecture: config.architecture,
    ...(variant !== undefined && { variant }),
  }
}

/** An image may come without any history; one that goes on needs an entry for each layer it has. */
function fullHistory(image: Image): readonly History[] {
  return image.config.history.length > 0 ? image.config.history : image.layers.map(() => ({}))
}

/** Freezes a value built of plain objects and arrays, all the way down. */
export function freeze<T>(value: T): T {
  if (value === null || typeof value !== 'object' || Object.isFrozen(value)) return value
  for (const field of Object.values(value)) freeze(field)
  return Object.freeze(value)
}
