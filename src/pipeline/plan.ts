import type { RepositoryDeps } from '../distro/repository-deps.ts'
import type { Plan } from '../plan.ts'
import type { PackagedRecipe } from '../recipe/resolve.ts'

/** What planning needs. */
export type PlanDeps = RepositoryDeps & {
  /** the image's time instead of the snapshot's (SOURCE_DATE_EPOCH), seconds since 1970 */
  readonly epoch?: number | undefined
  /** past every cache on the way */
  readonly fresh?: boolean | undefined
}

/** Resolves a recipe against its repositories: the exact packages, in order, and why each is there. */
export async function plan(
  { name: recipe, platform, rootfs }: PackagedRecipe,
  deps: PlanDeps,
): Promise<Plan> {
  const { epoch, ...rest } = deps
  // each loads what it needs, and not the other's
  switch (rootfs.kind) {
    case 'deb': {
      const { planDebs } = await import('../distro/deb/plan.ts')
      return planDebs({ recipe, platform, rootfs, epoch }, { ...rest, skip: rootfs.skip })
    }
    case 'apk': {
      const { planApks } = await import('../distro/apk/plan.ts')
      return planApks({ recipe, platform, rootfs, epoch }, rest)
    }
  }
}
