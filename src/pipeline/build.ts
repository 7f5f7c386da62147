import { digestHex, sha256, type Digest } from '../digest.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import type { Image } from '../image.ts'
import { appendLayer, emptyImage, timestamp } from '../oci/image.ts'
import type { Plan } from '../plan.ts'
import type { Output, Written } from '../ports.ts'
import { quantity } from '../quantity.ts'
import type { Instruction } from '../instruction.ts'
import type { Reference } from '../reference.ts'
import { warmLayer, writeLayer, type LayerBlob } from '../rootfs/layer.ts'
import type { Tree } from '../rootfs/tree.ts'
import { damageHint } from '../store/failure.ts'
import { readRecord, writeRecord } from '../store/record.ts'
import { deliver } from './deliver.ts'
import { startInstallation } from './install.ts'
import type { InstallationDeps } from './installation.ts'
import { withInstructions, type InstructionsRequest } from './instructions.ts'

/**
 * Part of the key of kept layers. Raise it with every change after which the same plan gives another tree or
 * other bytes of it: what unpacking, configuring and cleaning up make, how entries are ordered and written,
 * how chunks are cut and compressed. Otherwise stores keep handing out what the former code made.
 */
const formatVersion = 2

/** What building needs: what installing packages does. */
export type BuildDeps = InstallationDeps

export interface BuildRequest {
  readonly plan: Plan
  readonly instructions: readonly Instruction[]
  /** the directory that `copy` and `add` read: the recipe module's */
  readonly directory?: string | undefined
  /** finds what `from` of a `copy` or a mount names */
  readonly base?: InstructionsRequest['base']
  /** default gzip; outputs that hold a plain root filesystem need none */
  readonly compression?: 'gzip' | 'none' | undefined
  /** what the image is called, in the store and in outputs */
  readonly names: readonly Reference[]
  readonly outputs: readonly Output[]
  /** make everything anew, whatever the store remembers */
  readonly noCache?: boolean | undefined
}

export interface BuildResult {
  readonly image: Image
  /** of the manifest */
  readonly digest: Digest
  /** whether the layer was there already */
  readonly cached: boolean
  readonly written: readonly Written[]
}

/**
 * Carries a plan out: fetches and unpacks its packages, configures them, makes the base layer and the
 * image, and hands that to every output. The same plan gives the same digest, and is only made once.
 */
export async function build(request: BuildRequest, deps: BuildDeps): Promise<BuildResult> {
  const { plan } = request
  const compression = request.compression ?? 'gzip'
  const key = sha256(
    JSON.stringify([formatVersion, compression, process.versions.zlib, layerInputs(plan)]),
  )
  const known = request.noCache ? undefined : await knownLayer(key, deps)
  const make = async (): Promise<LayerBlob> => {
    const made = await makeLayer(plan, compression, deps)
    await writeRecord(deps.store, layerRecord, digestHex(key), made)
    return made
  }
  const layer = known ?? (await make())
  const written: Written[] = []
  try {
    const made = await finish(layer, request, written, deps)
    return { ...made, cached: known !== undefined }
  } catch (error) {
    // only now: a kept layer is read, and so verified, when an output first needs it
    if (!isDamaged(layer, error)) throw error
    const again = await repaired(layer, error, make, deps)
    if (again.digest !== layer.digest && written.length > 0) throw error
    return { ...(await finish(again, request, written, deps)), cached: false }
  }
}

/** Makes the image of a layer and hands it to the outputs that have not `written` it yet. */
async function finish(
  layer: LayerBlob,
  request: BuildRequest,
  written: Written[],
  deps: BuildDeps,
): Promise<Omit<BuildResult, 'cached'>> {
  const { plan } = request
  const created = timestamp(plan.epoch)
  const base = appendLayer(emptyImage(plan.platform, plan.epoch), {
    mediaType: layer.mediaType,
    digest: layer.digest,
    size: layer.size,
    diffId: layer.diffId,
    history: { created, created_by: `plinth build ${plan.recipe}`, comment: historyComment(plan) },
  })
  const image = await withInstructions(
    base,
    {
      ...request,
      platform: plan.platform,
      compression: request.compression ?? 'gzip',
      noCache: request.noCache ?? false,
    },
    deps,
  )
  const digest = await deliver(image, request, written, deps)
  return { image, digest, written }
}

/** Whether an output failed because the store's copy of the layer, compressed or plain, is damaged. */
function isDamaged(layer: LayerBlob, error: unknown): error is PlinthError {
  const digest = isPlinthError(error, 'STORE_CORRUPT') ? error.facts?.['digest'] : undefined
  return digest !== undefined && (digest === layer.digest || digest === layer.diffId)
}

