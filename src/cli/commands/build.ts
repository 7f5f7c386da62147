import { PlinthError } from '../../errors.ts'
import type { OutputSpec } from '../../output/spec.ts'
import { familiarName, parseImageName } from '../../reference.ts'
import type { Platform } from '../../platform.ts'
import type { BuildOptions, CommandContext } from '../command.ts'
import { meansDockerfile, readDockerfileRequest } from '../dockerfile-request.ts'
import type { BuildRequest, BuildSummary, StageDeps, Stages } from '../stages.ts'
import { readOutputs } from './outputs.ts'
import { withProgress } from './progress.ts'

/** `plinth build`: prints the image's digest, or with `--json` what was made. */
export async function build(
  recipe: string,
  options: BuildOptions,
  context: CommandContext,
): Promise<string> {
  const names = (options.tag ?? []).map(parseImageName)
  const { outputs, specs, compression, toStdout } = readOutputs(options, context)
  const wanted = { outputs, names, compression, noCache: !options.cache } as const
  const start = (await meansDockerfile(recipe, options, context.io))
    ? await dockerfileBuild(recipe, options, { ...wanted, compression: layersFor(specs) }, context)
    : await recipeBuild(recipe, options, wanted, context)
  const built = await withProgress(options, context, async (deps) =>
    start.build(await context.stages(), deps),
  )
  if (toStdout) return ''
  if (options.json !== true) return `${built.digest}\n`
  const result = {
    digest: built.digest,
    size: built.size,
    cached: built.cached,
    platform: start.platform,
    names: names.map(familiarName),
    outputs: specs,
  }
  return `${JSON.stringify(result, undefined, 2)}\n`
}

type Wanted = Pick<BuildRequest, 'outputs' | 'names' | 'compression' | 'noCache'>

/** A build whose options are understood. */
interface Start {
  readonly platform: Platform
  build(stages: Stages, deps: StageDeps): Promise<BuildSummary>
}

async function recipeBuild(
  recipe: string,
  options: BuildOptions,
  wanted: Wanted,
  context: CommandContext,
): Promise<Start> {
  const stray = dockerfileOptions.find((name) => options[name] !== undefined)
  if (stray !== undefined) {
    const flag = stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new PlinthError('USAGE', `--${flag} belongs to a Dockerfile, and ${recipe} is a recipe`, {
      hint: 'a recipe has params: -p key=value',
    })
  }
  const { readRequest } = await import('./request.ts')
  const request = await readRequest(recipe, options, context)
  const { platform } = request
  return { platform, build: (stages, deps) => stages.build({ ...request, ...wanted }, deps) }
}

const dockerfileOptions = ['buildArg', 'target', 'network', 'secret', 'ssh', 'label'] as const

async function dockerfileBuild(
  name: string,
  options: BuildOptions,
  wanted: Wanted,
  { io }: CommandContext,
): Promise<Start> {
  if (options.param !== undefined) {
    throw new PlinthError('USAGE', `-p belongs to a recipe, and ${name} is a Dockerfile`, {
      hint: 'a Dockerfile has arguments: --build-arg NAME=VALUE',
    })
  }
  const request = await readDockerfileRequest(name, options, io)
  const { platform } = request
  return {
    platform,
    build: (stages, deps) => stages.buildDockerfile({ ...request, ...wanted }, deps),
  }
}

/** Whether some output takes an image's layers as they go over networks: an engine and the store do not. */
function layersFor(specs: readonly OutputSpec[]): 'gzip' | 'none' {
  return specs.some(({ type }) => type === 'archive' || type === 'oci') ? 'gzip' : 'none'
}
