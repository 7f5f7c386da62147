import { join } from 'node:path'
import { writeTar } from '../archive/tar-write.ts'
import type { Digest } from '../digest.ts'
import type { Image } from '../image.ts'
import { encodeImage } from '../oci/encode-image.ts'
import { blobPath } from '../oci/layout.ts'
import { layerCompression } from '../oci/media-types.ts'
import type { Output, Store } from '../ports.ts'
import { gzipChunk } from '../rootfs/gzip-chunk.ts'
import { layerEntries } from '../rootfs/layer.ts'
import { contentReader } from '../store/content.ts'
import { copyFileAtomically } from './atomic.ts'
import { layerTar } from '../rootfs/image-layer.ts'
import { flatten } from './flatten.ts'
import { asStep, counted, readableSize } from './progress.ts'
import { type OutputTarget, writeTarget } from './target.ts'

/** How the tar is compressed; by default by the path's ending: `.gz` and `.tgz` gzip, others not. */
export interface RootfsTarOptions {
  readonly compression?: 'none' | 'gzip' | undefined
}

/**
 * The image's root filesystem as one tar, for `docker import`, chroots, VMs. An image of one layer gives
 * that layer's tar; of more, what they amount to. Throws what reading layers does (see `flatten`), and
 * `OUTPUT_INVALID`, `DISK_FULL`, `IO`, `INTERRUPTED`.
 */
export function rootfsTar(target: OutputTarget, options: RootfsTarOptions = {}): Output {
  const path = typeof target === 'string' ? target : undefined
  const compression =
    options.compression ?? (/\.(?:tar\.gz|tgz|gz)$/.test(path ?? '') ? 'gzip' : 'none')
  const id = `output:${path ?? '-'}`
  return {
    name: 'rootfs',
    write: (image, { store, emit, signal }) =>
      asStep(
        emit,
        { id, title: `write ${path ?? 'the root filesystem'}` },
        async () => {
          const digest = encodeImage(image).manifest.descriptor.digest
          const whole = await wholeBlob(image, compression, store)
          if (whole !== undefined && path !== undefined) {
            const source = {
              path: join(store.root, blobPath(whole)),
              verified: store.verified(whole),
            }
            return { digest, size: await copyFileAtomically(path, source, signal), path }
          }
          const chunks =
            compression === 'gzip' ? gzipped(image, store, signal) : plain(image, store, signal)
          return {
            digest,
            size: await writeTarget(target, counted(chunks, emit, id), signal),
            path,
          }
        },
        ({ size }) => readableSize(size),
      ),
  }
}

/** The blob that already is what is to be written: an image's only layer. */
async function wholeBlob(
  image: Image,
  compression: 'none' | 'gzip',
  store: Store,
): Promise<Digest | undefined> {
  const [only, ...more] = image.layers
  if (only === undefined || more.length > 0) return undefined
  if (compression === 'none') {
    return (await store.has(only.diffId)) === undefined ? undefined : only.diffId
  }
  return layerCompression(only.mediaType) === 'gzip' ? only.digest : undefined
}

async function* plain(image: Image, store: Store, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const [only, ...more] = image.layers
  if (only !== undefined && more.length === 0) {
    yield* (await store.has(only.diffId)) === undefined
      ? layerTar(only, store)
      : store.get(only.diffId)
    return
  }
  const entries = layerEntries(await flatten(image, { store, signal }), Number.MAX_SAFE_INTEGER)
  using contents = contentReader(store)
  yield* writeTar(entries, contents)
}

async function* gzipped(
  image: Image,
  store: Store,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const [only, ...more] = image.layers
  if (only !== undefined && more.length === 0 && layerCompression(only.mediaType) === 'gzip') {
    yield* store.get(only.digest)
    return
  }
  // concatenated gzip members are one gzip file (RFC 1952, 2.2)
  for await (const chunk of plain(image, store, signal))
    yield await gzipChunk(Buffer.from(chunk), store)
}
