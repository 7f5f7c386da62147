/** Media types of OCI image-spec `media-types.md`. */
export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layerTar: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const

/** How a layer's tar is compressed. */
export type LayerCompression = 'none' | 'gzip' | 'zstd'

/** Docker's own types (distribution's manifest v2 schema 2), which hold the same content as OCI's. */
const dockerTypes: Readonly<Record<string, string>> = {
  'application/vnd.docker.distribution.manifest.list.v2+json': mediaTypes.index,
  'application/vnd.docker.distribution.manifest.v2+json': mediaTypes.manifest,
  'application/vnd.docker.container.image.v1+json': mediaTypes.config,
  'application/vnd.docker.image.rootfs.diff.tar': mediaTypes.layerTar,
  'application/vnd.docker.image.rootfs.diff.tar.gzip': mediaTypes.layerGzip,
  'application/vnd.docker.image.rootfs.diff.tar.zstd': mediaTypes.layerZstd,
}

/** The OCI type of a media type; Docker's are translated, others returned as they are. */
export function ociMediaType(mediaType: string): string {
  return dockerTypes[mediaType] ?? mediaType
}

/** How a layer of this (OCI) media type is compressed, or undefined when it is no layer plinth can read. */
export function layerCompression(mediaType: string): LayerCompression | undefined {
  switch (mediaType) {
    case mediaTypes.layerTar:
      return 'none'
    case mediaTypes.layerGzip:
      return 'gzip'
    case mediaTypes.layerZstd:
      return 'zstd'
    default:
      return undefined
  }
}

/** The media type of a layer compressed this way. */
export function layerMediaType(compression: LayerCompression): string {
  return { none: mediaTypes.layerTar, gzip: mediaTypes.layerGzip, zstd: mediaTypes.layerZstd }[
    compression
  ]
}
