import type { BuildGraphRequest } from '../engine/local/deps.ts'
import type { Image } from '../image.ts'
import type { Stages } from './stages.ts'
import { sourceDateEpoch } from './surrounding-values.ts'
import { openTools } from './tools.ts'

/** The real pipeline, with everything it needs from this machine. Each part is loaded when it is asked for. */
export const stages: Stages = {
  async plan(request, deps) {
    const { planRecipe } = await import('./recipe-build.ts')
    return planRecipe(request, await openTools(deps), deps)
  },
  async build(request, deps) {
    const { buildRecipe } = await import('./recipe-build.ts')
    const { baseImage } = await import('./base-image.ts')
    const tools = await openTools(deps)
    const base: BuildGraphRequest['base'] = (source, platform) =>
      baseImage(source, platform, request, tools, deps)
    const { image, digest, cached } = await buildRecipe({ ...request, base }, tools, deps)
    return { digest, size: sizeOf(image), cached }
  },
  async run(request, deps) {
    const { builtImage, runStage } = await import('./run-stage.ts')
    const tools = await openTools(deps)
    return runStage(request, tools, (name) => builtImage(name, request, deps, stages, tools.store))
  },
  async import(request, deps) {
    const { importStage } = await import('./import-stage.ts')
    return importStage(request, sourceDateEpoch(deps.env), await openTools(deps))
  },
  async buildDockerfile(request, deps) {
    const tools = await openTools(deps)
    const { buildDockerfile } = await import('../pipeline/dockerfile.ts')
    const { baseImage } = await import('./base-image.ts')
    const given = request.buildArgs.get('SOURCE_DATE_EPOCH')
    const { image, digest, cached } = await buildDockerfile(
      {
        ...request,
        epoch: sourceDateEpoch(given === undefined ? deps.env : { SOURCE_DATE_EPOCH: given }),
        base: (source, platform) => baseImage(source, platform, request, tools, deps),
      },
      tools,
    )
    return { digest, size: sizeOf(image), cached }
  },
}

function sizeOf(image: Image): number {
  return image.layers.reduce((sum, layer) => sum + layer.size, 0)
}
