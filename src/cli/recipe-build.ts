import type { BuildGraphRequest } from '../engine/local/deps.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import { build, type BuildDeps, type BuildResult } from '../pipeline/build.ts'
import { buildOn } from '../pipeline/instructions.ts'
import { plan } from '../pipeline/plan.ts'
import type { Plan } from '../plan.ts'
import { resolveRecipe, type PackagedRecipe, type ResolvedRecipe } from '../recipe/resolve.ts'
import type { BuildRequest, StageDeps, StageRequest } from './stages.ts'
import { sourceDateEpoch } from './surrounding-values.ts'

/** Resolves a recipe to the exact packages. */
export async function planRecipe(
  request: StageRequest,
  tools: BuildDeps,
  deps: StageDeps,
): Promise<Plan> {
  const recipe = await resolved(request)
  if (recipe.rootfs !== undefined) return planOf(recipe, tools, deps)
  throw new PlinthError(
    'USAGE',
    `there is nothing to plan: ${recipe.name} is built on ${recipe.from}`,
    {
      hint: 'a plan is of packages, which only a recipe with a rootfs brings',
    },
  )
}

/** Plans a recipe and carries the plan out. */
export async function buildRecipe(
  request: StageRequest &
    Pick<BuildRequest, 'outputs' | 'names'> &
    Partial<BuildRequest> &
    Pick<BuildGraphRequest, 'base'>,
  tools: BuildDeps,
  deps: StageDeps,
): Promise<Pick<BuildResult, 'image' | 'digest' | 'cached'>> {
  const recipe = await resolved(request)
  const { instructions } = recipe
  const asked = { ...request, instructions }
  if (recipe.rootfs === undefined) {
    const { from } = recipe
    const epoch = sourceDateEpoch(deps.env)
    return buildOn(
      {
        ...asked,
        from,
        epoch,
        compression: request.compression ?? 'gzip',
        noCache: request.noCache ?? false,
      },
      tools,
    )
  }
  const planned = await planOf(recipe, tools, deps)
  const made = build({ ...asked, plan: planned }, tools)
  return made.catch(async (error: unknown) => {
    const again = await renewed(planned, error, () => planOf(recipe, tools, deps, true))
    return build({ ...asked, plan: again }, tools)
  })
}

function planOf(
  recipe: PackagedRecipe,
  tools: BuildDeps,
  { now, env }: StageDeps,
  fresh = false,
): Promise<Plan> {
  return plan(recipe, { ...tools, now, epoch: sourceDateEpoch(env), fresh })
}

/**
 * Another plan for one whose packages are not what its indexes say: mirrors of apk drop packages with the index
 * that had them, and a cache on the way may still give out that. Throws `error` when the mirror itself says the same.
 */
async function renewed(planned: Plan, error: unknown, replan: () => Promise<Plan>): Promise<Plan> {
  const isAtOdds = isPlinthError(error, 'HTTP_STATUS', 'DIGEST_MISMATCH', 'SIZE_MISMATCH')
  if (planned.distribution !== 'apk' || !isAtOdds) throw error
  const again = await replan()
  const digests = ({ sources }: Plan): string => sources.map(({ digest }) => digest).join()
  if (digests(again) === digests(planned)) throw error
  return again
}

/** The recipe with every decision taken, checks skipped on the command line included. */
async function resolved(request: StageRequest): Promise<ResolvedRecipe> {
  const recipe = await resolveRecipe(request.recipe, request)
  const { rootfs } = recipe
  if (rootfs === undefined) return recipe
  // an index of apk says neither what it is of nor how long it is good: there is nothing to skip
  if (rootfs.kind === 'apk') return recipe
  const skip = [...new Set([...rootfs.skip, ...request.skip])].toSorted()
  return { ...recipe, rootfs: { ...rootfs, skip } }
}
