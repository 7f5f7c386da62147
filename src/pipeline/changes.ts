import { parseChange } from '../dockerfile/instruction.ts'
import { afterInstruction, instructionOf, variablesOf } from '../dockerfile/variables.ts'
import { configChange } from '../engine/local/config.ts'
import { PlinthError } from '../errors.ts'
import type { RunConfig } from '../image.ts'

/**
 * How an image starts after `--change` instructions of a Dockerfile, in order; an ENV is seen by those after it.
 * Throws `DOCKERFILE_INVALID` for what is none of the eleven that may be given so.
 */
export function configOf(changes: readonly string[]): RunConfig {
  let config: RunConfig = {}
  let variables = variablesOf([])
  for (const text of changes) {
    const instruction = instructionOf(parseChange(text), variables)
    variables = afterInstruction(variables, instruction)
    if (instruction.kind === 'run' || instruction.kind === 'copy' || instruction.kind === 'add') {
      throw new PlinthError('INTERNAL', `'${text}' changes more than the configuration`)
    }
    // there is no base whose command a new entrypoint would not be meant for
    const { fields } = configChange(config, instruction, { hasCommand: true })
    config = { ...config, ...fields }
  }
  return config
}
