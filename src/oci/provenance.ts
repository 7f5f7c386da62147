import type { Digest } from '../digest.ts'
import type { Image } from '../image.ts'
import type { Reference } from '../reference.ts'
import { freeze } from './image.ts'

/**
 * `image` marked as built on `base`: the `org.opencontainers.image.base.*` annotations and the same
 * labels (OCI image-spec, annotations.md). Tools that rebase images or find outdated bases read them.
 */
export function withBase(
  image: Image,
  base: { readonly name: Reference; readonly digest: Digest },
): Image {
  const marks = {
    'org.opencontainers.image.base.name': base.name,
    'org.opencontainers.image.base.digest': base.digest,
  }
  const { config } = image.config
  return freeze({
    ...image,
    config: { ...image.config, config: { ...config, Labels: { ...config.Labels, ...marks } } },
    annotations: { ...image.annotations, ...marks },
  })
}
