import type { Digest } from './digest.ts'

/** A blob by content (OCI image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly platform?: OciPlatform | undefined
}

/** The platform object of OCI image-spec `image-index.md`. */
export interface OciPlatform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string | undefined
}
