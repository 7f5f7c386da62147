import type { Digest } from '../digest.ts'
import { parseDockerfile, type Dockerfile } from '../dockerfile/dockerfile.ts'
import { parseIgnoreFile, pathMatcher } from '../dockerfile/ignore.ts'
import { parseTrigger } from '../dockerfile/instruction.ts'
import { lintDockerfile } from '../dockerfile/lint.ts'
import { openContext, type Context } from '../engine/local/context.ts'
import type { BuildGraphRequest, EngineDeps } from '../engine/local/deps.ts'
import { buildGraph } from '../engine/local/engine.ts'
import type { Image } from '../image.ts'
import type { Platform } from '../platform.ts'
import type { Output, Written } from '../ports.ts'
import type { Reference } from '../reference.ts'
import type { Pair } from '../instruction.ts'
import { compressLayers } from './compress.ts'
import { deliver } from './deliver.ts'

/** A Dockerfile to build. */
export interface DockerfileRequest extends Pick<
  BuildGraphRequest,
  'buildArgs' | 'epoch' | 'network' | 'noCache' | 'base' | 'secrets' | 'agents'
> {
  /** the Dockerfile's text, and what messages call it */
  readonly text: string
  readonly file: string
  /** the directory COPY reads, and what its ignore file says */
  readonly context?:
    | { readonly directory: string; readonly ignore?: IgnoreFile | undefined }
    | undefined
  readonly target?: string | undefined
  readonly platform: Platform
  readonly buildPlatform: Platform
  /** labels on top of the Dockerfile's */
  readonly labels: readonly Pair[]
  readonly names: readonly Reference[]
  readonly outputs: readonly Output[]
  readonly compression: 'gzip' | 'none'
}

export interface IgnoreFile {
  readonly file: string
  readonly text: string
}

export interface DockerfileResult {
  readonly image: Image
  /** of the manifest */
  readonly digest: Digest
  readonly cached: boolean
}

/** Builds a Dockerfile: reads it, carries out its stages, and hands the image to the outputs. */
export async function buildDockerfile(
  request: DockerfileRequest,
  deps: EngineDeps,
): Promise<DockerfileResult> {
  const { file, platform } = request
  const dockerfile = parseDockerfile(request.text, {
    file,
    buildArgs: request.buildArgs,
    target: request.target,
    targetPlatform: platform,
    buildPlatform: request.buildPlatform,
  })
  const { context, ignored } = openedContext(request)
  warn(dockerfile, ignored, deps)
  const built = await buildGraph(
    {
      ...request,
      graph: dockerfile.graph,
      context,
      trigger: (text, stage) =>
        parseTrigger(text, dockerfile.context, { stage, origin: originOf(dockerfile, stage) }),
    },
    deps,
  )
  const labelled = withLabels(built.image, request.labels)
  const image = request.compression === 'gzip' ? await compressLayers(labelled, deps) : labelled
  const written: Written[] = []
  const digest = await deliver(image, request, written, deps)
  return { image, digest, cached: built.cached }
}

function openedContext({ context }: DockerfileRequest): {
  readonly context?: Context | undefined
  readonly ignored?: ((path: string) => boolean) | undefined
} {
  if (context === undefined) return {}
  const { directory, ignore } = context
  if (ignore === undefined) return { context: openContext(directory) }
  const matcher = pathMatcher(parseIgnoreFile(ignore.text, ignore.file))
  return {
    context: openContext(directory, { file: ignore.file, matcher }),
    ignored: (path) => matcher.matches(path),
  }
}

function warn(
  dockerfile: Dockerfile,
  ignored: ((path: string) => boolean) | undefined,
  { emit }: EngineDeps,
): void {
  for (const { rule, message, location, hint } of lintDockerfile(dockerfile, ignored)) {
    const place = `${location.file}:${location.line}`
    emit({ type: 'warning', code: rule, message: `${place}: ${message}`, hint })
  }
}

/** What a stage's base is called, for messages about its triggers. */
function originOf({ graph }: Dockerfile, stage: number): string {
  const base = graph.stages[stage]?.base
  if (base?.kind === 'image') return base.name
  return base?.kind === 'stage'
    ? `stage ${graph.stages[base.stage]?.name ?? base.stage}`
    : 'its base'
}

/** `--label`s are no instructions: they leave no history, as with Docker. */
function withLabels(image: Image, labels: readonly Pair[]): Image {
  if (labels.length === 0) return image
  const Labels = { ...image.config.config.Labels, ...Object.fromEntries(labels) }
  return { ...image, config: { ...image.config, config: { ...image.config.config, Labels } } }
}
