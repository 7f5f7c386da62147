import { gzipSync } from 'node:zlib'
import { writeTar } from '../../src/archive/tar-write.ts'
import { sha256 } from '../../src/digest.ts'
import type { Content, Entry } from '../../src/entry.ts'
import type { Image, Layer } from '../../src/image.ts'
import { appendLayer, emptyImage, timestamp, withConfig } from '../../src/oci/image.ts'
import { type LayerCompression, layerMediaType } from '../../src/oci/media-types.ts'
import { parsePlatform } from '../../src/platform.ts'
import type { Store } from '../../src/ports.ts'

/** 2023-11-14T22:13:20Z: the time of everything in these fixtures. */
export const epoch = 1_700_000_000

const common = { uid: 0, gid: 0, mtime: epoch } as const
type Owner = Partial<Pick<Entry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>>

export const dir = (path: string, more: Owner = {}): Entry => ({
  type: 'directory',
  path,
  mode: 0o755,
  ...common,
  ...more,
})
export const link = (path: string, target: string): Entry => ({
  type: 'symlink',
  path,
  target,
  mode: 0o777,
  ...common,
})
export const hardlink = (path: string, target: string, more: Owner = {}): Entry => ({
  type: 'hardlink',
  path,
  target,
  mode: 0o644,
  ...common,
  ...more,
})
export const device = (path: string, major: number, minor: number): Entry => ({
  type: 'character',
  path,
  major,
  minor,
  mode: 0o666,
  ...common,
})
export const fifo = (path: string): Entry => ({ type: 'fifo', path, mode: 0o600, ...common })
export const file = (path: string, content: string | Uint8Array, more: Owner = {}): Entry => {
  const bytes = Buffer.from(content)
  return {
    type: 'file',
    path,
    size: bytes.length,
    content: { kind: 'bytes', bytes },
    mode: 0o644,
    ...common,
    ...more,
  }
}
/** The whiteout of `path` as a layer holds it (OCI layer.md). */
export const whiteout = (path: string): Entry =>
  file(path.replace(/[^/]+$/, '.wh.$&'), '', { mtime: 0 })

/** The plain tar of entries. */
export async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of writeTar(entries, { open })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function open(content: Content): Uint8Array {
  if (content.kind !== 'bytes') throw new Error('fixtures hold their bytes')
  return content.bytes
}

/** Puts a layer of entries into the store. */
export async function makeLayer(
  store: Store,
  entries: readonly Entry[],
  options: {
    readonly createdBy?: string
    readonly compression?: Exclude<LayerCompression, 'zstd'>
  } = {},
): Promise<Layer> {
  const { createdBy = 'import', compression = 'gzip' } = options
  const tar = await tarOf(entries)
  const { digest, size } = await store.put([compression === 'gzip' ? gzipSync(tar) : tar])
  return {
    mediaType: layerMediaType(compression),
    digest,
    size,
    diffId: sha256(tar),
    history: { created: timestamp(epoch), created_by: createdBy },
  }
}

/** An image of layers given as entries, for amd64. */
export async function makeImage(
  store: Store,
  ...layers: readonly (readonly Entry[])[]
): Promise<Image> {
  let image = emptyImage(parsePlatform('linux/amd64'), epoch)
  for (const entries of layers) image = appendLayer(image, await makeLayer(store, entries))
  return withConfig(image, { Cmd: ['/bin/sh'], Env: ['PATH=/bin'] }, 'CMD ["/bin/sh"]')
}
