import { posix } from 'node:path'
import { argPairs, isLegacyPair } from './config-step.ts'
import type { Dockerfile, DockerfileStage } from './dockerfile.ts'
import { hasWildcard } from './glob.ts'
import { type InstructionLine, jsonArguments } from './instruction-line.ts'
import type { LintRule, LintWarning } from './lint-rules.ts'
import { parsePorts } from './ports.ts'
import { locate } from './source.ts'
import { quotedWords } from './split.ts'
import type { DockerfileStep } from './step.ts'

/** Warnings about instructions; what depends on how a stage comes out, for stages that are `needed` only. */
export function instructionWarnings(
  dockerfile: Dockerfile,
  needed: readonly number[],
  ignored: ((path: string) => boolean) | undefined,
): readonly LintWarning[] {
  const { instructions, graph } = dockerfile
  const inStages = instructions.filter((one) => !dockerfile.globalArgs.includes(one))
  return [
    ...instructions.flatMap(writingWarnings),
    ...casingWarnings(inStages),
    ...needed.flatMap((stage) => {
      const own = inStages.filter((one) => one.stage === stage && one.name !== 'FROM')
      return [
        ...own.flatMap(contentWarnings),
        ...repeatedWarnings(own),
        ...shellWarnings(dockerfile, stage, own),
        ...workdirWarnings(graph.stages, stage),
        ...ignoredWarnings(graph.stages[stage]!, ignored),
      ]
    }),
  ]
}

/** How a line is written, whatever becomes of it. */
function writingWarnings(instruction: InstructionLine): readonly LintWarning[] {
  const { line, name } = instruction
  const { file } = line
  const empty = line.emptyContinuation
  return [
    ...(empty === undefined
      ? []
      : [
          {
            rule: 'NoEmptyContinuation' as const,
            message: 'an empty line stands between lines that are joined',
            location: { file, line: empty, column: 1 },
          },
        ]),
    ...warning(
      instruction,
      'MaintainerDeprecated',
      name === 'MAINTAINER',
      'MAINTAINER is out of date',
      {
        hint: 'LABEL org.opencontainers.image.authors="…"',
      },
    ),
    ...warning(
      instruction,
      'LegacyKeyValueFormat',
      (name === 'ENV' || name === 'LABEL') && isLegacyPair(instruction),
      `${name} name value is out of date`,
      { hint: `${name} name=value` },
    ),
    ...descriptionWarnings(instruction),
  ]
}

function descriptionWarnings(instruction: InstructionLine): readonly LintWarning[] {
  const { name, line, rest } = instruction
  const comment = line.comments.at(-1)
  if (comment === undefined) return []
  const names =
    name === 'ARG'
      ? argPairs(instruction).map((pair) => pair.name.text)
      : name === 'FROM'
        ? rest.text.split(/\s+/).slice(2, 3)
        : []
  const about = comment.split(' ')[0]!
  const wrong = names.length > 0 && !names.some((one) => one.toLowerCase() === about.toLowerCase())
  const message = `the comment above ${name} ${names[0]} does not begin with that name`
  return warning(instruction, 'InvalidDefinitionDescription', wrong, message, {
    hint: 'a line between them makes it a comment of its own',
  })
}

/** Keywords are all upper or all lower case: what most of them are. */
function casingWarnings(instructions: readonly InstructionLine[]): readonly LintWarning[] {
  const lower = instructions.filter(({ keyword }) => keyword === keyword.toLowerCase()).length
  const upper = instructions.filter(({ keyword }) => keyword === keyword.toUpperCase()).length
  const wanted = lower > upper ? 'lower' : 'upper'
  return instructions.flatMap((one) => {
    const right = wanted === 'lower' ? one.keyword.toLowerCase() : one.keyword.toUpperCase()
    const message = `${one.keyword} is not in ${wanted} case, as most instructions here are`
    return warning(one, 'ConsistentInstructionCasing', one.keyword !== right, message)
  })
}

const secret = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i

