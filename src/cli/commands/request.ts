import path from 'node:path'
import { parsePlatform, platformOfArch } from '../../platform.ts'
import { loadRecipe } from '../../recipe/load.ts'
import { parseParams, readParams } from '../../recipe/params.ts'
import type { CommandContext, RecipeOptions } from '../command.ts'
import type { StageRequest } from '../stages.ts'
import { parseCheck } from '../skipped-check.ts'

/** What is asked of the pipeline, from the options of a command. */
export async function readRequest(
  name: string,
  options: RecipeOptions,
  { io }: CommandContext,
): Promise<StageRequest> {
  const platform =
    options.platform === undefined ? platformOfArch(io.arch) : parsePlatform(options.platform)
  const skip = (options.skip ?? []).map(parseCheck)
  const { recipe, path: file } = await loadRecipe(name, { cwd: io.cwd })
  const params = await readParams(recipe, options.param ?? [])
  // planning parses them again; here a slip is told before anything is opened
  await parseParams(recipe, params)
  return { recipe, params, platform, skip, directory: path.dirname(file) }
}
