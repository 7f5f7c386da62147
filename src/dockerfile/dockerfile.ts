import { PlinthError } from '../errors.ts'
import type { Source } from '../instruction.ts'
import { nearest } from '../nearest.ts'
import { parsePlatform, type Platform } from '../platform.ts'
import type { Stage, StageBase, StageGraph, Step } from '../stage.ts'
import { argPairs } from './config-step.ts'
import { type Directives, parseDirectives } from './directives.ts'
import { expandGlobal, type FromLine, fromLine, fromLocation } from './from-line.ts'
import { stepOf } from './instruction.ts'
import {
  type InstructionContext,
  instructionLine,
  type InstructionLine,
  invalidLine,
} from './instruction-line.ts'
import { type LogicalLine, logicalLines, sourceLines } from './lines.ts'
import { platformArguments } from './platform-arguments.ts'
import { didYouMean, invalid } from './source.ts'
import { imageNamed } from './stage-source.ts'
import type { DockerfileStep } from './step.ts'

/** How a Dockerfile is read. */
export interface DockerfileOptions {
  /** its path as a person knows it, for messages */
  readonly file: string
  /** `--build-arg` */
  readonly buildArgs?: ReadonlyMap<string, string> | undefined
  /** `--target`: a stage's name or number; default the last */
  readonly target?: string | undefined
  readonly targetPlatform: Platform
  /** that of this machine */
  readonly buildPlatform: Platform
}

/** A stage and the line it begins with. */
export interface DockerfileStage extends Stage {
  readonly steps: readonly DockerfileStep[]
  readonly from: FromLine
}

/** The stages of a Dockerfile. */
export interface DockerfileGraph extends StageGraph {
  readonly stages: readonly DockerfileStage[]
}

/** A Dockerfile, read. */
export interface Dockerfile {
  readonly graph: DockerfileGraph
  readonly directives: Directives
  /** what instructions may refer to: for ONBUILD triggers */
  readonly context: InstructionContext
  /** the file's lines, for excerpts */
  readonly lines: readonly string[]
  /** every instruction's line, in order */
  readonly instructions: readonly InstructionLine[]
  /** the ARGs in front of the first FROM */
  readonly globalArgs: readonly InstructionLine[]
}

/**
 * Reads a Dockerfile (Dockerfile reference; BuildKit's frontend 1.19 is the measure). Words with variables stay
 * functions, since their values depend on the base image. Throws `DOCKERFILE_INVALID`, with file, line and
 * column, for what is wrong in any stage, needed or not.
 */
export function parseDockerfile(text: string, options: DockerfileOptions): Dockerfile {
  const { file, buildArgs = new Map() } = options
  const lines = sourceLines(text)
  const directives = parseDirectives(lines, file)
  const { escape } = directives
  const logical = logicalLines(text, file, escape)
  if (logical.length === 0) {
    throw new PlinthError('DOCKERFILE_INVALID', `${file} has no instructions`, {
      hint: 'a Dockerfile begins with FROM',
    })
  }
  const firstFrom = logical.findIndex((line) => /^from(\s|$)/i.test(line.text))
  const front = firstFrom < 0 ? logical : logical.slice(0, firstFrom)
  const globals = new Map(platformArguments(options))
  const early: InstructionContext = { escape, stages: [], globals, buildArgs }
  const globalArgs = front.map((line) => instructionLine(line, early, 0))
  for (const instruction of globalArgs) declareGlobals(instruction, globals, buildArgs)
  if (firstFrom < 0)
    throw invalidLine(globalArgs[0]!, 0, 'there is no FROM', 'FROM scratch, for example')

  const chunks = stageChunks(logical.slice(firstFrom))
  // names before instructions, so that a stage that comes too late is told from an image
  const froms = chunks.map(([first], stage) => fromLine(instructionLine(first, early, stage)))
  const context: InstructionContext = {
    ...early,
    stages: froms.map(({ stageName, instruction }) => ({
      name: stageName?.toLowerCase(),
      line: instruction.line.pieces[0]?.line ?? 1,
    })),
  }
  const instructions: InstructionLine[] = [...globalArgs]
  const stages: DockerfileStage[] = []
  for (const [stage, [, ...rest]] of chunks.entries()) {
    const from = froms[stage]!
    const own = rest.map((line) => instructionLine(line, context, stage))
    instructions.push(from.instruction, ...own)
    stages.push({ ...stageStart(from, stages, context), from, steps: own.map(stepOf) })
  }
  const target = targetOf(stages, options)
  return { graph: { stages, target }, directives, context, lines, instructions, globalArgs }
}

function declareGlobals(
  instruction: InstructionLine,
  globals: Map<string, string>,
  buildArgs: ReadonlyMap<string, string>,
): void {
  if (instruction.name !== 'ARG') {
    throw invalidLine(
      instruction,
      0,
      `${instruction.name} stands before the first FROM, where only ARG may`,
      'begin with FROM',
    )
  }
  for (const { name, value } of argPairs(instruction)) {
    const given = buildArgs.get(name.text)
    const known = given ?? (value && expandGlobal(instruction, value, globals).text)
    if (known !== undefined) globals.set(name.text, known)
  }
}