function contentWarnings(instruction: InstructionLine): readonly LintWarning[] {
  const { name, rest, context } = instruction
  if (name === 'ARG' || name === 'ENV') {
    const words = quotedWords(rest, context.escape).map(({ text }) => text.split('=')[0]!)
    const names = name === 'ENV' && isLegacyPair(instruction) ? words.slice(0, 1) : words
    return names
      .filter((one) => secret.test(one) && !/(?:_|^)public(?:_|$)/i.test(one))
      .flatMap((one) =>
        warning(
          instruction,
          'SecretsUsedInArgOrEnv',
          true,
          `${name} ${one} looks like a secret: it stays in the image or its history`,
          { hint: `RUN --mount=type=secret,id=${one},env=${one} …` },
        ),
      )
  }
  if (name !== 'EXPOSE') return []
  return rest.text.split(/\s+/).flatMap((word) => {
    const exposed = parsePorts(word)
    if (typeof exposed === 'string') return []
    const { protocol, published } = exposed
    return [
      ...warning(
        instruction,
        'ExposeProtoCasing',
        protocol !== protocol.toLowerCase(),
        `write the protocol of ${word} in lower case`,
      ),
      ...warning(
        instruction,
        'ExposeInvalidFormat',
        published,
        `of ${word} only the port counts: an image publishes nothing`,
      ),
    ]
  })
}

function repeatedWarnings(instructions: readonly InstructionLine[]): readonly LintWarning[] {
  return ['CMD', 'ENTRYPOINT', 'HEALTHCHECK'].flatMap((name) =>
    instructions
      .filter((one) => one.name === name)
      .slice(0, -1)
      .flatMap((one) =>
        warning(
          one,
          'MultipleInstructionsDisallowed',
          true,
          `another ${name} follows, and the last one counts`,
        ),
      ),
  )
}

/** A shell that nobody asked for by name stands between the engine's signals and the program. */
function shellWarnings(
  { graph }: Dockerfile,
  stage: number,
  own: readonly InstructionLine[],
): readonly LintWarning[] {
  let named = false
  for (
    let base = graph.stages[stage]?.base;
    base?.kind === 'stage';
    base = graph.stages[base.stage]?.base
  )
    named ||= graph.stages[base.stage]?.steps.some(({ name }) => name === 'SHELL') ?? false
  return own.flatMap((one) => {
    if (one.name === 'SHELL') named = true
    const shell =
      (one.name === 'CMD' || one.name === 'ENTRYPOINT') && jsonArguments(one) === undefined
    const message = `${one.name} runs in a shell, which passes no signals on`
    return warning(one, 'JSONArgsRecommended', shell && !named, message, {
      hint: `${one.name} ["program", "argument"]`,
    })
  })
}

function workdirWarnings(
  stages: readonly DockerfileStage[],
  stage: number,
): readonly LintWarning[] {
  const isWorkdir = ({ name }: DockerfileStep) => name === 'WORKDIR'
  const bases: DockerfileStage[] = []
  for (let base = stages[stage]?.base; base?.kind === 'stage'; base = stages[base.stage]?.base)
    bases.push(stages[base.stage]!)
  if (bases.some(({ steps }) => steps.some(isWorkdir))) return []
  const first = stages[stage]?.steps.find(isWorkdir)
  const instruction = first?.instruction
  // with variables in it nobody knows yet
  if (first === undefined || typeof instruction !== 'object' || instruction.kind !== 'workdir')
    return []
  if (instruction.path.startsWith('/')) return []
  const message = `WORKDIR ${instruction.path} depends on where the base image starts`
  return [
    {
      rule: 'WorkdirRelativePath',
      message,
      location: first.location!,
      hint: 'write the whole path',
    },
  ]
}

function ignoredWarnings(
  { steps }: DockerfileStage,
  ignored: ((path: string) => boolean) | undefined,
): readonly LintWarning[] {
  if (ignored === undefined) return []
  return steps.flatMap(({ instruction, location, name }) => {
    if (typeof instruction === 'function') return []
    if (instruction.kind !== 'add' && (instruction.kind !== 'copy' || instruction.from)) return []
    return instruction.sources
      .filter((source) => !hasWildcard(source) && !/^(https?|git|ssh):\/\/|^git@/.test(source))
      .filter((source) => ignored(posix.join('/', source).slice(1).replace(/\/$/, '')))
      .map((source) => ({
        rule: 'CopyIgnoredFile' as const,
        message: `${name} ${source}: .dockerignore leaves that out`,
        location: location!,
      }))
  })
}

function warning(
  { line }: InstructionLine,
  rule: LintRule,
  holds: boolean,
  message: string,
  { hint }: { readonly hint?: string } = {},
): readonly LintWarning[] {
  return holds ? [{ rule, message, location: locate(line, 0), hint }] : []
}
