import type { Descriptor } from '../descriptor.ts'
import type { Digest } from '../digest.ts'
import { PlinthError } from '../errors.ts'
import type { Image } from '../image.ts'
import { nearest } from '../nearest.ts'
import { encodeImage } from '../oci/encode-image.ts'
import { emptyIndex, encodeIndex, parseIndex } from '../oci/image-index.ts'
import { addToIndex } from '../oci/layout.ts'
import { mediaTypes, ociMediaType } from '../oci/media-types.ts'
import { parseImage } from '../oci/parse-image.ts'
import { manifestSchema, parseDocument } from '../oci/schemas.ts'
import { parsePlatform, type Platform } from '../platform.ts'
import type { OciPlatform, Store } from '../ports.ts'
import { familiarName, referenceParts, type Reference } from '../reference.ts'
import { changeNames, readNames } from './names.ts'

/** An image of the store, and the digest of its manifest. */
export interface StoredImage {
  readonly image: Image
  readonly digest: Digest
}

/**
 * Keeps an image in the store: manifest and config as blobs (its layers are there already), and `names` for
 * it, which other images of the same platform lose; what a name stands for on other platforms stays. Returns
 * the manifest's descriptor. Throws `DISK_FULL`, `IO`, `STORE_INVALID`, and what aborted `signal`.
 */
export async function putImage(
  image: Image,
  names: readonly Reference[],
  deps: { readonly store: Store; readonly signal: AbortSignal },
): Promise<Descriptor> {
  const { store } = deps
  const { manifest, config } = encodeImage(image)
  await store.put([config.bytes])
  await store.put([manifest.bytes])
  const { descriptor } = manifest
  if (names.length > 0) {
    await changeNames(names, async (before) => besideOthers(descriptor, before, store), deps)
  }
  return descriptor
}

/**
 * The image a reference stands for, on a platform: by its name, or by the digest of a manifest or index where
 * it has one, which is taken from the store whatever name stands before it. Every document is verified, and
 * the layers are there (their content is verified when it is read).
 *
 * Throws `IMAGE_NOT_FOUND` (no such name, or not for that platform), `STORE_CORRUPT` when a part of it is
 * damaged or gone, `IMAGE_INVALID`, `STORE_INVALID`, `IO`.
 */
export async function resolveImage(
  reference: Reference,
  platform: Platform,
  { store }: { readonly store: Store },
): Promise<StoredImage> {
  const { digest } = referenceParts(reference)
  if (digest !== undefined) return imageByDigest(digest, platform, { store })
  const names = await readNames(store)
  const found = names.get(reference)
  if (found !== undefined) return imageOf(found, platform, familiarName(reference), store)
  const known = [...names.keys()].map(familiarName)
  const [close] = nearest(familiarName(reference), known)
  throw new PlinthError(
    'IMAGE_NOT_FOUND',
    `cannot find the image ${familiarName(reference)}: the store ${store.root} has none of that name`,
    {
      hint:
        close === undefined
          ? `build one with -t ${familiarName(reference)}${known.length === 0 ? '' : `; there are: ${list(known)}`}`
          : `did you mean ${close}?`,
      facts: { reference },
    },
  )
}

/** The same for a digest alone: what `plinth build` prints. */
export async function imageByDigest(
  digest: Digest,
  platform: Platform,
  { store }: { readonly store: Store },
): Promise<StoredImage> {
  const size = await store.has(digest)
  if (size === undefined) {
    throw new PlinthError(
      'IMAGE_NOT_FOUND',
      `cannot find the image ${digest}: the store ${store.root} does not have it`,
      { facts: { digest } },
    )
  }
  if (size > maxDocument) throw notAnImage(digest)
  const bytes = await document(digest, store)
  const mediaType = typeOf(bytes)
  if (mediaType === undefined) throw notAnImage(digest)
  return imageOf({ mediaType, digest, size }, platform, digest, store)
}

/** Takes a name away; returns what it stood for, or undefined when there is no such name. The blobs stay. */
export async function untag(
  name: Reference,
  deps: { readonly store: Store; readonly signal: AbortSignal },
): Promise<Descriptor | undefined> {
  let before: Descriptor | undefined
  if (!(await readNames(deps.store)).has(name)) return undefined
  await changeNames([name], (found) => void (before = found), deps)
  return before
}

/** Registries allow 4 MiB for a manifest; a config may be larger. */
const maxDocument = 8 * 1024 * 1024

