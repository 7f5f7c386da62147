import { createHash } from 'node:crypto'
import { writeTar, type ChunkRule, type OpenContent } from '../archive/tar-write.ts'
import type { Digest } from '../digest.ts'
import type { Entry } from '../entry.ts'
import type { Store } from '../ports.ts'
import { contentReader } from '../store/content.ts'
import { gzipChunk } from './gzip-chunk.ts'
import { sortedEntries, withOrderedLinks, type Tree } from './tree.ts'

/** A layer in the store. */
export interface LayerBlob {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  /** digest of the uncompressed tar; the same as `digest` without compression */
  readonly diffId: Digest
  readonly uncompressedSize: number
}

export interface LayerOptions {
  readonly compression: 'gzip' | 'none'
  /** no entry is younger: later times are set to it (SOURCE_DATE_EPOCH, reproducible-builds.org) */
  readonly epoch: number
}

/** How a layer of given entries is written. */
export interface EntriesOptions {
  readonly compression: 'gzip' | 'none'
  /** reads contents; default from the store */
  readonly open?: OpenContent | undefined
  /** told where in the plain tar each file's bytes begin */
  readonly onBody?: ((entry: Entry, offset: number) => void) | undefined
  /** `false`: compressed chunks are not kept, where no other layer will share them; default true */
  readonly keepChunks?: boolean | undefined
}

export interface LayerDeps {
  readonly store: Store
  readonly signal: AbortSignal
  /** bytes of tar done so far */
  readonly onProgress?: ((done: number) => void) | undefined
}

const mediaTypes = {
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  none: 'application/vnd.oci.image.layer.v1.tar',
} as const

/**
 * Writes a tree as one layer: entries sorted by path, times clamped, numeric owners, no root entry
 * (OCI image-spec, layer.md). The same tree gives the same bytes, wherever and whenever.
 *
 * gzip goes by chunks of whole entries, each a gzip member of its own (RFC 1952, 2.2), in parallel and
 * remembered by content: what a former layer already compressed is not compressed again.
 */
export async function writeLayer(
  tree: Tree,
  options: LayerOptions,
  deps: LayerDeps,
): Promise<LayerBlob> {
  const { compression } = options
  return writeEntries(layerEntries(tree, options.epoch), { compression }, deps)
}

/** Writes entries as a layer, in the order given: parents first, a file before its hard links. */
export async function writeEntries(
  entries: Iterable<Entry>,
  options: EntriesOptions,
  deps: LayerDeps,
): Promise<LayerBlob> {
  const writer = await deps.store.writer()
  const pending: Promise<Uint8Array>[] = []
  try {
    const diff = createHash('sha256')
    let uncompressedSize = 0
    const count = (chunk: Uint8Array) => {
      deps.signal.throwIfAborted()
      // the writer hashes what it is given: without compression that is the same
      if (options.compression !== 'none') diff.update(chunk)
      uncompressedSize += chunk.length
      deps.onProgress?.(uncompressedSize)
    }
    if (options.compression === 'none') {
      for await (const chunk of tarChunks(entries, deps.store, options)) {
        count(chunk)
        await writer.write(chunk)
      }
    } else {
      for await (const chunk of tarChunks(entries, deps.store, options)) {
        count(chunk)
        const member = gzipChunk(chunk, deps.store, options)
        // a failure is reported when its turn comes
        member.catch(() => {})
        pending.push(member)
        if (pending.length >= inFlight) await writer.write(await pending.shift()!)
      }
      for (const member of pending) await writer.write(await member)
    }
    const { digest, size } = await writer.commit()
    const diffId =
      options.compression === 'none' ? digest : (`sha256:${diff.digest('hex')}` as Digest)
    return { mediaType: mediaTypes[options.compression], digest, size, diffId, uncompressedSize }
  } finally {
    // nothing goes on behind the caller's back
    await Promise.allSettled(pending)
    await writer.abort()
  }
}

/** Compresses the chunks of a tree ahead of time, so that a layer that shares them is written faster. */
export async function warmLayer(tree: Tree, epoch: number, deps: LayerDeps): Promise<void> {
  const pending = new Set<Promise<unknown>>()
  try {
    for await (const chunk of tarChunks(layerEntries(tree, epoch), deps.store)) {
      if (deps.signal.aborted) break
      const member = gzipChunk(chunk, deps.store).finally(() => pending.delete(member))
      member.catch(() => {})
      pending.add(member)
      if (pending.size >= 2) await Promise.race(pending)
    }
  } finally {
    await Promise.allSettled(pending)
  }
}

/** Enough to keep every core of a small machine busy; each holds one chunk of at most 4 MiB. */
const inFlight = 6

/**
 * Cuts after an entry whose name says so, so that one changed entry moves no cut but its neighbours':
 * chunks of about 0.5 to 1 MiB, large files in pieces.
 */
const layerChunks: ChunkRule = {
  max: 4 * 1024 * 1024,
  after: (entry, pending) =>
    pending >= 1024 * 1024 || (pending >= 256 * 1024 && (nameHash(entry.path) & 15) === 0),
}

/** FNV-1a, 32 bits. */
function nameHash(path: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

async function* tarChunks(
  entries: Iterable<Entry>,
  store: Store,
  { open, onBody }: Pick<EntriesOptions, 'open' | 'onBody'> = {},
): AsyncGenerator<Buffer> {
  using contents = contentReader(store)
  yield* writeTar(entries, {
    ...(open === undefined ? contents : { open }),
    chunks: layerChunks,
    onBody,
  })
}

/** A tree's entries as a layer holds them. */
export function layerEntries(tree: Tree, epoch: number): Entry[] {
  return sortedEntries(withOrderedLinks(tree)).map((entry) =>
    entry.mtime > epoch ? { ...entry, mtime: epoch } : entry,
  )
}
