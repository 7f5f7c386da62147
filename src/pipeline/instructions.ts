import type { BuildGraphRequest, EngineDeps } from '../engine/local/deps.ts'
import { configured, imageState } from '../engine/local/state.ts'
import type { Image } from '../image.ts'
import type { Instruction } from '../instruction.ts'
import { createdSeconds } from '../oci/image.ts'
import type { Platform } from '../platform.ts'
import { compressLayers } from './compress.ts'

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
  // most recipes come by without this
  const { buildGraph } = await import('../engine/local/engine.ts')
  const { openContext } = await import('../engine/local/context.ts')
  const { parseTrigger } = await import('../dockerfile/instruction.ts')
  const own = { kind: 'recipe', recipe: {} } as const
  const steps = instructions.map((instruction) => ({ instruction, text: textOf(instruction) }))
  const { image } = await buildGraph(
    {
      graph: { stages: [{ base: own, steps }], target: 0 },
      platform: request.platform,
      context: request.directory === undefined ? undefined : openContext(request.directory),
      buildArgs: new Map(),
      epoch: createdSeconds(base.config),
      network: 'host',
      noCache: request.noCache,
      base: async (source, platform) => {
        if (source === own) return base
        return request.base!(source, platform)
      },
      secrets: new Map(),
      agents: new Map(),
      trigger: (text, stage) => parseTrigger(text, noDockerfile, { stage, origin: 'the base' }),
    },
    deps,
  )
  return request.compression === 'gzip' ? compressLayers(image, deps) : image
}

/** What a trigger of the base may refer to: there are no other stages and no arguments. */
const noDockerfile = { escape: '\\', stages: [], globals: new Map(), buildArgs: new Map() } as const

type ConfigOnly = Exclude<Instruction, { readonly kind: 'run' | 'copy' | 'add' | 'workdir' }>

function isConfig(instruction: Instruction): instruction is ConfigOnly {
  return !['run', 'copy', 'add', 'workdir'].includes(instruction.kind)
}

/** What progress calls an instruction that no file has in words. */
function textOf(instruction: Instruction): string {
  const word = instruction.kind.toUpperCase()
  switch (instruction.kind) {
    case 'run': {
      const { command } = instruction
      if (typeof command === 'string') return `${word} ${command}`
      return `${word} ${'script' in command ? command.name : command.join(' ')}`
    }
    case 'copy':
    case 'add':
      return [word, ...instruction.sources, instruction.destination].join(' ')
    case 'workdir':
      return `${word} ${instruction.path}`
    default:
      return word
  }
}
