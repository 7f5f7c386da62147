import path from 'node:path'
import type { ImageSource } from '../engine/local/deps.ts'
import type { Image } from '../image.ts'
import type { Platform } from '../platform.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { parseReference } from '../reference.ts'
import type { DockerfileBuildRequest, StageDeps } from './stages.ts'
import type { BuildDeps } from '../pipeline/build.ts'

/** What a FROM or `--from` names: `plinth:RECIPE?param=value`, built when it is not there yet, or an image of the store. */
export async function baseImage(
  source: ImageSource,
  platform: Platform,
  request: Pick<DockerfileBuildRequest, 'skip' | 'directory'>,
  tools: BuildDeps,
  deps: StageDeps,
): Promise<Image> {
  if (source.kind === 'image' && !source.name.startsWith('plinth:')) {
    const { resolveImage } = await import('../store/images.ts')
    return (await resolveImage(parseReference(source.name), platform, tools)).image
  }
  const found =
    source.kind === 'image'
      ? await namedRecipe(source.name, request.directory)
      : { recipe: source.recipe as Recipe, params: {}, directory: request.directory }
  const { buildRecipe } = await import('./recipe-build.ts')
  const { skip } = request
  const made = await buildRecipe(
    {
      ...found,
      platform,
      skip,
      names: [],
      outputs: [],
      base: (inner, on) => baseImage(inner, on, { skip, directory: found.directory }, tools, deps),
    },
    tools,
    deps,
  )
  return made.image
}

/** A recipe and its params from `plinth:debian?suite=trixie&include=curl`. */
async function namedRecipe(
  name: string,
  directory: string,
): Promise<{
  readonly recipe: Recipe
  readonly params: Readonly<Record<string, unknown>>
  readonly directory: string
}> {
  const { loadRecipe } = await import('../recipe/load.ts')
  const { readParams } = await import('../recipe/params.ts')
  const [wanted = '', query = ''] = name.slice('plinth:'.length).split('?', 2)
  const { recipe, path: file } = await loadRecipe(wanted, { cwd: directory })
  const pairs = query.split('&').filter((pair) => pair !== '')
  return {
    recipe,
    directory: path.dirname(file),
    params: await readParams(recipe, pairs.map(decodeURIComponent)),
  }
}