/** The layer whole again: the store has dropped what was damaged. */
async function repaired(
  layer: LayerBlob,
  error: PlinthError,
  make: () => Promise<LayerBlob>,
  { emit }: BuildDeps,
): Promise<LayerBlob> {
  const stream = error.facts?.['unfinished']
  if (stream !== undefined) {
    throw new PlinthError(
      'STORE_CORRUPT',
      `cannot finish ${stream as string}: the base layer is damaged in the store`,
      { cause: error, hint: error.hint, facts: error.facts },
    )
  }
  emit({
    type: 'warning',
    code: error.code,
    message: 'the base layer is damaged in the store: making it again',
    hint: damageHint,
  })
  // its plain form is made from the layer whenever it is not there
  return error.facts?.['digest'] === layer.digest ? make() : layer
}

const layerRecord = 'layer'

/** What the layer's bytes depend on: packages by content, the files written beside them, the time. */
function layerInputs(plan: Plan): unknown {
  const { architecture, epoch } = plan
  switch (plan.distribution) {
    case 'deb':
      return {
        architecture,
        epoch,
        files: plan.files,
        packages: plan.packages.map((pkg) => [
          pkg.name,
          pkg.architecture,
          pkg.digest,
          pkg.automatic,
          pkg.core,
          pkg.configureFirst,
        ]),
      }
    case 'apk': {
      const { scripts, world, repositories, keys } = plan
      const packages = plan.packages.map(({ record, tag }) => [record, tag ?? null])
      return { apk: true, architecture, epoch, scripts, world, repositories, keys, packages }
    }
  }
}

function historyComment(plan: Plan): string {
  const count = quantity(plan.packages.length, 'package')
  switch (plan.distribution) {
    case 'deb': {
      const suites = [...new Set(plan.sources.map(({ suite }) => suite))]
      const skipped = plan.skipped.length > 0 ? `; skipped: ${plan.skipped.join(', ')}` : ''
      return `${plan.variant}, ${count} from ${suites.join(', ')}${skipped}`
    }
    case 'apk':
      return `${plan.release}, ${count}`
  }
}

async function knownLayer(key: Digest, deps: BuildDeps): Promise<LayerBlob | undefined> {
  const layer = await readRecord<LayerBlob>(deps.store, layerRecord, digestHex(key))
  if (layer === undefined || (await deps.store.has(layer.digest)) !== layer.size) return undefined
  deps.emit({ type: 'step-started', id: 'layer', title: 'base layer' })
  deps.emit({ type: 'step-finished', id: 'layer', cached: true, detail: megabytes(layer.size) })
  return layer
}

async function makeLayer(
  plan: Plan,
  compression: 'gzip' | 'none',
  deps: BuildDeps,
): Promise<LayerBlob> {
  // when one part fails, the others have nothing left to do
  const failed = new AbortController()
  const working = { ...deps, signal: AbortSignal.any([deps.signal, failed.signal]) }
  const { fetching, opener, install } = await startInstallation(plan, working)
  // while scripts run a processor is free: what packages bring is compressed, as they change little of it
  const ahead = new AbortController()
  let warming: Promise<unknown> = Promise.resolve()
  let remembering: Promise<unknown> = Promise.resolve()
  const beside = (tree: Tree) => {
    remembering = opener.finish()
    remembering.catch(() => {})
    if (compression === 'gzip') {
      warming = warmLayer(tree, plan.epoch, { store: deps.store, signal: ahead.signal }).catch(
        () => {},
      )
    }
  }
  try {
    const tree = await install(beside)
    ahead.abort()
    await remembering
    return await compress(tree, plan, compression, deps)
  } catch (error) {
    failed.abort()
    throw error
  } finally {
    ahead.abort()
    await warming
    await fetching.catch(() => {})
    await opener.idle()
    // when it came to nothing, what was unpacked still is of use
    await remembering.then(async () => opener.finish()).catch(() => {})
  }
}

async function compress(
  tree: Tree,
  plan: Plan,
  compression: 'gzip' | 'none',
  deps: BuildDeps,
): Promise<LayerBlob> {
  const id = 'layer'
  let total = 0
  for (const entry of tree.values()) total += entry.type === 'file' ? entry.size + 512 : 512
  deps.emit({ type: 'step-started', id, title: 'write the base layer', total, unit: 'bytes' })
  const layer = await writeLayer(
    tree,
    { compression, epoch: plan.epoch },
    {
      ...deps,
      onProgress: (done) => deps.emit({ type: 'step-progress', id, done }),
    },
  )
  deps.emit({
    type: 'step-finished',
    id,
    detail: `${quantity(tree.size, 'path')}, ${megabytes(layer.size)}`,
  })
  return layer
}

function megabytes(size: number): string {
  return `${(size / 1e6).toFixed(1)} MB`
}
