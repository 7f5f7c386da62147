import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Descriptor } from '../descriptor.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import { emptyIndex, encodeIndex, parseIndex, type ImageIndex } from '../oci/image-index.ts'
import { containerdName, indexFile, refName } from '../oci/layout.ts'
import type { Store } from '../ports.ts'
import { familiarName, parseReference, type Reference } from '../reference.ts'
import { storeFailure } from './failure.ts'
import { lockFile } from './file-lock.ts'
import { processOwner } from './owner.ts'

/**
 * The names in a store's `index.json` (image-spec, image-layout.md), each once: it points at an image's
 * manifest, or at an index of one image for several platforms. Entries of other tools count by their
 * `ref.name`; those that are no image name are left alone and not listed.
 * Throws `STORE_INVALID` when the file is damaged, `IO`.
 */
export async function readNames(store: Store): Promise<ReadonlyMap<Reference, Descriptor>> {
  const names = new Map<Reference, Descriptor>()
  for (const entry of (await readIndex(store)).manifests) {
    const name = nameOf(entry)
    // readers of a layout take the first entry that fits
    if (name !== undefined && !names.has(name)) names.set(name, entry)
  }
  return names
}

/**
 * Changes names, one process after another: `change` gets what a name stands for and returns what it is to
 * stand for, or undefined for nothing. What else is in the index stays. Whoever reads meanwhile sees all of
 * the change or nothing of it. Throws as `readNames` does, `DISK_FULL`, and what aborted `signal`.
 */
export async function changeNames(
  names: readonly Reference[],
  change: (
    before: Descriptor | undefined,
    name: Reference,
  ) => Descriptor | undefined | Promise<Descriptor | undefined>,
  { store, signal }: { readonly store: Store; readonly signal: AbortSignal },
): Promise<void> {
  await using _ = await lockFile(join(await store.directory('tmp'), 'index.lock'), signal).catch(
    (error: unknown) => {
      throw storeFailure(error, `lock the names in the store ${store.root}`)
    },
  )
  const index = await readIndex(store)
  const changed = new Map<Reference, Descriptor | undefined>()
  for (const name of new Set(names)) {
    const before = index.manifests.find((entry) => nameOf(entry) === name)
    changed.set(name, await change(before, name))
  }
  const others = index.manifests.filter((entry) => !changed.has(nameOf(entry)!))
  const added = [...changed].flatMap(([name, to]) => (to === undefined ? [] : [named(to, name)]))
  await writeIndex(store, { ...index, manifests: [...others, ...added] })
}

/**
 * An entry of the index. A store holds many images, and tags alone would repeat: OCI's annotation is the name
 * as people write it, which its grammar allows, so that skopeo reads `oci:STORE:debian:trixie`.
 */
function named({ mediaType, digest, size, platform }: Descriptor, name: Reference): Descriptor {
  const annotations = { [containerdName]: name, [refName]: familiarName(name) }
  return { mediaType, digest, size, ...(platform !== undefined && { platform }), annotations }
}

function nameOf({ annotations = {} }: Descriptor): Reference | undefined {
  const text = annotations[containerdName] ?? annotations[refName]
  if (text === undefined) return undefined
  try {
    return parseReference(text)
  } catch (error) {
    if (isPlinthError(error, 'REFERENCE_INVALID', 'DIGEST_MISMATCH')) return undefined
    throw error
  }
}

async function readIndex(store: Store): Promise<ImageIndex> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(join(store.root, indexFile))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return emptyIndex
    throw storeFailure(error, `read the names in the store ${store.root}`)
  }
  try {
    return parseIndex(bytes)
  } catch (cause) {
    throw new PlinthError(
      'STORE_INVALID',
      `cannot read the names in the store ${store.root}: its ${indexFile} is damaged`,
      {
        cause,
        hint: `move ${join(store.root, indexFile)} away: images lose their names, but are kept`,
      },
    )
  }
}

let counter = 0

async function writeIndex(store: Store, index: ImageIndex): Promise<void> {
  const temporary = join(await store.directory('tmp'), `${processOwner()}.index${counter++}`)
  try {
    await writeFile(temporary, encodeIndex(index))
    await rename(temporary, join(store.root, indexFile))
  } catch (error) {
    await rm(temporary, { force: true })
    throw storeFailure(error, `write the names in the store ${store.root}`)
  }
}
