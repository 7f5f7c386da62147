import type { Digest } from '../digest.ts'
import type { Emit } from '../events.ts'
import type { Plan } from '../plan.ts'
import type { Platform } from '../platform.ts'
import type { ExitStatus, Interactive, Mount, Output } from '../ports.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { SkippableCheck } from '../recipe/rootfs.ts'
import type { Reference } from '../reference.ts'

/** What the command line asks the pipeline for. */
export interface StageRequest {
  readonly recipe: Recipe
  readonly params: Readonly<Record<string, unknown>>
  readonly platform: Platform
  /** checks left out on top of the recipe's own */
  readonly skip: readonly SkippableCheck[]
  /** the recipe module's: what its instructions copy from */
  readonly directory: string
}

/** What it hands the pipeline from its surroundings. */
export interface StageDeps {
  /** the store's folder; made when it is not there */
  readonly store: string
  readonly emit: Emit
  readonly signal: AbortSignal
  readonly now: () => Date
  readonly uid: number
  /** for proxies (`http_proxy`, `no_proxy`), SOURCE_DATE_EPOCH, TMPDIR */
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface BuildSummary {
  /** of the manifest */
  readonly digest: Digest
  /** of all layers of the image */
  readonly size: number
  /** whether nothing had to be made */
  readonly cached: boolean
}

export interface BuildRequest extends StageRequest {
  readonly outputs: readonly Output[]
  readonly names: readonly Reference[]
  /** of layers; what holds a plain root filesystem needs none */
  readonly compression: 'gzip' | 'none'
  /** do the work again even if its result is known */
  readonly noCache: boolean
}

/** Where the tar of an import comes from. */
export type ImportSource =
  | {
      /** what people call it */
      readonly name: string
      readonly chunks: AsyncIterable<Uint8Array>
      readonly size?: number | undefined
    }
  | { readonly url: string }

export interface ImportRequest {
  readonly source: ImportSource
  readonly platform: Platform
  /** instructions of a Dockerfile that change how the image starts */
  readonly changes: readonly string[]
  /** default what docker import writes */
  readonly message?: string | undefined
  readonly names: readonly Reference[]
  readonly outputs: readonly Output[]
  readonly compression: 'gzip' | 'none'
}

export interface RunRequest {
  /** a name, a digest, a path or a recipe */
  readonly image: string
  readonly command: readonly string[]
  readonly platform: Platform
  /** the folder paths are relative to */
  readonly from: string
  readonly entrypoint: readonly string[] | undefined
  /** `K=V` */
  readonly env: readonly string[]
  readonly workdir: string | undefined
  readonly user: string | undefined
  readonly hostname: string | undefined
  readonly network: 'none' | 'host'
  readonly mounts: readonly Mount[]
  readonly interactive: Interactive
  /** Called when everything is ready: from then on standard output and error are the program's. */
  readonly onStart: () => void
}

/** A Dockerfile as the command line asks for it. */
export interface DockerfileBuildRequest extends Pick<
  BuildRequest,
  'outputs' | 'names' | 'compression' | 'noCache' | 'platform' | 'skip' | 'directory'
> {
  readonly text: string
  /** what messages call it */
  readonly file: string
  readonly context?: {
    readonly directory: string
    readonly ignore?: { readonly file: string; readonly text: string } | undefined
  }
  readonly target?: string | undefined
  /** that of this machine */
  readonly buildPlatform: Platform
  readonly buildArgs: ReadonlyMap<string, string>
  readonly labels: readonly (readonly [name: string, value: string])[]
  readonly network: 'none' | 'host'
  readonly secrets: ReadonlyMap<string, () => Promise<Uint8Array>>
  readonly agents: ReadonlyMap<string, string>
}

/** The pipeline as far as the command line knows it. */
export interface Stages {
  plan(request: StageRequest, deps: StageDeps): Promise<Plan>
  build(request: BuildRequest, deps: StageDeps): Promise<BuildSummary>
  run(request: RunRequest, deps: StageDeps): Promise<ExitStatus>
  import(request: ImportRequest, deps: StageDeps): Promise<Omit<BuildSummary, 'cached'>>
  buildDockerfile(request: DockerfileBuildRequest, deps: StageDeps): Promise<BuildSummary>
}
