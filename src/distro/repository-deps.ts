import type { Emit } from '../events.ts'
import type { Http } from '../http/http.ts'
import type { RetryPolicy } from '../http/retry.ts'
import type { Store } from '../ports.ts'
import type { IndexProgress } from './index-progress.ts'

/** What reading repositories needs of the world. */
export interface RepositoryDeps {
  readonly http: Http
  readonly store: Store
  readonly retry: RetryPolicy
  readonly now: () => Date
  readonly emit: Emit
  readonly signal: AbortSignal
  /** ask no network: only what the store has */
  readonly offline?: boolean | undefined
}

/** The same, while one reading of all of them goes on. */
export type Reading<Deps extends RepositoryDeps = RepositoryDeps> = Deps & {
  readonly progress: IndexProgress
}
