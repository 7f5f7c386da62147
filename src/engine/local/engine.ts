import { instructionOf } from '../../dockerfile/variables.ts'
import { neededStages, sourcesOf } from '../../dockerfile/dockerfile.ts'
import { isPlinthError, PlinthError } from '../../errors.ts'
import type { Image } from '../../image.ts'
import type { Source } from '../../instruction.ts'
import { createdSeconds } from '../../oci/image.ts'
import type { Platform } from '../../platform.ts'
import type { Stage, Step } from '../../stage.ts'
import { contextFiles } from './context-files.ts'
import { copyStep } from './copy-step.ts'
import type { BuildGraphRequest, EngineDeps, ImageSource, StepDeps } from './deps.ts'
import { runStep } from './run-step.ts'
import { configured, continued, imageState, scratchState, type StageState } from './state.ts'
import { workdirStep } from './workdir-step.ts'

export interface BuiltGraph {
  /** its layers as they were made: plain tars, over those of the base */
  readonly image: Image
  /** whether nothing had to be made */
  readonly cached: boolean
}

/**
 * Carries out the stages that the target needs, those that do not need each other side by side, and returns the
 * target's image. Every step is made once for its inputs. The first failure ends the rest.
 */
export async function buildGraph(
  request: BuildGraphRequest,
  deps: EngineDeps,
): Promise<BuiltGraph> {
  const failed = new AbortController()
  const signal = AbortSignal.any([deps.signal, failed.signal])
  const run = new GraphRun(request, { ...deps, signal })
  const stages = neededStages(request.graph).map((index) => run.stage(index))
  for (const stage of stages) stage.catch(() => failed.abort())
  try {
    await Promise.all(stages)
  } finally {
    // whatever else was going on has ended when this returns
    await Promise.allSettled(stages)
    await run.files?.remember()
  }
  const { image } = await run.stage(request.graph.target)
  return { image, cached: run.isCached }
}

class GraphRun {
  isCached = true
  readonly files: StepDeps['files']
  readonly #request: BuildGraphRequest
  readonly #deps: EngineDeps
  readonly #stages = new Map<number, Promise<StageState>>()
  readonly #epochs = new Map<number, Promise<number>>()
  readonly #images = new Map<string | object, Promise<Image>>()

  constructor(request: BuildGraphRequest, deps: EngineDeps) {
    this.#request = request
    this.#deps = deps
    this.files = request.context && contextFiles(request.context, { ...deps, now: deps.retry.now })
  }

  stage(index: number): Promise<StageState> {
    let stage = this.#stages.get(index)
    if (stage === undefined) this.#stages.set(index, (stage = this.#build(index)))
    return stage
  }

