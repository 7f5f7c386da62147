import { digestHex, type Digest } from '../digest.ts'
import type { Emit } from '../events.ts'
import type { Image, Layer } from '../image.ts'
import { layerCompression } from '../oci/media-types.ts'
import { freeze } from '../oci/image.ts'
import type { Store } from '../ports.ts'
import { quantity } from '../quantity.ts'
import { layerMembers } from '../rootfs/change-layer.ts'
import { writeEntries, type LayerBlob } from '../rootfs/layer.ts'
import { rootOf } from '../rootfs/layered-root.ts'
import { readRecord, writeRecord } from '../store/record.ts'

/**
 * The image with its plain layers compressed, as what goes over networks wants them; each is compressed once.
 * Steps leave their layers plain: whoever only runs the image, or loads it into an engine, never waits for it.
 */
export async function compressLayers(
  image: Image,
  deps: { readonly store: Store; readonly emit: Emit; readonly signal: AbortSignal },
): Promise<Image> {
  const { store } = deps
  const plain = image.layers.filter(({ mediaType }) => layerCompression(mediaType) === 'none')
  if (plain.length === 0) return image
  const layers: Layer[] = []
  let isStarted = false
  const id = 'compress'
  for (const [index, layer] of image.layers.entries()) {
    if (!plain.includes(layer)) {
      layers.push(layer)
      continue
    }
    const known = await knownForm(layer.diffId, store)
    if (known === undefined && !isStarted) {
      isStarted = true
      const title = `compress ${quantity(plain.length, 'layer')}`
      deps.emit({ type: 'step-started', id, title })
    }
    const { mediaType, digest, size } = known ?? (await compressed(image, index, deps))
    layers.push({ ...layer, mediaType, digest, size })
  }
  if (isStarted) deps.emit({ type: 'step-finished', id })
  return freeze({ ...image, layers })
}

const kind = `gzip-layer-${process.versions.zlib}`

async function knownForm(diffId: Digest, store: Store): Promise<LayerBlob | undefined> {
  const known = await readRecord<LayerBlob>(store, kind, digestHex(diffId))
  return known !== undefined && (await store.has(known.digest)) === known.size ? known : undefined
}

async function compressed(
  image: Image,
  index: number,
  deps: { readonly store: Store; readonly signal: AbortSignal },
): Promise<LayerBlob> {
  const { store } = deps
  const { bases } = rootOf(image.layers.slice(0, index + 1), store)
  const held = await bases.at(-1)!.changes()
  const made = await writeEntries(
    layerMembers(held),
    { compression: 'gzip', keepChunks: false },
    deps,
  )
  if (made.diffId !== image.layers[index]!.diffId) return foreign(image.layers[index]!)
  await writeRecord(store, kind, digestHex(made.diffId), made)
  return made
}

/** A layer that another tool wrote may be laid out differently: then it stays as it is. */
function foreign({ mediaType, digest, size, diffId }: Layer): LayerBlob {
  return { mediaType, digest, size, diffId, uncompressedSize: size }
}
