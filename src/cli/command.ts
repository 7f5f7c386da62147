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
export interface RecipeOptions {
  readonly param?: readonly string[] | undefined
  readonly platform?: string | undefined
  readonly skip?: readonly string[] | undefined
  readonly store?: string | undefined
  readonly progress: ProgressMode
  readonly json?: true | undefined
}

export interface BuildOptions extends RecipeOptions {
  readonly tag?: readonly string[] | undefined
  readonly output?: readonly string[] | undefined
  readonly load?: true | undefined
  /** of a Dockerfile */
  readonly file?: string | undefined
  readonly buildArg?: readonly string[] | undefined
  readonly target?: string | undefined
  readonly network?: 'none' | 'host' | undefined
  readonly secret?: readonly string[] | undefined
  readonly ssh?: readonly string[] | undefined
  readonly label?: readonly string[] | undefined
  /** commander's name for `--no-cache` */
  readonly cache: boolean
}
