import type { Entry } from '../../entry.ts'
import type { Executor, ExecutorOptions, Workspace } from '../../ports.ts'

/** A workspace that gets ready while what it is to hold is still being fetched. */
export class WorkspaceAhead implements AsyncDisposable {
  readonly #executor: Executor
  readonly #options: ExecutorOptions
  readonly #base: Promise<Iterable<Entry>>
  #give!: (base: Iterable<Entry>) => void
  #refuse!: (reason: Error) => void
  #opening: Promise<Workspace> | undefined

  constructor(executor: Executor, options: ExecutorOptions) {
    this.#executor = executor
    this.#options = options
    this.#base = new Promise((resolve, reject) => {
      this.#give = resolve
      this.#refuse = reject
    })
    // whoever reads it is told; perhaps nobody does
    this.#base.catch(() => {})
  }

  /** Begins, now that it is known to be needed. */
  begin(): void {
    this.#opening ??= this.#executor.open(entriesOf(this.#base), this.#options)
    this.#opening.catch(() => {})
  }

  /** The workspace on this base, which is the first one that is named. Errors: those of `Executor.open`. */
  on(base: Iterable<Entry>): Promise<Workspace> {
    this.begin()
    this.#give(base)
    return this.#opening!
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#refuse(new Error('nothing ran in it'))
    const workspace = await this.#opening?.catch(() => undefined)
    await workspace?.[Symbol.asyncDispose]()
  }
}

async function* entriesOf(base: Promise<Iterable<Entry>>): AsyncGenerator<Entry> {
  yield* await base
}
