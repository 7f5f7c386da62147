import type { Emit } from '../../events.ts'
import type { Http } from '../../http/http.ts'
import type { RetryPolicy } from '../../http/retry.ts'
import type { Image } from '../../image.ts'
import type { Source } from '../../instruction.ts'
import type { Platform } from '../../platform.ts'
import type { Executor, Store } from '../../ports.ts'
import type { StageGraph, Step } from '../../stage.ts'
import type { Context } from './context.ts'
import type { ContextFiles } from './context-files.ts'
import type { StageState } from './state.ts'

/** What the engine works with. */
export interface EngineDeps {
  readonly store: Store
  readonly executor: Executor
  readonly http: Http
  readonly retry: RetryPolicy
  readonly emit: Emit
  readonly signal: AbortSignal
}

/** An image or recipe, by what a FROM or `--from` calls it. */
export type ImageSource = Exclude<Source, { readonly kind: 'stage' }>

/** Stages to build, and what they may use. */
export interface BuildGraphRequest {
  readonly graph: StageGraph
  readonly platform: Platform
  /** the directory COPY reads; none: there is nothing to copy from */
  readonly context?: Context | undefined
  /** `--build-arg` */
  readonly buildArgs: ReadonlyMap<string, string>
  /** the time of everything made (SOURCE_DATE_EPOCH); default that of the newest image it is made from */
  readonly epoch?: number | undefined
  /** what RUN gets where it does not say */
  readonly network: 'none' | 'host'
  readonly noCache: boolean
  /** Finds or makes an image. `IMAGE_NOT_FOUND` and what making it throws. */
  readonly base: (source: ImageSource, platform: Platform) => Promise<Image>
  /** what `--secret` gave, by id, read when it is used */
  readonly secrets: ReadonlyMap<string, () => Promise<Uint8Array>>
  /** sockets of ssh agents, by id */
  readonly agents: ReadonlyMap<string, string>
  /** An ONBUILD trigger as a step of a stage. */
  readonly trigger: (text: string, stage: number) => Step
}

/** What a step of a stage works with. */
export interface StepDeps extends EngineDeps {
  readonly request: BuildGraphRequest
  /** id of the step's events */
  readonly id: string
  readonly platform: Platform
  readonly files: ContextFiles | undefined
  /** another stage, when it is done */
  readonly stage: (index: number) => Promise<StageState>
  readonly base: BuildGraphRequest['base']
}
