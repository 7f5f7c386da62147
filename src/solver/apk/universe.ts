import type { IndexRecord } from '../../apk/index-record.ts'

/** One line of etc/apk/repositories and the index found there. */
export interface Repository {
  /** the caller's own key; the solver only hands it back */
  readonly id: string
  /** of a pinned one: `@edge`, without the sign. Nothing comes from it that nobody pinned to it */
  readonly tag?: string | undefined
  readonly records: readonly IndexRecord[]
}

/** Every package that can be chosen: repositories in the order apk reads them. */
export interface Universe {
  readonly repositories: readonly Repository[]
}
