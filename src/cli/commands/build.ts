import { familiarName, parseImageName } from '../../reference.ts'
import type { BuildOptions, CommandContext } from '../command.ts'
import { readOutputs } from './outputs.ts'
import { readRequest, withProgress } from './request.ts'

/** `plinth build`: prints the image's digest, or with `--json` what was made. */
export async function build(
  recipe: string,
  options: BuildOptions,
  context: CommandContext,
): Promise<string> {
  const names = (options.tag ?? []).map(parseImageName)
  const { outputs, specs, compression, toStdout } = readOutputs(options, context)
  const request = await readRequest(recipe, options, context)
  const built = await withProgress(options, context, async (deps) => {
    const stages = await context.stages()
    const wanted = { outputs, names, compression, noCache: !options.cache } as const
    return stages.build({ ...request, ...wanted }, deps)
  })
  if (toStdout) return ''
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
