import { afterInstruction, variablesOf, type Variables } from '../../dockerfile/variables.ts'
import type { Change } from '../../entry.ts'
import type { Image, Layer, RunConfig } from '../../image.ts'
import type { ConfigInstruction, Instruction } from '../../instruction.ts'
import { appendLayer, emptyImage, freeze, timestamp, withConfig } from '../../oci/image.ts'
import type { Platform } from '../../platform.ts'
import type { Store } from '../../ports.ts'
import type { LayerBlob } from '../../rootfs/layer.ts'
import { emptyRoot, rootOf, withLayer, type LayeredRoot } from '../../rootfs/layered-root.ts'
import { configChange, defaultPath, stageConfig } from './config.ts'

/** A stage between two of its steps: the image as far as it is made, and what the next step sees. */
export interface StageState {
  readonly image: Image
  readonly root: LayeredRoot
  readonly variables: Variables
  /** the stage has set CMD itself */
  readonly hasCommand: boolean
  /** seconds since 1970: the time of all it makes, and no file is younger */
  readonly epoch: number
}

/** A stage that begins with nothing. */
export function scratchState(platform: Platform, epoch: number): StageState {
  const image = emptyImage(platform, epoch)
  return begun(
    withFields(image, { Env: [`PATH=${defaultPath}`], WorkingDir: '/' }),
    emptyRoot,
    epoch,
  )
}

/** A stage that begins with an image. */
export function imageState(image: Image, epoch: number, store: Store): StageState {
  const started = withFields(image, stageConfig(image.config.config))
  return begun(
    freeze({ ...started, config: { ...started.config, created: timestamp(epoch) } }),
    rootOf(image.layers, store),
    epoch,
  )
}

/** A stage that begins with another: all of it, the variables of its ARGs too. */
export function continued(state: StageState, epoch: number): StageState {
  const image = withFields(state.image, stageConfig(state.image.config.config))
  return begun(image, state.root, epoch, state.variables)
}

/** The state after an instruction that made no layer. */
export function configured(state: StageState, instruction: ConfigInstruction): StageState {
  const { fields, author, createdBy } = configChange(state.image.config.config, instruction, state)
  const image =
    createdBy === undefined
      ? withFields(state.image, { ...state.image.config.config, ...fields })
      : withConfig(state.image, fields, {
          created: timestamp(state.epoch),
          created_by: createdBy,
        })
  return {
    ...state,
    image: author === undefined ? image : freeze({ ...image, config: { ...image.config, author } }),
    variables: afterInstruction(state.variables, instruction),
    hasCommand: state.hasCommand || instruction.kind === 'cmd',
  }
}

/** The state with a layer more; `instruction` is what made it. */
export function layered(
  state: StageState,
  step: {
    readonly layer: LayerBlob
    readonly held?: readonly Change[] | undefined
    readonly createdBy: string
    readonly fields?: RunConfig | undefined
    readonly instruction: Instruction
  },
  store: Store,
): StageState {
  const { mediaType, digest, size, diffId } = step.layer
  const history = { created: timestamp(state.epoch), created_by: step.createdBy }
  const layer: Layer = { mediaType, digest, size, diffId, history }
  const image = appendLayer(state.image, layer)
  return {
    ...state,
    image:
      step.fields === undefined
        ? image
        : withFields(image, { ...image.config.config, ...step.fields }),
    root: withLayer(state.root, layer, store, step.held),
    variables: afterInstruction(state.variables, step.instruction),
  }
}

function begun(image: Image, root: LayeredRoot, epoch: number, below?: Variables): StageState {
  const variables = variablesOf(image.config.config.Env ?? [], below)
  return { image, root, variables, hasCommand: false, epoch }
}

function withFields(image: Image, config: RunConfig): Image {
  return freeze({ ...image, config: { ...image.config, config } })
}
