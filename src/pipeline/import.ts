import { decompress, sniffCompression } from '../archive/decompress.ts'
import type { Digest } from '../digest.ts'
import type { Entry } from '../entry.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import type { Emit } from '../events.ts'
import type { Image, RunConfig } from '../image.ts'
import { appendLayer, emptyImage, timestamp } from '../oci/image.ts'
import { layerMediaType } from '../oci/media-types.ts'
import { flatten } from '../output/flatten.ts'
import { asStep, readableSize } from '../output/progress.ts'
import type { Platform } from '../platform.ts'
import type { Output, Store } from '../ports.ts'
import { quantity } from '../quantity.ts'
import type { Reference } from '../reference.ts'
import { writeLayer } from '../rootfs/layer.ts'
import type { Tree } from '../rootfs/tree.ts'
import { deliver } from './deliver.ts'

/** What an import needs. */
export interface ImportDeps {
  readonly store: Store
  readonly emit: Emit
  readonly signal: AbortSignal
}

export interface ImportRequest {
  /** what messages and progress call the tar: `rootfs.tar.xz`, `standard input` */
  readonly source: string
  /** the tar as it is, compressed or not */
  readonly chunks: AsyncIterable<Uint8Array>
  /** how many bytes that will be, where it is known */
  readonly size?: number | undefined
  readonly platform: Platform
  /** how the image starts */
  readonly config: RunConfig
  /** the comment in the image's history */
  readonly message: string
  /** SOURCE_DATE_EPOCH: the image's time, and no file is younger; default: the time of the tar's youngest file */
  readonly epoch?: number | undefined
  readonly compression: 'gzip' | 'none'
  readonly names: readonly Reference[]
  readonly outputs: readonly Output[]
}

/**
 * Makes a one-layer image of a tar of a root filesystem: plain, or compressed by gzip, xz, bzip2 or zstd, which its
 * first bytes tell. The tar is no more trusted than a layer of an image. The same content gives the same digest,
 * whatever the order, the compression and the name of the tar.
 *
 * Throws `ARCHIVE_INVALID`, `PATH_UNSAFE`, `ENTRY_UNSUPPORTED`, `DECOMPRESSION_BOMB`, `DISK_FULL`, and what
 * `chunks` and the outputs do.
 */
export async function importTar(
  request: ImportRequest,
  deps: ImportDeps,
): Promise<{ readonly image: Image; readonly digest: Digest }> {
  const { source, platform } = request
  const tree = await readTree(request, deps)
  if (tree.size === 0) warn('ARCHIVE_EMPTY', `${source} holds no file: the image is empty`, deps)
  if (tree.has('manifest.json') && (tree.has('oci-layout') || tree.has('repositories'))) {
    const hint = `plinth run and plinth inspect take it as it is`
    warn('ARCHIVE_IS_IMAGE', `${source} is an image's archive, not a root filesystem`, deps, hint)
  }
  const epoch = request.epoch ?? youngest(tree)
  const step = { id: 'layer', title: 'write the layer' }
  const { compression } = request
  const layer = await asStep(
    deps.emit,
    step,
    () => writeLayer(tree, { compression, epoch }, deps),
    (written) => `${quantity(tree.size, 'path')}, ${readableSize(written.size)}`,
  )
  const { mediaType, digest, size, diffId } = layer
  const base = emptyImage(platform, epoch)
  const history = { created: timestamp(epoch), comment: request.message }
  const image = appendLayer(
    { ...base, config: { ...base.config, config: request.config } },
    { mediaType, digest, size, diffId, history },
  )
  return { image, digest: await deliver(image, request, [], deps) }
}

function warn(code: string, message: string, { emit }: ImportDeps, hint?: string): void {
  emit({ type: 'warning', code, message, hint })
}

