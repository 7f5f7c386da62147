import { debFiles } from '../distro/deb/fetch.ts'
import { debOpener, installDebs } from '../distro/deb/install.ts'
import { fetchPackages } from '../distro/fetch.ts'
import type { DebPlan } from '../plan.ts'
import { urlsOf, type Installation, type InstallationDeps } from './installation.ts'

/** Begins to fetch and unpack Debian's packages. */
export function startDebs(plan: DebPlan, deps: InstallationDeps): Installation {
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
