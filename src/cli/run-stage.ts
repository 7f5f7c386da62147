import { existsSync } from 'node:fs'
import path from 'node:path'
import { parseDigest } from '../digest.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import type { BuildDeps } from '../pipeline/build.ts'
import { runImage } from '../pipeline/run-image.ts'
import type { Store } from '../ports.ts'
import { isModulePath, loadRecipe } from '../recipe/load.ts'
import { parseReference } from '../reference.ts'
import { imageByDigest, resolveImage, type StoredImage } from '../store/images.ts'
import { openImageFile, type FoundImage, type ImageFile } from './image-file.ts'
import type { RunRequest, StageDeps, Stages } from './stages.ts'

/** Runs an image: one of the store, of a file, or a recipe's. */
export async function runStage(
  request: RunRequest,
  tools: BuildDeps,
  build: (recipe: string) => Promise<StoredImage>,
): ReturnType<Stages['run']> {
  const { image } = await findImage(request, tools, build)
  return runImage({ ...request, image, cwd: request.workdir }, tools)
}

/**
 * What `name` means: a digest; a path (one that begins with `.` or `/`, or ends like an archive or a module);
 * else the name of an image in the store, of a bundled recipe, or of a file after all.
 */
async function findImage(
  { image: name, platform, from }: RunRequest,
  { store }: BuildDeps,
  build: (recipe: string) => Promise<StoredImage>,
): Promise<StoredImage> {
  const file = path.resolve(from, name)
  if (/^sha256:[0-9a-f]{64}$/.test(name))
    return imageByDigest(parseDigest(name), platform, { store })
  if (isModulePath(name)) return build(name)
  if (/^[./]|\.tar$/.test(name)) return imageOfFile(file, platform, store)
  try {
    return await resolveImage(parseReference(name), platform, { store })
  } catch (error) {
    if (!isPlinthError(error, 'IMAGE_NOT_FOUND', 'REFERENCE_INVALID')) throw error
    // a name that is there, for another platform only, is meant
    if (error.facts?.['known'] !== undefined) throw error
    if (await isRecipe(name, from)) return build(name)
    if (existsSync(file)) return imageOfFile(file, platform, store)
    throw error
  }
}

async function isRecipe(name: string, cwd: string): Promise<boolean> {
  return loadRecipe(name, { cwd }).then(
    () => true,
    (error: unknown) => {
      if (isPlinthError(error, 'RECIPE_NOT_FOUND')) return false
      throw error
    },
  )
}

/** The image of an archive or a layout; its layers go into the store, verified. */
async function imageOfFile(
  file: string,
  platform: RunRequest['platform'],
  store: Store,
): Promise<StoredImage> {
  const opened = await openImageFile(file)
  const { image, digest } = chooseImage(file, opened, platform)
  for (const layer of image.layers) {
    if ((await store.has(layer.digest)) !== layer.size)
      await store.put(opened.blob(layer.digest), layer)
  }
  return { image, digest }
}

function chooseImage(
  file: string,
  { images }: ImageFile,
  platform: RunRequest['platform'],
): FoundImage {
  const fitting = images.filter(({ image: { config } }) => {
    const { os, architecture, variant } = config
    return [os, architecture, variant].filter(Boolean).join('/') === platform
  })
  const [only, another] = fitting
  if (only !== undefined && another === undefined) return only
  if (another !== undefined) {
    const names = fitting.flatMap((found) => found.names)
    throw new PlinthError('USAGE', `cannot choose an image of ${file}: it holds several`, {
      hint: `copy the one you mean: skopeo copy oci-archive:${file}:${names[0] ?? 'NAME'} …`,
      facts: { names },
    })
  }
  const known = images.map(({ image: { config } }) => `${config.os}/${config.architecture}`)
  throw new PlinthError(
    'IMAGE_NOT_FOUND',
    `cannot use ${file}: it has no image for ${platform}${known.length === 0 ? '' : `, but for ${known.join(', ')}`}`,
    { hint: known[0] === undefined ? undefined : `name the platform: --platform ${known[0]}` },
  )
}

/** What a recipe's image takes: nothing but its defaults. */
export async function builtImage(
  name: string,
  { platform, from }: RunRequest,
  deps: StageDeps,
  stages: Stages,
  store: Store,
): Promise<StoredImage> {
  const { recipe, path: module } = await loadRecipe(name, { cwd: from })
  const directory = path.dirname(module)
  const wanted = {
    recipe,
    directory,
    params: {},
    platform,
    skip: [],
    outputs: [],
    names: [],
  } as const
  const { digest } = await stages.build({ ...wanted, compression: 'gzip', noCache: false }, deps)
  return imageByDigest(digest, platform, { store })
}