/** What a name is to stand for when it already does on other platforms: one index of all of them. */
async function besideOthers(
  added: Descriptor,
  before: Descriptor | undefined,
  store: Store,
): Promise<Descriptor> {
  if (before === undefined || (await store.has(before.digest)) === undefined) return added
  const { manifests } = isIndex(before)
    ? parseIndex(await document(before.digest, store))
    : { manifests: [plain(before)] }
  const index = addToIndex(
    emptyIndex,
    // entries without a platform are nothing anyone could choose
    manifests.filter(({ platform }) => platform && !isSamePlatform(platform, added.platform!)),
  )
  if (index.manifests.length === 0) return added
  const all = [...index.manifests, added].toSorted((a, b) =>
    platformText(a.platform!) < platformText(b.platform!) ? -1 : 1,
  )
  const { digest, size } = await store.put([encodeIndex({ ...index, manifests: all })])
  return { mediaType: mediaTypes.index, digest, size }
}

function plain({ mediaType, digest, size, platform }: Descriptor): Descriptor {
  return { mediaType, digest, size, platform }
}

async function imageOf(
  found: Descriptor,
  platform: Platform,
  called: string,
  store: Store,
): Promise<StoredImage> {
  const bytes = await document(found.digest, store)
  if (isIndex(found)) {
    const { manifests } = parseIndex(bytes)
    const chosen = manifests.find((entry) => entry.platform && fits(entry.platform, platform))
    if (chosen === undefined) throw otherPlatform(called, manifests, platform)
    return imageOf(chosen, platform, called, store)
  }
  const { config } = parseDocument(manifestSchema, bytes, `the manifest of ${called}`)
  const image = parseImage({ manifest: bytes, config: await document(config.digest, store) })
  if (!fits(image.config, platform)) {
    throw otherPlatform(called, [{ ...found, platform: image.config }], platform)
  }
  for (const { digest, size } of image.layers) {
    if ((await store.has(digest)) !== size) throw gone(digest, store)
  }
  return { image, digest: found.digest }
}

async function document(digest: Digest, store: Store): Promise<Uint8Array> {
  const size = await store.has(digest)
  if (size === undefined) throw gone(digest, store)
  if (size > maxDocument) throw notAnImage(digest)
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(digest)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function isIndex({ mediaType }: Descriptor): boolean {
  return ociMediaType(mediaType) === mediaTypes.index
}

/** What a document is: it may leave its media type out (image-spec, manifest.md). */
function typeOf(bytes: Uint8Array): string | undefined {
  let json: { mediaType?: unknown; manifests?: unknown; config?: unknown } | null
  try {
    json = JSON.parse(Buffer.from(bytes).toString()) as typeof json
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  if (typeof json.mediaType === 'string') return json.mediaType
  if (Array.isArray(json.manifests)) return mediaTypes.index
  return typeof json.config === 'object' ? mediaTypes.manifest : undefined
}

function fits(found: OciPlatform, wanted: Platform): boolean {
  return platformText(found) === wanted
}

function isSamePlatform(a: OciPlatform, b: OciPlatform): boolean {
  return platformText(a) === platformText(b)
}

/** In plinth's spelling, in which arm64 has no variant; a platform plinth does not know stays as it is written. */
function platformText({ os, architecture, variant }: OciPlatform): string {
  const text = [os, architecture, variant].filter(Boolean).join('/')
  try {
    return parsePlatform(text)
  } catch {
    return text
  }
}

function otherPlatform(
  called: string,
  found: readonly Descriptor[],
  wanted: Platform,
): PlinthError {
  const known = found.flatMap(({ platform }) => (platform ? [platformText(platform)] : []))
  return new PlinthError(
    'IMAGE_NOT_FOUND',
    `cannot use ${called}: it is not for ${wanted} but for ${list(known)}`,
    { hint: `name the platform: --platform ${known[0] ?? wanted}`, facts: { known } },
  )
}

function gone(digest: Digest, { root }: Store): PlinthError {
  return new PlinthError('STORE_CORRUPT', `${digest} is no longer in the store ${root}`, {
    hint: 'build the image again',
    facts: { digest },
  })
}

function notAnImage(digest: Digest): PlinthError {
  return new PlinthError('IMAGE_INVALID', `${digest} is no image`, {
    hint: 'give the digest of an image, as plinth build prints it',
  })
}

function list(words: readonly string[]): string {
  return words.length > 5 ? `${words.slice(0, 5).join(', ')}, …` : words.join(', ')
}
