import type { Forwarded } from './interrupt.ts'
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
  /** signals go to `listener`, and stop nothing here, until the returned function is called */
  forward(listener: (signal: Forwarded) => void): () => void
}

/** What a command says on standard output, and the exit code where that is not its success. */
export type Answer = string | { readonly text: string; readonly exitCode: number }

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

export interface RunOptions extends WorkOptions {
  readonly interactive?: true | undefined
  readonly tty?: true | undefined
  readonly env?: readonly string[] | undefined
  readonly volume?: readonly string[] | undefined
  readonly workdir?: string | undefined
  readonly user?: string | undefined
  readonly network: 'none' | 'host'
  readonly entrypoint?: string | undefined
  readonly hostname?: string | undefined
  readonly platform?: string | undefined
  /** only to say why there is none */
  readonly publish?: string | undefined
}

export interface DoctorOptions {
  readonly store?: string | undefined
  readonly json?: true | undefined
}
