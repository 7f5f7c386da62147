import { PlinthError } from '../errors.ts'
import { parsePlatform, type Platform } from '../platform.ts'
import type { Instruction } from '../instruction.ts'
import { parseParams } from './params.ts'
import type { BoundRecipe, Decided, ParamsSchema, Recipe, RecipeContext } from './recipe.ts'
import type { Rootfs } from './rootfs.ts'

/** A recipe with every decision taken: what planning or building starts from. Plain data. */
export type ResolvedRecipe = PackagedRecipe | LayeredRecipe

/** One that brings packages. */
export interface PackagedRecipe extends ResolvedCommon {
  readonly rootfs: Rootfs
  readonly from?: undefined
}

/** One that is only instructions over an image: nothing of it is to be planned. */
export interface LayeredRecipe extends ResolvedCommon {
  /** an image's name, or `scratch` */
  readonly from: string
  readonly rootfs?: undefined
}

interface ResolvedCommon {
  readonly name: string
  readonly platform: Platform
  /** the parsed params of the recipe itself, defaults filled in */
  readonly params: Readonly<Record<string, unknown>>
  /** those of the recipes it continues first */
  readonly instructions: readonly Instruction[]
}

/**
 * Parses params, runs the recipe's functions and follows `from`.
 * Throws `PARAM_INVALID`, `PLATFORM_INVALID` when the recipe excludes the platform, `RECIPE_INVALID`
 * when one of its functions throws.
 */
export async function resolveRecipe(
  recipe: Recipe | BoundRecipe,
  request: { readonly params?: Readonly<Record<string, unknown>> | undefined; platform: Platform },
): Promise<ResolvedRecipe> {
  const { platform } = request
  checkPlatform(recipe, platform)
  const bound = 'values' in recipe ? recipe.values : {}
  const params = await parseParams(recipe, { ...bound, ...request.params })
  const decide = decider(recipe, { params, platform })
  const own = decide('instructions', recipe.instructions ?? [])
  if (recipe.rootfs !== undefined) {
    const rootfs = decide('rootfs', recipe.rootfs)
    return { name: recipe.name, platform, params, rootfs, instructions: own }
  }
  const from = decide('from', recipe.from)
  const common = { name: recipe.name, platform, params }
  if (typeof from === 'string') return { ...common, from, instructions: own }
  const base = await resolveRecipe(from, { platform })
  return { ...base, ...common, instructions: [...base.instructions, ...own] }
}

function checkPlatform(recipe: Recipe, platform: Platform): void {
  if (recipe.platforms === undefined) return
  if (recipe.platforms.some((known) => parsePlatform(known) === platform)) return
  throw new PlinthError('PLATFORM_INVALID', `recipe ${recipe.name} is not for ${platform}`, {
    hint: `it is for ${recipe.platforms.join(', ')}`,
  })
}

function decider<P extends ParamsSchema>(recipe: Recipe<P>, context: RecipeContext<P>) {
  return <T extends object | string>(field: string, decided: Decided<P, T>): T => {
    if (typeof decided !== 'function') return decided
    try {
      return decided(context)
    } catch (cause) {
      if (cause instanceof PlinthError) throw cause
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new PlinthError('RECIPE_INVALID', `recipe ${recipe.name}: ${field} threw: ${why}`, {
        cause,
      })
    }
  }
}
