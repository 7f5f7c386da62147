import type { Plan } from '../plan.ts'
import type { Installation, InstallationDeps } from './installation.ts'

/** Begins to fetch and unpack the packages of a plan. */
export async function startInstallation(plan: Plan, deps: InstallationDeps): Promise<Installation> {
  // each loads what it needs, and not the other's
  switch (plan.distribution) {
    case 'deb': {
      const { startDebs } = await import('./install-debs.ts')
      return startDebs(plan, deps)
    }
    case 'apk': {
      const { startApks } = await import('./install-apks.ts')
      return startApks(plan, deps)
    }
  }
}
