import { PlinthError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { parsePlatform } from '../platform.ts'
import { parseReference } from '../reference.ts'
import { argPairs } from './config-step.ts'
import type { Dockerfile, DockerfileStage } from './dockerfile.ts'
import { expandGlobal, type FromLine } from './from-line.ts'
import type { LintRule, LintWarning } from './lint-rules.ts'
import { locate } from './source.ts'

/** Warnings about FROM: names, casing, platforms, arguments. */
export function stageWarnings(dockerfile: Dockerfile): readonly LintWarning[] {
  const { stages } = dockerfile.graph
  const defaults = defaultGlobals(dockerfile)
  return stages.flatMap((stage, index) => {
    const { from } = stage
    return [
      ...nameWarnings(from, stages.slice(0, index)),
      ...argumentWarnings(dockerfile, from),
      ...platformWarnings(dockerfile, from),
      ...defaultWarnings(from, defaults),
    ]
  })
}

function nameWarnings(from: FromLine, before: readonly DockerfileStage[]): readonly LintWarning[] {
  const { as, stageName, instruction } = from
  const { keyword } = instruction
  if (as === undefined || stageName === undefined) return []
  const name = stageName.toLowerCase()
  return [
    ...warning(
      from,
      'StageNameCasing',
      name !== stageName,
      `write the stage's name ${stageName} in lower case`,
    ),
    ...warning(
      from,
      'FromAsCasing',
      (as === as.toLowerCase()) !== (keyword === keyword.toLowerCase()),
      `${keyword} and ${as} are not written alike`,
    ),
    ...warning(
      from,
      'DuplicateStageName',
      before.some((one) => one.name === name),
      `there is a stage ${name} already`,
    ),
    ...warning(
      from,
      'ReservedStageName',
      name === 'context' || name === 'scratch',
      `${name} means something else`,
    ),
  ]
}

function argumentWarnings(
  { context, globalArgs }: Dockerfile,
  from: FromLine,
): readonly LintWarning[] {
  const { base, platform, instruction } = from
  // an argument without a value is declared all the same
  const names = globalArgs.flatMap(argPairs).map(({ name }) => name.text)
  const declared = new Set([...context.globals.keys(), ...names])
  for (const one of [base, ...(platform ? [platform] : [])]) {
    const { unset } = expandGlobal(instruction, one, context.globals)
    const name = [...unset].find((asked) => !declared.has(asked))
    if (name === undefined) continue
    const [close] = nearest(name, declared, 1)
    const message = `FROM uses $${name}, which no ARG in front of the first FROM declares`
    return warning(from, 'UndefinedArgInFrom', true, message, close && `did you mean $${close}?`)
  }
  return []
}

function platformWarnings({ context }: Dockerfile, from: FromLine): readonly LintWarning[] {
  const { platform, instruction, stageName } = from
  if (platform === undefined) return []
  const { text, set, unset } = expandGlobal(instruction, platform, context.globals)
  const redundant =
    set.size === 1 &&
    unset.size === 0 &&
    set.has('TARGETPLATFORM') &&
    text === context.globals.get('TARGETPLATFORM')
  const [os = '', arch = ''] = platformOf(text)?.split('/') ?? []
  const constant = set.size === 0 && unset.size === 0 && os !== ''
  const named = stageName?.includes(os) || stageName?.includes(arch)
  return [
    ...warning(
      from,
      'RedundantTargetPlatform',
      redundant,
      `--platform=${platform.text} is what it is without`,
    ),
    ...warning(
      from,
      'FromPlatformFlagConstDisallowed',
      constant && !named,
      `--platform=${text} builds this stage for one platform only`,
    ),
  ]
}

function platformOf(text: string): string | undefined {
  try {
    return parsePlatform(text)
  } catch (error) {
    if (error instanceof PlinthError) return undefined
    throw error
  }
}

/** The global arguments as they are when no `--build-arg` is given. */
function defaultGlobals({ globalArgs, context }: Dockerfile): ReadonlyMap<string, string> {
  const platforms = [...context.globals].filter(([name]) => /^(TARGET|BUILD)[A-Z]+$/.test(name))
  const globals = new Map(platforms)
  for (const instruction of globalArgs) {
    for (const { name, value } of argPairs(instruction)) {
      if (value) globals.set(name.text, expandGlobal(instruction, value, globals).text)
    }
  }
  return globals
}

function defaultWarnings(
  from: FromLine,
  defaults: ReadonlyMap<string, string>,
): readonly LintWarning[] {
  const { base, instruction } = from
  const { text, set, unset } = expandGlobal(instruction, base, defaults)
  if (set.size + unset.size === 0 || text.startsWith('plinth:')) return []
  let valid = true
  try {
    parseReference(text)
  } catch (error) {
    if (!(error instanceof PlinthError)) throw error
    valid = false
  }
  const message = `without --build-arg, ${base.text} is no image: '${text}'`
  return warning(from, 'InvalidDefaultArgInFrom', !valid, message)
}

function warning(
  { instruction }: FromLine,
  rule: LintRule,
  holds: boolean,
  message: string,
  hint?: string,
): readonly LintWarning[] {
  return holds ? [{ rule, message, location: locate(instruction.line, 0), hint }] : []
}
