import { Readable } from 'node:stream'
import { parseInstalled } from '../apk/installed-read.ts'
import { decompress } from '../archive/decompress.ts'
import { readTar } from '../archive/tar-read.ts'
import { parseStanzas } from '../deb/deb822.ts'
import { PlinthError } from '../errors.ts'
import type { Image, Layer } from '../image.ts'
import { layerCompression } from '../oci/media-types.ts'
import type { ImageFile } from './image-file.ts'

/** A package of dpkg's or apk's database. */
export interface InstalledPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** bytes */
  readonly installedSize: number
}

/** What the layers of an image hold, as far as people ask. */
export interface ImageContents {
  /** os-release(5) PRETTY_NAME */
  readonly system: string | undefined
  readonly packages: readonly InstalledPackage[]
  /** bytes of all layers as plain tars */
  readonly unpackedSize: number
}

const statusFile = 'var/lib/dpkg/status'
/** apk's own place, and where other tools put it in a merged /usr */
const apkFiles = ['lib/apk/db/installed', 'usr/lib/apk/db/installed']
const wanted = new Set([statusFile, ...apkFiles, 'usr/lib/os-release', 'etc/os-release'])
/** bounds what one of these may be in a hostile image */
const maxFile = 64 * 1024 * 1024
/** deflate expands 1032 times at most */
const maxRatio = 1100

/** Reads an image's layers from the bottom up; later layers win. Throws what broken archives throw. */
export async function readContents(image: Image, file: ImageFile): Promise<ImageContents> {
  const files = new Map<string, string>()
  let unpackedSize = 0
  for (const layer of image.layers) {
    const count = (size: number): number => (unpackedSize += size)
    for (const [name, text] of await readLayer(layer, file, count)) {
      if (text === undefined) files.delete(name)
      else files.set(name, text)
    }
  }
  const release = files.get('usr/lib/os-release') ?? files.get('etc/os-release') ?? ''
  return {
    system: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1],
    packages: [
      ...parseStatus(files.get(statusFile) ?? ''),
      ...apkFiles.flatMap((name) => readApkDatabase(files.get(name) ?? '', name)),
    ].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    unpackedSize,
  }
}

/** The wanted files of a layer; undefined for one it removes. */
async function readLayer(
  layer: Layer,
  file: ImageFile,
  onBytes: (size: number) => void,
): Promise<ReadonlyMap<string, string | undefined>> {
  const compression = layerCompression(layer.mediaType)
  const name = `layer ${layer.digest}`
  if (compression === undefined) {
    throw new PlinthError('IMAGE_INVALID', `cannot read ${name}: its type is ${layer.mediaType}`)
  }
  const limit = { name, maxSize: Math.max(layer.size * maxRatio, 1024 * 1024) }
  const plain = decompress(compression, file.blob(layer.digest), limit)
  const counted = Readable.from(plain).on('data', (chunk: Uint8Array) => onBytes(chunk.length))
  const files = new Map<string, string | undefined>()
  for await (const member of readTar(counted, name)) {
    const at = member.name.replace(/^\.?\//, '')
    const hidden = at.replace(/(^|\/)\.wh\.([^/]+)$/, '$1$2')
    if (hidden !== at && wanted.has(hidden)) files.set(hidden, undefined)
    if (member.type !== 'file' || !wanted.has(at) || member.size > maxFile) continue
    const chunks: Uint8Array[] = []
    for await (const chunk of member.body()) chunks.push(chunk)
    files.set(at, Buffer.concat(chunks).toString())
  }
  return files
}

function parseStatus(text: string): readonly InstalledPackage[] {
  return parseStanzas(text)
    .filter((stanza) => stanza.get('status')?.endsWith(' installed'))
    .map((stanza) => ({
      name: stanza.get('package') ?? '',
      version: stanza.get('version') ?? '',
      architecture: stanza.get('architecture') ?? '',
      installedSize: Number(stanza.get('installed-size') ?? 0) * 1024,
    }))
}

function readApkDatabase(text: string, file: string): readonly InstalledPackage[] {
  return parseInstalled(text, file).map(({ name, version, architecture = '', installedSize }) => ({
    name,
    version,
    architecture,
    installedSize,
  }))
}
