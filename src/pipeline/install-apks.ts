import { apkFiles } from '../distro/apk/fetch.ts'
import { installApks } from '../distro/apk/install.ts'
import { apkOpener, fetchedPackages, plannedSystem } from '../distro/apk/planned.ts'
import { fetchPackages } from '../distro/fetch.ts'
import type { ApkPlan } from '../plan.ts'
import { urlsOf, type Installation, type InstallationDeps } from './installation.ts'

/** Begins to fetch and unpack apk's packages. */
export function startApks(plan: ApkPlan, deps: InstallationDeps): Installation {
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
