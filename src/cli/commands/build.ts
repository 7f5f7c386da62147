import process from 'node:process'
import { PlinthError } from '../../errors.ts'
import { dockerLoad } from '../../output/docker-load.ts'
import { openOutput, parseOutput, type OutputSpec } from '../../output/spec.ts'
import { familiarName, parseImageName } from '../../reference.ts'
import type { BuildOptions, CommandContext } from '../command.ts'
import { engineOptions } from '../surroundings.ts'
import { readRequest, withProgress } from './request.ts'

/** `plinth build`: prints the image's digest, or with `--json` what was made. */
export async function build(
  recipe: string,
  options: BuildOptions,
  context: CommandContext,
): Promise<string> {
  const names = (options.tag ?? []).map(parseImageName)
  const specs = (options.output ?? []).map(parseOutput)
  const toStdout = specs.filter((spec) => spec.dest === '-')
  if (toStdout.length > 1) {
    throw new PlinthError('USAGE', 'standard output can take one output only')
  }
  if (toStdout.length === 1 && options.json === true) {
    throw new PlinthError('USAGE', 'standard output cannot take both the image and --json')
  }
  const isPlain = options.load !== true && specs.length > 0 && specs.every(isUncompressed)
  const compression = isPlain ? 'none' : 'gzip'
  const outputs = specs.map((spec) => openOutput(spec, { stdout: process.stdout }))
  if (options.load === true) outputs.push(dockerLoad(engineOptions(context.io)))
  const request = await readRequest(recipe, options, context)
  const built = await withProgress(options, context, async (deps) => {
    const stages = await context.stages()
    const wanted = { outputs, names, compression, noCache: !options.cache } as const
    return stages.build({ ...request, ...wanted }, deps)
  })
  if (toStdout.length === 1) return ''
  if (options.json !== true) return `${built.digest}\n`
  const result = {
    digest: built.digest,
    size: built.size,
    cached: built.cached,
    platform: request.platform,
    names: names.map(familiarName),
    outputs: specs,
  }
  return `${JSON.stringify(result, undefined, 2)}\n`
}

/** Such an output has neither layers nor a compressed tar: nothing need be compressed for it. */
function isUncompressed(spec: OutputSpec): boolean {
  return spec.type === 'dir' || (spec.type === 'rootfs' && spec.compression === 'none')
}
