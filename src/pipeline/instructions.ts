import type { Digest } from '../digest.ts'
import type { BuildGraphRequest, EngineDeps, ImageSource } from '../engine/local/deps.ts'
import type { BuiltGraph } from '../engine/local/engine.ts'
import { configured, imageState } from '../engine/local/state.ts'
import { PlinthError } from '../errors.ts'
import type { Image } from '../image.ts'
import type { Instruction } from '../instruction.ts'
import { createdSeconds } from '../oci/image.ts'
import type { Platform } from '../platform.ts'
import type { Output } from '../ports.ts'
import type { Reference } from '../reference.ts'
import type { StageBase } from '../stage.ts'
import { compressLayers } from './compress.ts'
import { deliver } from './deliver.ts'

/** A recipe's instructions, and what they work on. */
export interface InstructionsRequest {
  readonly instructions: readonly Instruction[]
  readonly platform: Platform
  /** the directory `copy` and `add` read; none: there is nothing to copy from */
  readonly directory?: string | undefined
  readonly compression: 'gzip' | 'none'
  readonly noCache: boolean
  /** finds what `from` of a `copy` names */
  readonly base?: BuildGraphRequest['base'] | undefined
}

/** The image with a recipe's instructions carried out: one stage over it, as if a Dockerfile said them. */
export async function withInstructions(
  base: Image,
  request: InstructionsRequest,
  deps: EngineDeps,
): Promise<Image> {
  const { instructions } = request
  if (instructions.length === 0) return base
  const configs = instructions.flatMap((one) => (isConfig(one) ? [one] : []))
  if (configs.length === instructions.length) {
    const state = imageState(base, createdSeconds(base.config), deps.store)
    return configs.reduce(configured, state).image
  }
  const own = { kind: 'recipe', recipe: base } as const
  const find = async (source: ImageSource, platform: Platform): Promise<Image> =>
    source === own ? base : request.base!(source, platform)
  const epoch = createdSeconds(base.config)
  const { image } = await carriedOut(own, { ...request, base: find, epoch }, deps)
  return request.compression === 'gzip' ? compressLayers(image, deps) : image
}

/** Builds a recipe that is only instructions, over an image by its name or `scratch`, and hands the image on. */
export async function buildOn(
  request: InstructionsRequest & {
    readonly from: string
    readonly epoch?: number | undefined
    readonly names: readonly Reference[]
    readonly outputs: readonly Output[]
  },
  deps: EngineDeps,
): Promise<{ readonly image: Image; readonly digest: Digest; readonly cached: boolean }> {
  const { from, compression } = request
  const base =
    from === 'scratch' ? ({ kind: from } as const) : ({ kind: 'image', name: from } as const)
  const { image: plain, cached } = await carriedOut(base, request, deps)
  const image = compression === 'gzip' ? await compressLayers(plain, deps) : plain
  return { image, cached, digest: await deliver(image, request, [], deps) }
}

/** One stage of a recipe's instructions. */
async function carriedOut(
  base: StageBase,
  request: InstructionsRequest & { readonly epoch?: number | undefined },
  deps: EngineDeps,
): Promise<BuiltGraph> {
  // most recipes come by without these
  const { buildGraph } = await import('../engine/local/engine.ts')
  const { openContext } = await import('../engine/local/context.ts')
  const { parseTrigger } = await import('../dockerfile/instruction.ts')
  const { instructions, directory } = request
  const steps = instructions.map((instruction) => ({ instruction, text: textOf(instruction) }))
  return buildGraph(
    {
      graph: { stages: [{ base, steps }], target: 0 },
      platform: request.platform,
      context: directory === undefined ? undefined : openContext(directory),
      buildArgs: new Map(),
      epoch: request.epoch,
      network: 'host',
      noCache: request.noCache,
      base: request.base ?? noImages,
      secrets: new Map(),
      agents: new Map(),
      trigger: (text, stage) => parseTrigger(text, noDockerfile, { stage, origin: 'the base' }),
    },
    deps,
  )
}

function noImages(source: ImageSource): Promise<never> {
  const name = source.kind === 'image' ? source.name : 'the recipe'
  return Promise.reject(new PlinthError('IMAGE_NOT_FOUND', `cannot find ${name}`))
}

/** What a trigger of the base may refer to: there are no other stages and no arguments. */
const noDockerfile = { escape: '\\', stages: [], globals: new Map(), buildArgs: new Map() } as const

type ConfigOnly = Exclude<Instruction, { readonly kind: 'run' | 'copy' | 'add' | 'workdir' }>

function isConfig(instruction: Instruction): instruction is ConfigOnly {
  return !['run', 'copy', 'add', 'workdir'].includes(instruction.kind)
}

/** What progress calls an instruction that no file has in words. */
function textOf(instruction: Instruction): string {
  return [instruction.kind.toUpperCase(), ...wordsOf(instruction)].join(' ')
}

function wordsOf(instruction: Instruction): readonly string[] {
  if (instruction.kind === 'workdir') return [instruction.path]
  if (instruction.kind === 'copy' || instruction.kind === 'add')
    return [...instruction.sources, instruction.destination]
  if (instruction.kind !== 'run') return []
  const { command } = instruction
  if (typeof command === 'string') return [command]
  return 'script' in command ? [command.name] : command
}
