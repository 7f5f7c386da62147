import { apkFiles } from '../distro/apk/fetch.ts'
import { installApks } from '../distro/apk/install.ts'
import { apkOpener, fetchedPackages, plannedSystem } from '../distro/apk/planned.ts'
import { debFiles } from '../distro/deb/fetch.ts'
import { debOpener, installDebs } from '../distro/deb/install.ts'
import { fetchPackages } from '../distro/fetch.ts'
import type { Emit } from '../events.ts'
import type { Http } from '../http/http.ts'
import type { RetryPolicy } from '../http/retry.ts'
import type { ApkPlan, DebPlan, Plan, PlannedPackage } from '../plan.ts'
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

/** Begins to fetch and unpack the packages of a plan. */
export function startInstallation(plan: Plan, deps: InstallationDeps): Installation {
  switch (plan.distribution) {
    case 'deb':
      return startDebs(plan, deps)
    case 'apk':
      return startApks(plan, deps)
  }
}

function startDebs(plan: DebPlan, deps: InstallationDeps): Installation {
  const opener = debOpener(plan, deps)
  const files = plan.packages.map((pkg) => ({ ...pkg, pkg, urls: urlsOf(pkg, plan) }))
  const fetching = fetchPackages(files, {
    ...deps,
    kind: debFiles,
    onPackage: ({ pkg }, file) => opener.add(pkg, file),
  })
  fetching.catch((error: unknown) => opener.fail(error))
  return {
    fetching,
    opener,
    install: (onUnpacked) =>
      installDebs(plan, [...opener.opened.values()], { ...deps, onUnpacked }),
  }
}

function startApks(plan: ApkPlan, deps: InstallationDeps): Installation {
  const opener = apkOpener(plan, deps)
  const files = fetchedPackages(plan).map((pkg) => ({ ...pkg, pkg, urls: urlsOf(pkg, plan) }))
  const fetching = fetchPackages(files, {
    ...deps,
    kind: apkFiles(deps.store),
    onPackage: ({ pkg }, file) => opener.add(pkg, file),
  })
  fetching.catch((error: unknown) => opener.fail(error))
  return {
    fetching,
    opener,
    install: (onUnpacked) =>
      installApks(plannedSystem(plan, opener.opened), { ...deps, onUnpacked }),
  }
}

function urlsOf(pkg: PlannedPackage, plan: Plan): readonly string[] {
  return plan.sources[pkg.source]!.uris.map((uri) => `${uri.replace(/\/$/, '')}/${pkg.path}`)
}
