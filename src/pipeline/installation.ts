import type { Emit } from '../events.ts'
import type { Http } from '../http/http.ts'
import type { RetryPolicy } from '../http/retry.ts'
import type { Plan, PlannedPackage } from '../plan.ts'
import type { Executor, Store } from '../ports.ts'
import type { Tree } from '../rootfs/tree.ts'

export interface InstallationDeps {
  readonly store: Store
  readonly executor: Executor
  readonly http: Http
  readonly retry: RetryPolicy
  readonly emit: Emit
  readonly signal: AbortSignal
}

/** Packages that are being fetched and unpacked, to be installed as they get ready. */
export interface Installation {
  /** Resolves when all files are there, fails with what ended the fetching. */
  readonly fetching: Promise<unknown>
  readonly opener: {
    /** Keeps what was unpacked for the next build. */
    finish(): Promise<void>
    /** Resolves when nothing is being unpacked any more. */
    idle(): Promise<void>
  }
  /** Makes the root filesystem; `onUnpacked` is called with what it is before scripts run. */
  readonly install: (onUnpacked: (tree: Tree) => void) => Promise<Tree>
}

/** Where a package of a plan may be. */
export function urlsOf(pkg: PlannedPackage, plan: Plan): readonly string[] {
  return plan.sources[pkg.source]!.uris.map((uri) => `${uri.replace(/\/$/, '')}/${pkg.path}`)
}
