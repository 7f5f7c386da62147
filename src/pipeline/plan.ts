import { planDebs } from '../distro/deb/plan.ts'
import type { RepositoryDeps } from '../distro/deb/repository.ts'
import type { Plan } from '../plan.ts'
import type { ResolvedRecipe } from '../recipe/resolve.ts'

/** What planning needs. */
export type PlanDeps = Omit<RepositoryDeps, 'skip'> & {
  /** the image's time instead of the snapshot's (SOURCE_DATE_EPOCH), seconds since 1970 */
  readonly epoch?: number | undefined
}

/** Resolves a recipe against its repositories: the exact packages, in order, and why each is there. */
export async function plan(recipe: ResolvedRecipe, deps: PlanDeps): Promise<Plan> {
  const { epoch, ...rest } = deps
  return planDebs(
    { recipe: recipe.name, platform: recipe.platform, rootfs: recipe.rootfs, epoch },
    { ...rest, skip: recipe.rootfs.skip },
  )
}
