import { isPlinthError } from '../errors.ts'
import type { Source } from '../instruction.ts'
import { parseReference } from '../reference.ts'
import { check } from './instruction-check.ts'
import { type BoundRecipe, checkRecipe, type ParamsSchema, type Recipe } from './recipe.ts'

/**
 * Where files come from when not from the context: a recipe, which is built first (the stage of a Dockerfile),
 * or an image's name, or `plinth:RECIPE?param=value`.
 */
export type From<P extends ParamsSchema = ParamsSchema> = Recipe<P> | BoundRecipe<P> | string

/** The source that `from` of the builder `what` names. Throws `RECIPE_INVALID`. */
export function sourceOf(from: From, what: string): Source {
  if (typeof from !== 'string') return { kind: 'recipe', recipe: checkRecipe(from) }
  if (from.startsWith('plinth:')) {
    check(from.length > 'plinth:'.length, `${what}: plinth: names no recipe`)
    return { kind: 'image', name: from }
  }
  try {
    parseReference(from)
  } catch (error) {
    if (!isPlinthError(error)) throw error
    check(false, `${what}: from: ${error.message}`, error.hint)
  }
  return { kind: 'image', name: from }
}
