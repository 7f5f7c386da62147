import { setTimeout as sleep } from 'node:timers/promises'
import type { ImageSource } from '../engine/local/deps.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import { createHttp } from '../http/client.ts'
import type { Proxies } from '../http/proxy.ts'
import { patience } from '../http/retry.ts'
import { build, type BuildDeps } from '../pipeline/build.ts'
import { plan } from '../pipeline/plan.ts'
import type { Plan } from '../plan.ts'
import { nativeExecutor } from '../executor/native/executor.ts'
import type { Image } from '../image.ts'
import type { Platform } from '../platform.ts'
import { loadRecipe } from '../recipe/load.ts'
import { readParams } from '../recipe/params.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { resolveRecipe, type ResolvedRecipe } from '../recipe/resolve.ts'
import { parseReference } from '../reference.ts'
import { openStore } from '../store/store.ts'
import type { DockerfileBuildRequest, StageDeps, StageRequest, Stages } from './stages.ts'

/** The real pipeline, with everything it needs from this machine. */
export const stages: Stages = {
  async plan(request, deps) {
    return planOf(await resolved(request), await opened(deps), deps)
  },
  async build(request, deps) {
    const recipe = await resolved(request)
    const tools = await opened(deps)
    const { instructions } = recipe
    const planned = await planOf(recipe, tools, deps)
    const made = build({ ...request, plan: planned, instructions }, tools)
    const { image, digest, cached } = await made.catch(async (error: unknown) => {
      const again = await renewed(planned, error, () => planOf(recipe, tools, deps, true))
      return build({ ...request, plan: again, instructions }, tools)
    })
    return { digest, size: sizeOf(image), cached }
  },
  async run(request, deps) {
    const { builtImage, runStage } = await import('./run-stage.ts')
    const tools = await opened(deps)
    return runStage(request, tools, (name) => builtImage(name, request, deps, stages, tools.store))
  },
  async import(request, deps) {
    const { importStage } = await import('./import-stage.ts')
    return importStage(request, sourceDateEpoch(deps.env), await opened(deps))
  },
  async buildDockerfile(request, deps) {
    const tools = await opened(deps)
    const { buildDockerfile } = await import('../pipeline/dockerfile.ts')
    const given = request.buildArgs.get('SOURCE_DATE_EPOCH')
    const made = await buildDockerfile(
      {
        ...request,
        epoch: sourceDateEpoch(given === undefined ? deps.env : { SOURCE_DATE_EPOCH: given }),
        base: (source, platform) => baseImage(source, platform, request, tools, deps),
      },
      tools,
    )
    return { digest: made.digest, size: sizeOf(made.image), cached: made.cached }
  },
}

function sizeOf(image: Image): number {
  return image.layers.reduce((sum, layer) => sum + layer.size, 0)
}

/** What a FROM names: `plinth:RECIPE?param=value`, built when it is not there yet, or an image of the store. */
async function baseImage(
  source: ImageSource,
  platform: Platform,
  request: DockerfileBuildRequest,
  tools: BuildDeps,
  deps: StageDeps,
): Promise<Image> {
  if (source.kind === 'image' && !source.name.startsWith('plinth:')) {
    const { resolveImage } = await import('../store/images.ts')
    return (await resolveImage(parseReference(source.name), platform, tools)).image
  }
  const named =
    source.kind === 'image' ? await namedRecipe(source.name, request.directory) : undefined
  const { recipe, params } = named ?? { recipe: (source as { recipe: Recipe }).recipe, params: {} }
  const { skip } = request
  const asked = { recipe, params, platform, skip }
  const resolvedRecipe = await resolved(asked)
  const { instructions } = resolvedRecipe
  const made = (planned: Plan) =>
    build({ plan: planned, instructions, names: [], outputs: [] }, tools)
  const planned = await planOf(resolvedRecipe, tools, deps)
  const { image } = await made(planned).catch(async (error: unknown) =>
    made(await renewed(planned, error, () => planOf(resolvedRecipe, tools, deps, true))),
  )
  return image
}

/** A recipe and its params from `plinth:debian?suite=trixie&include=curl`. */
async function namedRecipe(
  name: string,
  directory: string,
): Promise<{ readonly recipe: Recipe; readonly params: Readonly<Record<string, unknown>> }> {
  const [path = '', query = ''] = name.slice('plinth:'.length).split('?', 2)
  const { recipe } = await loadRecipe(path, { cwd: directory })
  const pairs = query.split('&').filter((pair) => pair !== '')
  return { recipe, params: await readParams(recipe, pairs.map(decodeURIComponent)) }
}

function planOf(
  recipe: ResolvedRecipe,
  tools: BuildDeps,
  { now, env }: StageDeps,
  fresh = false,
): Promise<Plan> {
  return plan(recipe, { ...tools, now, epoch: sourceDateEpoch(env), fresh })
}

/**
 * Another plan for one whose packages are not what its indexes say: mirrors of apk drop packages with the index
 * that had them, and a cache on the way may still give out that. Throws `error` when the mirror itself says the same.
 */
async function renewed(planned: Plan, error: unknown, replan: () => Promise<Plan>): Promise<Plan> {
  const isAtOdds = isPlinthError(error, 'HTTP_STATUS', 'DIGEST_MISMATCH', 'SIZE_MISMATCH')
  if (planned.distribution !== 'apk' || !isAtOdds) throw error
  const again = await replan()
  const digests = ({ sources }: Plan): string => sources.map(({ digest }) => digest).join()
  if (digests(again) === digests(planned)) throw error
  return again
}

/** The recipe with every decision taken, checks skipped on the command line included. */
async function resolved(request: StageRequest): Promise<ResolvedRecipe> {
  const recipe = await resolveRecipe(request.recipe, request)
  const { rootfs } = recipe
  // an index of apk says neither what it is of nor how long it is good: there is nothing to skip
  if (rootfs.kind === 'apk') return recipe
  const skip = [...new Set([...rootfs.skip, ...request.skip])].toSorted()
  return { ...recipe, rootfs: { ...rootfs, skip } }
}

async function opened({ store: root, emit, signal, now, uid, env }: StageDeps): Promise<BuildDeps> {
  const store = await openStore(root)
  return {
    store,
    emit,
    signal,
    executor: nativeExecutor({ store, emit, uid, path: env['PATH'] ?? '' }),
    http: createHttp({ proxies: proxiesOf(env) }),
    retry: {
      ...patience,
      now,
      random: Math.random,
      sleep: async (milliseconds, until) => {
        await sleep(milliseconds, undefined, { signal: until })
      },
    },
  }
}

/** SOURCE_DATE_EPOCH (reproducible-builds.org): the time to give the image. Throws `USAGE` when it is no time. */
export function sourceDateEpoch(env: StageDeps['env']): number | undefined {
  const text = env['SOURCE_DATE_EPOCH']
  if (!text) return undefined
  if (/^[0-9]{1,12}$/.test(text)) return Number(text)
  throw new PlinthError('USAGE', `SOURCE_DATE_EPOCH is '${text}', which is not seconds since 1970`)
}

/** `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, lower case first, as curl reads them. */
export function proxiesOf(env: StageDeps['env']): Proxies {
  const named = (name: string): string | undefined =>
    env[name] || env[name.toUpperCase()] || undefined
  return {
    // HTTP_PROXY in capitals can be set by a request's header where plinth runs behind CGI
    http: env['http_proxy'] || named('all_proxy'),
    https: named('https_proxy') ?? named('all_proxy'),
    bypass: named('no_proxy')
      ?.split(',')
      .map((host) => host.trim()),
  }
}
