import {
  type Dockerfile,
  type DockerfileOptions,
  parseDockerfile,
} from '../../src/dockerfile/dockerfile.ts'
import { afterInstruction, instructionOf, variablesOf } from '../../src/dockerfile/variables.ts'
import type { Instruction } from '../../src/instruction.ts'
import { parsePlatform } from '../../src/platform.ts'

const platform = parsePlatform('linux/amd64')

/** A Dockerfile for linux/amd64, whose lines these are. */
export function parse(text: string, options: Partial<DockerfileOptions> = {}): Dockerfile {
  return parseDockerfile(text, {
    file: 'Dockerfile',
    targetPlatform: platform,
    buildPlatform: platform,
    ...options,
  })
}

/** The instructions of one stage (the last), evaluated over a base whose environment this is. */
export function instructionsOf(
  text: string,
  options: Partial<DockerfileOptions> & { readonly env?: readonly string[] } = {},
): readonly Instruction[] {
  const { graph } = parse(text, options)
  let variables = variablesOf(options.env ?? [])
  return graph.stages[graph.target]!.steps.map((step) => {
    const instruction = instructionOf(step, variables)
    variables = afterInstruction(variables, instruction)
    return instruction
  })
}

/** The one instruction of `FROM scratch` and a line. */
export function single(
  line: string,
  options: Parameters<typeof instructionsOf>[1] = {},
): Instruction {
  const [first, ...more] = instructionsOf(`FROM scratch\n${line}`, options)
  if (first === undefined || more.length > 0) throw new Error(`${line}: not one instruction`)
  return first
}
