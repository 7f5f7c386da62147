import type { Io } from './io.ts'
import type { ProgressMode } from './render/renderer.ts'
import type { Stages } from './stages.ts'

/** What a command gets. */
export interface CommandContext {
  readonly io: Io
  readonly signal: AbortSignal
  /** the pipeline, loaded when a command first needs it */
  stages(): Promise<Stages>
  /** called with what leaves the terminal as it was, for an end that waits for nothing */
  onForcedExit(restore: () => void): void
}

/** Options of every command that works on a recipe. */
export interface RecipeOptions extends WorkOptions {
  readonly param?: readonly string[] | undefined
  readonly platform?: string | undefined
  readonly skip?: readonly string[] | undefined
  readonly json?: true | undefined
}

/** Options of every command that makes an image. */
export interface OutputOptions {
  readonly tag?: readonly string[] | undefined
  readonly output?: readonly string[] | undefined
  readonly load?: true | undefined
  readonly json?: true | undefined
}

export interface BuildOptions extends RecipeOptions, OutputOptions {
  readonly json?: true | undefined
  /** commander's name for `--no-cache` */
  readonly cache: boolean
}

/** Options of every command that keeps something in the store and shows how far it is. */
export interface WorkOptions {
  readonly store?: string | undefined
  readonly progress: ProgressMode
}

export interface ImportOptions extends WorkOptions, OutputOptions {
  readonly change?: readonly string[] | undefined
  readonly message?: string | undefined
  readonly platform?: string | undefined
}