/** What the tar holds, by the rules for layers; its contents are in the store as one blob. */
async function readTree(request: ImportRequest, deps: ImportDeps): Promise<Tree> {
  const { source, size: total } = request
  const step = { id: 'import', title: `read ${source}`, total }
  const work = async (): Promise<Tree> => {
    let done = 0
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of request.chunks) {
        deps.signal.throwIfAborted()
        done += chunk.length
        deps.emit({ type: 'step-progress', id: step.id, done })
        yield chunk
      }
    }
    const { digest, size } = await deps.store.put(plain(counted(), () => done, source))
    const layer = { mediaType: layerMediaType('none'), digest, size, diffId: digest, history: {} }
    try {
      const tree = await flatten(appendLayer(emptyImage(request.platform, 0), layer), deps)
      return new Map([...tree].map(([path, entry]) => [path, withoutHostMarks(entry)]))
    } catch (error) {
      throw await refused(error, digest, request, deps)
    }
  }
  return asStep(deps.emit, step, work, ({ size }) => quantity(size, 'path'))
}

/** The tar without its compression; what expands as no tar of files does is refused while it does. */
async function* plain(
  chunks: AsyncIterable<Uint8Array>,
  done: () => number,
  name: string,
): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  const head: Uint8Array[] = []
  let length = 0
  while (length < magicLength) {
    const step = await iterator.next()
    if (step.done) break
    head.push(step.value)
    length += step.value.length
  }
  if (length === 0) {
    throw new PlinthError('ARCHIVE_INVALID', `cannot import ${name}: it is empty`, {
      hint: 'give a tar of a root filesystem',
    })
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* head
      for (;;) {
        const step = await iterator.next()
        if (step.done) return
        yield step.value
      }
    } finally {
      await iterator.return?.()
    }
  }
  const compression = sniffCompression(Buffer.concat(head))
  let out = 0
  for await (const chunk of decompress(compression, all(), { name, maxSize: Infinity })) {
    out += chunk.length
    if (out > freely + done() * maxRatio) {
      throw new PlinthError(
        'DECOMPRESSION_BOMB',
        `cannot import ${name}: its first ${done()} bytes expand to more than ${out}`,
        { hint: 'decompress it yourself if it is what it should be' },
      )
    }
    yield chunk
  }
}

const magicLength = 6
/** decoders read ahead, and small files may be mostly zeros */
const freely = 256 * 1024 * 1024
/** deflate's own limit is 1032; no tar of files comes near it */
const maxRatio = 1100

/** The time of the youngest file, as far as a date can say it (year 9999): 0 for nothing at all. */
function youngest(tree: Tree): number {
  let time = 0
  for (const { mtime } of tree.values()) if (mtime > time) time = mtime
  return Math.min(time, 253_402_300_799)
}

/** Attributes of the machine that made the tar, not of the tree: SELinux labels, marks of overlayfs. */
function withoutHostMarks(entry: Entry): Entry {
  const { xattrs } = entry
  if (xattrs === undefined) return entry
  const kept = [...xattrs].filter(
    ([name]) => name !== 'security.selinux' && !/^(?:user|trusted)\.overlay\./.test(name),
  )
  return { ...entry, xattrs: kept.length > 0 ? new Map(kept) : undefined }
}

/** What is wrong with the tar: the layer's reader knows a digest, people know their file. */
async function refused(
  error: unknown,
  digest: Digest,
  { source }: ImportRequest,
  { store }: ImportDeps,
): Promise<unknown> {
  if (!isPlinthError(error, 'ARCHIVE_INVALID', 'PATH_UNSAFE', 'ENTRY_UNSUPPORTED')) return error
  // nobody will ask for it
  await store.delete(digest)
  const { code, facts, cause } = error
  const message = error.message
    .replaceAll(`layer ${digest}`, source)
    .replace(/^cannot use the image:/, `cannot read ${source}:`)
  return new PlinthError(code, message, {
    hint: 'the tar is malformed or hostile: make it anew, as tar -C ROOT -c . does',
    facts,
    cause,
  })
}
