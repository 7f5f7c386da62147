import type { Descriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'

/** One line of an image's history (OCI image-spec, config.md). Entries without `empty_layer` stand for layers, in order. */
export interface History {
  /** RFC 3339, whole seconds */
  readonly created?: string | undefined
  readonly created_by?: string | undefined
  readonly author?: string | undefined
  readonly comment?: string | undefined
  readonly empty_layer?: boolean | undefined
}

/** How to tell that a container is healthy (docker-image-spec; durations in nanoseconds). */
interface Healthcheck {
  readonly Test?: readonly string[] | undefined
  readonly Interval?: number | undefined
  readonly Timeout?: number | undefined
  readonly StartPeriod?: number | undefined
  readonly StartInterval?: number | undefined
  readonly Retries?: number | undefined
}

/**
 * What a container of the image starts with: OCI's fields, and `Healthcheck`, `OnBuild`, `Shell`
 * and `ArgsEscaped` of docker-image-spec. Fields plinth does not know are kept.
 */
export interface RunConfig {
  readonly User?: string | undefined
  readonly ExposedPorts?: Readonly<Record<string, Readonly<Record<string, never>>>> | undefined
  readonly Env?: readonly string[] | undefined
  readonly Entrypoint?: readonly string[] | undefined
  readonly Cmd?: readonly string[] | undefined
  readonly Volumes?: Readonly<Record<string, Readonly<Record<string, never>>>> | undefined
  readonly WorkingDir?: string | undefined
  readonly Labels?: Readonly<Record<string, string>> | undefined
  readonly StopSignal?: string | undefined
  readonly Healthcheck?: Healthcheck | undefined
  readonly OnBuild?: readonly string[] | undefined
  readonly Shell?: readonly string[] | undefined
  readonly ArgsEscaped?: boolean | undefined
}

/** The image's config document (OCI image-spec, config.md). Its digest is Docker's image id. */
export interface ImageConfig {
  /** RFC 3339, whole seconds */
  readonly created?: string | undefined
  readonly author?: string | undefined
  readonly architecture: string
  /** written for arm (`v5`, `v6`, `v7`); arm64's `v8` belongs to the index only */
  readonly variant?: string | undefined
  readonly os: string
  readonly config: RunConfig
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] }
  readonly history: readonly History[]
}

/** A layer whose blob is in the store. `digest` is of the blob as it is, `diffId` of the plain tar in it. */
export interface Layer extends Descriptor {
  readonly diffId: Digest
  readonly history: History
}

/**
 * An image of one platform: a frozen value, made by `emptyImage` or `parseImage` (src/oci) and changed
 * by making a new one, so that `layers` and the config's diff ids and history always agree.
 */
export interface Image {
  readonly config: ImageConfig
  readonly layers: readonly Layer[]
  /** of the manifest */
  readonly annotations: Readonly<Record<string, string>>
}
