import type { BuildArgument, Instruction } from '../instruction.ts'
import type { Scope, Step } from '../stage.ts'

/** The variables of a stage between two of its steps. */
export interface Variables {
  /** what a word sees: of ENV and ARG whatever was said last */
  readonly values: ReadonlyMap<string, string>
  /** the names ARG declared, in order, each once */
  readonly declared: readonly BuildArgument[]
}

/**
 * The variables of a stage that begins with an image whose `Env` this is. One that begins with a stage goes on
 * with that stage's, ARGs among them; as in BuildKit, ENV wins over an ARG once more where the stage begins.
 */
export function variablesOf(env: readonly string[], below?: Variables): Variables {
  const pairs = env.map((pair): readonly [string, string] => {
    const equals = pair.indexOf('=')
    return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
  })
  return { values: new Map([...(below?.values ?? []), ...pairs]), declared: below?.declared ?? [] }
}

/**
 * The variables after an instruction: ENV and ARG change them. As in BuildKit the later of both wins, so an
 * ARG with a value hides an ENV for the rest of the build, but never in the image.
 */
export function afterInstruction(variables: Variables, instruction: Instruction): Variables {
  if (instruction.kind === 'env') {
    return { ...variables, values: new Map([...variables.values, ...instruction.pairs]) }
  }
  if (instruction.kind !== 'arg') return variables
  const values = new Map(variables.values)
  const declared = new Map(variables.declared.map((one) => [one.name, one]))
  for (const argument of instruction.args) {
    // a name alone declares it, but does not take a value away
    if (argument.value !== undefined) values.set(argument.name, argument.value)
    declared.set(argument.name, argument)
  }
  return { values, declared: [...declared.values()] }
}

/** What a step's words see. */
export function scopeOf({ values }: Variables): Scope {
  return { get: (name) => values.get(name) }
}

/** The step's instruction, its words expanded. Throws `DOCKERFILE_INVALID` where that cannot be done. */
export function instructionOf(step: Step, variables: Variables): Instruction {
  const { instruction } = step
  return typeof instruction === 'function' ? instruction(scopeOf(variables)) : instruction
}

const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY']

/** The environment of a RUN: ENV, ARG, and the proxies among the build's arguments, in both spellings. */
export function runEnvironment(
  variables: Variables,
  buildArgs: ReadonlyMap<string, string>,
): Readonly<Record<string, string>> {
  const environment = new Map(proxyVariables(buildArgs))
  for (const [name, value] of variables.values) environment.set(name, value)
  return Object.fromEntries(environment)
}

/** A proxy needs no ARG; it is neither in the history nor in the cache's keys. */
export function proxyVariables(
  buildArgs: ReadonlyMap<string, string>,
): readonly (readonly [string, string])[] {
  return proxies.flatMap((name) => {
    const value = buildArgs.get(name) ?? buildArgs.get(name.toLowerCase())
    if (value === undefined) return []
    return [name, name.toLowerCase()].map((one) => [one, value] as const)
  })
}

/** `K=V` of what ARG declared: the history of a RUN shows them as `|2 A=1 B=2 …`. */
export function historyArguments({ values, declared }: Variables): readonly string[] {
  return declared.map(({ name, value }) => `${name}=${values.get(name) ?? value ?? ''}`)
}
