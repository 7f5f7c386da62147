import { PlinthError } from '../errors.ts'
import type { Command } from '../instruction.ts'

/** Throws `RECIPE_INVALID` with `why` unless it holds. */
export function check(holds: boolean, why: string, hint?: string): asserts holds {
  if (!holds) throw new PlinthError('RECIPE_INVALID', why, { hint })
}

/** A command that the recipe cannot change afterwards. */
export function copyOf(command: Command): Command {
  return typeof command === 'string' ? command : [...command]
}
