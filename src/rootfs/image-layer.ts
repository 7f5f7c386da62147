import { createHash } from 'node:crypto'
import { decompress } from '../archive/decompress.ts'
import { memberEntry } from '../archive/member-entry.ts'
import { treePath } from '../archive/path.ts'
import { readTar } from '../archive/tar-read.ts'
import type { Change, Entry } from '../entry.ts'
import { PlinthError } from '../errors.ts'
import type { Layer } from '../image.ts'
import { layerCompression } from '../oci/media-types.ts'
import type { Store } from '../ports.ts'
import { parentOf, resolveIn, type Tree } from './tree.ts'

/** The plain tar of a layer, decompressed as it is read; `DIGEST_MISMATCH` at its end when it is not its diff id. */
export async function* layerTar(layer: Layer, store: Store): AsyncGenerator<Uint8Array> {
  const compression = layerCompression(layer.mediaType)
  if (compression === undefined) {
    throw new PlinthError(
      'IMAGE_INVALID',
      `cannot read layer ${layer.digest}: its type is ${layer.mediaType}`,
    )
  }
  // a damaged blob must be found as such and dropped, not as an archive that cannot be read
  await store.verified(layer.digest)
  const hash = createHash('sha256')
  const limit = {
    name: `layer ${layer.digest}`,
    maxSize: Math.max(layer.size * maxRatio, 1024 * 1024),
  }
  for await (const chunk of decompress(compression, store.get(layer.digest), limit)) {
    hash.update(chunk)
    yield chunk
  }
  const actual = `sha256:${hash.digest('hex')}`
  if (actual !== layer.diffId) {
    throw new PlinthError(
      'DIGEST_MISMATCH',
      `cannot use layer ${layer.digest}: its tar is ${actual}, not its diff id ${layer.diffId}`,
    )
  }
}

/** deflate expands 1032 times at most; no honest layer of another compression comes near it either */
const maxRatio = 1100

/** Puts the plain tar of a layer into the store, under its diff id, unless it is there. */
export async function unpackLayer(layer: Layer, store: Store): Promise<void> {
  if ((await store.has(layer.diffId)) === undefined) await store.put(layerTar(layer, store))
}

/**
 * What a layer holds, over the tree below it: file contents are slices of its plain tar, which is put into the
 * store. Whiteouts come first: they hide what is below the layer, never what it brings itself.
 *
 * Layers are not trusted: throws `PATH_UNSAFE` for names that leave the tree or pass through what is no
 * directory, `ARCHIVE_INVALID` for a path given twice, `DIGEST_MISMATCH` when a layer is not its diff id.
 */
export async function readLayer(layer: Layer, lower: Tree, store: Store): Promise<Change[]> {
  await unpackLayer(layer, store)
  const name = `layer ${layer.digest}`
  const changes = new Map<string, Change>()
  const whiteouts = new Map<string, Change>()
  // what later members of the layer see: they may add below a symlink that an earlier layer left
  const view = new Map(lower)
  // as above: what is damaged is dropped, and not taken for an archive that cannot be read
  await store.verified(layer.diffId)
  for await (const member of readTar(store.get(layer.diffId), name)) {
    const given = treePath(member.name, name)
    if (given === '') continue
    const path = followed(given, view, name)
    const base = path.slice(path.lastIndexOf('/') + 1)
    const parent = parentOf(path)
    if (base === '.wh..wh..opq') {
      for (const child of childrenOf(lower, parent))
        whiteouts.set(child, { type: 'whiteout', path: child })
    } else if (base.startsWith('.wh.')) {
      const hidden = base.slice('.wh.'.length)
      if (['', '.', '..'].includes(hidden)) {
        throw new PlinthError(
          'ARCHIVE_INVALID',
          `cannot read ${name}: '${given}' is a whiteout of nothing`,
        )
      }
      const whited = parent === '' ? hidden : `${parent}/${hidden}`
      whiteouts.set(whited, { type: 'whiteout', path: whited })
    } else {
      if (changes.has(path))
        throw new PlinthError('ARCHIVE_INVALID', `cannot read ${name}: '${path}' is in it twice`)
      const entry = memberEntry(path, member, layer.diffId)
      const linked = entry.type === 'hardlink' ? hardlinked(entry, view, name) : entry
      changes.set(path, linked)
      view.set(path, linked)
    }
  }
  // a layer's whiteouts hide what is below it, never what it brings itself, wherever they stand
  return [...whiteouts.values(), ...changes.values()]
}

/** A link's target is a file; a link to a link means the file behind both. */
function hardlinked(entry: Entry & { type: 'hardlink' }, view: Tree, name: string): Entry {
  const target = followed(treePath(entry.target, name), view, name)
  const found = view.get(target)
  if (found?.type === 'hardlink') return { ...entry, target: found.target }
  // hard links to symlinks exist: a second symlink is the same to everyone
  if (found?.type === 'symlink') return { ...found, path: entry.path }
  if (found?.type !== 'file') {
    throw new PlinthError(
      'PATH_UNSAFE',
      `cannot read ${name}: '${entry.path}' links to '${entry.target}', which is no file before it`,
    )
  }
  return { ...entry, target }
}

function followed(path: string, view: Tree, name: string): string {
  const real = resolveIn(view, path, { last: false })
  if (real === undefined || real === '') {
    throw new PlinthError(
      'PATH_UNSAFE',
      `cannot read ${name}: '${path}' goes through a loop of symlinks`,
    )
  }
  return real
}

function childrenOf(tree: Tree, directory: string): string[] {
  return [...tree.keys()].filter((path) => parentOf(path) === directory)
}
