import type { z } from 'zod'
import { PlinthError } from '../errors.ts'
import { parsePlatform, type Platform } from '../platform.ts'
import type { Instruction } from '../instruction.ts'
import type { Rootfs } from './rootfs.ts'

/** The schema of a recipe's params: a zod object. */
export type ParamsSchema = z.ZodObject

/** What a recipe's functions may decide by. */
export interface RecipeContext<P extends ParamsSchema = ParamsSchema> {
  readonly params: Readonly<z.output<P>>
  readonly platform: Platform
}

/** A value, or the function of the params and platform that gives it. */
export type Decided<P extends ParamsSchema, T> =
  | T
  // a method's parameters are compared both ways: a recipe with params is still a `Recipe`
  | { decide(context: RecipeContext<P>): T }['decide']

interface RecipeCommon<P extends ParamsSchema> {
  /** what it is called in plans and messages: `debian`, `my-base` */
  readonly name: string
  /** one line for `plinth recipes` */
  readonly description?: string | undefined
  /** platforms it can be built for; default any */
  readonly platforms?: readonly string[] | undefined
  readonly params?: P | undefined
  /** applied in order */
  readonly instructions?: Decided<P, readonly Instruction[]> | undefined
}

/** A recipe that brings its own root filesystem. */
export interface RootfsRecipe<P extends ParamsSchema = ParamsSchema> extends RecipeCommon<P> {
  readonly rootfs: Decided<P, Rootfs>
  readonly from?: never
}

/** A recipe that continues another, or an image. */
export interface DerivedRecipe<P extends ParamsSchema = ParamsSchema> extends RecipeCommon<P> {
  /** a recipe, built with its own defaults (`withParams` sets others); the name of an image; or `scratch` */
  readonly from: Decided<P, Recipe | string>
  readonly rootfs?: never
}

/** What a recipe module exports as its default: pure data, with functions only where params or platform decide. */
export type Recipe<P extends ParamsSchema = ParamsSchema> = RootfsRecipe<P> | DerivedRecipe<P>

/** A recipe as a module's default export. Throws `RECIPE_INVALID` for what cannot be one. */
export function defineRecipe<P extends ParamsSchema>(recipe: Recipe<P>): Recipe<P> {
  return Object.freeze(checkRecipe(recipe) as Recipe<P>)
}

/** The recipe with some params set: what `from` continues. They are parsed when it is planned. */
export function withParams<P extends ParamsSchema>(
  recipe: Recipe<P>,
  values: z.input<P>,
): BoundRecipe<P> {
  return Object.freeze({ ...recipe, values })
}

/** A recipe with the params it is to be built with. */
export type BoundRecipe<P extends ParamsSchema = ParamsSchema> = Recipe<P> & {
  readonly values: z.input<P>
}

/**
 * The same check for a value nobody typed (a module's default export).
 * Throws `RECIPE_INVALID` and says which field is wrong.
 */
export function checkRecipe(value: unknown): Recipe {
  if (typeof value !== 'object' || value === null) {
    return refuse(`it is ${value === null ? 'null' : `a ${typeof value}`}, not an object`)
  }
  const recipe = value as Readonly<Record<string, unknown>>
  if (typeof recipe['name'] !== 'string' || !/^[a-z0-9][a-z0-9._-]*$/.test(recipe['name'])) {
    refuse('name is missing or is not lower-case letters, digits and . _ -')
  }
  const known = ['name', 'description', 'platforms', 'params', 'instructions', 'rootfs', 'from']
  const stranger = Object.keys(recipe).find((key) => ![...known, 'values'].includes(key))
  if (stranger !== undefined) refuse(`'${stranger}' is no field`, `fields: ${known.join(', ')}`)
  if ((recipe['rootfs'] === undefined) === (recipe['from'] === undefined)) {
    refuse('it needs either rootfs or from', "rootfs: deb({ suite: 'trixie' }), for example")
  }
  if (recipe['params'] !== undefined && !isZodObject(recipe['params'])) {
    refuse('params is not a zod object', 'params: z.object({ … }), with zod 4')
  }
  for (const platform of (recipe['platforms'] ?? []) as readonly string[]) parsePlatform(platform)
  return value as Recipe
}

/** Known by structure: the recipe may have brought its own copy of zod 4. */
function isZodObject(value: unknown): boolean {
  const def = (value as { _zod?: { def?: { type?: unknown } } } | null)?._zod?.def
  return def?.type === 'object'
}

function refuse(why: string, hint?: string): never {
  throw new PlinthError('RECIPE_INVALID', `not a recipe: ${why}`, { hint })
}