  async #build(index: number): Promise<StageState> {
    const { graph, trigger } = this.#request
    const stage = graph.stages[index]!
    const label = labelOf(stage, index, graph.stages.length)
    let state = await this.#begin(stage, index)
    const triggers = await this.#triggers(stage, index, trigger)
    const steps = [...triggers, ...stage.steps]
    for (const [number, step] of steps.entries()) {
      this.#deps.signal.throwIfAborted()
      const id = `stage ${index} step ${number + 1}`
      const title = `[${label}${number + 1}/${steps.length}] ${step.text}`
      try {
        state = await this.#step(state, step, { id, title, stage })
      } catch (error) {
        throw located(error, step)
      }
    }
    return state
  }

  async #begin(stage: Stage, index: number): Promise<StageState> {
    const epoch = await this.#epoch(index)
    const { base } = stage
    if (base.kind === 'scratch') return scratchState(this.#platform(stage), epoch)
    if (base.kind === 'stage') return continued(await this.stage(base.stage), epoch)
    return imageState(await this.#baseOf(base, stage), epoch, this.#deps.store)
  }

  async #triggers(
    stage: Stage,
    index: number,
    parse: BuildGraphRequest['trigger'],
  ): Promise<readonly Step[]> {
    const { base } = stage
    if (base.kind === 'scratch') return []
    const { config } =
      base.kind === 'stage' ? (await this.stage(base.stage)).image : await this.#baseOf(base, stage)
    return (config.config.OnBuild ?? []).map((text) => parse(text, index))
  }

  async #step(
    state: StageState,
    step: Step,
    { id, title, stage }: { readonly id: string; readonly title: string; readonly stage: Stage },
  ): Promise<StageState> {
    const instruction = instructionOf(step, state.variables)
    const deps: StepDeps = {
      ...this.#deps,
      request: this.#request,
      id,
      platform: this.#platform(stage),
      files: this.files,
      stage: (index) => this.stage(index),
      base: (source, platform) => this.image(source, platform),
    }
    const { emit } = this.#deps
    switch (instruction.kind) {
      case 'run':
      case 'copy':
      case 'add':
      case 'workdir': {
        emit({ type: 'step-started', id, title })
        try {
          const [next, cached] =
            instruction.kind === 'run'
              ? await runStep(state, instruction, deps)
              : instruction.kind === 'workdir'
                ? await workdirStep(state, instruction, deps)
                : await copyStep(state, instruction, deps)
          emit({ type: 'step-finished', id, cached })
          this.isCached &&= cached
          return next
        } catch (error) {
          emit({ type: 'step-failed', id })
          throw error
        }
      }
      case 'arg':
      case 'cmd':
      case 'entrypoint':
      case 'env':
      case 'expose':
      case 'healthcheck':
      case 'label':
      case 'maintainer':
      case 'onbuild':
      case 'shell':
      case 'stopsignal':
      case 'user':
      case 'volume':
        return configured(state, instruction)
    }
  }

  /** An image by name, found or made once. */
  image(source: ImageSource, platform: Platform): Promise<Image> {
    const key = source.kind === 'image' ? `${platform} ${source.name}` : source.recipe
    let image = this.#images.get(key)
    if (image === undefined) {
      image = this.#request.base(source, platform)
      this.#images.set(key, image)
    }
    return image
  }

  async #baseOf(source: ImageSource, stage: Stage): Promise<Image> {
    try {
      return await this.image(source, this.#platform(stage))
    } catch (error) {
      throw located(error, { text: 'FROM', location: stage.location })
    }
  }

  /**
   * The time of what a stage makes: that of the newest image it is made from, which its own name and content
   * decide, and never when it is built.
   */
  #epoch(index: number): Promise<number> {
    const given = this.#request.epoch
    if (given !== undefined) return Promise.resolve(given)
    let epoch = this.#epochs.get(index)
    if (epoch === undefined) {
      const stage = this.#request.graph.stages[index]!
      const sources = [stage.base, ...stage.steps.flatMap(sourcesOf)]
      epoch = Promise.all(sources.map((source) => this.#timeOf(source, stage))).then((times) =>
        Math.max(0, ...times),
      )
      this.#epochs.set(index, epoch)
    }
    return epoch
  }

  async #timeOf(source: Stage['base'] | Source, stage: Stage): Promise<number> {
    if (source.kind === 'scratch') return 0
    if (source.kind === 'stage') return this.#epoch(source.stage)
    return createdSeconds((await this.#baseOf(source, stage)).config)
  }

  #platform(stage: Stage): Platform {
    return stage.platform ?? this.#request.platform
  }
}

/** What stands before a step's number: nothing where there is but one stage. */
function labelOf({ name }: Stage, index: number, count: number): string {
  return count === 1 ? '' : `${name ?? `stage ${index}`} `
}

/** An error of a step, with the line that caused it. */
function located(error: unknown, { location, text }: Pick<Step, 'location' | 'text'>): unknown {
  if (!isPlinthError(error) || error.facts?.['line'] !== undefined || error.code === 'INTERRUPTED')
    return error
  const place = location === undefined ? text : `${location.file}:${location.line}`
  return new PlinthError(error.code, `${place}: ${error.message}`, {
    cause: error.cause,
    hint: error.hint,
    facts: {
      ...error.facts,
      step: text,
      ...(location && { file: location.file, line: location.line, column: location.column }),
    },
  })
}