function stageChunks(
  lines: readonly LogicalLine[],
): readonly (readonly [LogicalLine, ...LogicalLine[]])[] {
  const chunks: [LogicalLine, ...LogicalLine[]][] = []
  for (const line of lines) {
    const last = chunks.at(-1)
    if (last === undefined || /^from(\s|$)/i.test(line.text)) chunks.push([line])
    else last.push(line)
  }
  return chunks
}

function stageStart(
  from: FromLine,
  before: readonly DockerfileStage[],
  context: InstructionContext,
): Pick<Stage, 'name' | 'base' | 'platform' | 'location'> {
  const { instruction, base: word } = from
  const text = expandGlobal(instruction, word, context.globals).text
  if (text === '') {
    throw invalidLine(
      instruction,
      word.offset,
      `'${word.text}' is empty: there is no image to begin with`,
      'give the ARG a default before the first FROM, or use --build-arg',
    )
  }
  const name = from.stageName?.toLowerCase()
  const base = baseNamed(instruction, { text, offset: word.offset }, before)
  const location = fromLocation(from)
  // a stage goes on with the platform of the one it is built on
  if (base.kind === 'stage') return { name, base, platform: before[base.stage]?.platform, location }
  return { name, base, platform: platformNamed(from, context), location }
}

function baseNamed(
  instruction: InstructionLine,
  word: { readonly text: string; readonly offset: number },
  before: readonly DockerfileStage[],
): StageBase {
  const stage = before.findLastIndex(({ name }) => name === word.text.toLowerCase())
  if (stage >= 0) return { kind: 'stage', stage }
  if (word.text === 'scratch') return { kind: 'scratch' }
  return imageNamed(instruction, word)
}

function platformNamed(
  { instruction, platform }: FromLine,
  context: InstructionContext,
): Platform | undefined {
  if (platform === undefined) return undefined
  const text = expandGlobal(instruction, platform, context.globals).text
  if (text === '')
    throw invalidLine(instruction, platform.offset, `--platform: '${platform.text}' is empty`)
  try {
    return parsePlatform(text)
  } catch (error) {
    if (!(error instanceof PlinthError)) throw error
    throw invalidLine(instruction, platform.offset, `--platform: ${error.message}`, error.hint)
  }
}

function targetOf(stages: readonly Stage[], { target, file }: DockerfileOptions): number {
  if (target === undefined || target === '') return stages.length - 1
  const named = stages.findLastIndex(({ name }) => name === target.toLowerCase())
  if (named >= 0) return named
  if (/^\d+$/.test(target) && Number(target) < stages.length) return Number(target)
  const names = stages.flatMap(({ name }) => name ?? [])
  throw new PlinthError('DOCKERFILE_INVALID', `cannot build ${target}: ${file} has no such stage`, {
    hint:
      didYouMean(nearest(target.toLowerCase(), names, 1)) ??
      (names.length === 0
        ? `its stages are 0 to ${stages.length - 1}`
        : `it has ${names.join(', ')}`),
    facts: { target, stages: names },
  })
}

/** The stages, images and recipes a step reads. */
export function sourcesOf({ sources, instruction }: Step): readonly Source[] {
  if (sources !== undefined) return sources
  if (typeof instruction === 'function') return []
  if (instruction.kind === 'copy') return instruction.from ? [instruction.from] : []
  if (instruction.kind !== 'run') return []
  return instruction.mounts.flatMap((mount) => ('from' in mount && mount.from ? [mount.from] : []))
}

/**
 * The stages the target needs, itself too, in order. ONBUILD triggers of a base may need more: that is known
 * when the base is.
 */
export function neededStages({ stages, target }: StageGraph): readonly number[] {
  const needed = new Set<number>()
  const visit = (index: number): void => {
    const stage = stages[index]
    if (stage === undefined || needed.has(index)) return
    needed.add(index)
    for (const source of [stage.base, ...stage.steps.flatMap(sourcesOf)])
      if (source.kind === 'stage') visit(source.stage)
  }
  visit(target)
  return [...needed].toSorted((a, b) => a - b)
}

/** The error for a warning that `# check=error=true` makes one. */
export function checkFailure(
  { lines }: Pick<Dockerfile, 'lines'>,
  warnings: readonly {
    readonly rule: string
    readonly message: string
    readonly location: Step['location']
  }[],
): PlinthError {
  const [first] = warnings
  const { file, line, column } = first!.location ?? { file: '', line: 1, column: 1 }
  const rules = [...new Set(warnings.map(({ rule }) => rule))].join(', ')
  return invalid(lines, { file, line, column }, `${first!.message} (${first!.rule})`, {
    hint: `# check=error=true makes an error of: ${rules}`,
  })
}
