import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
  type FileHandle,
} from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { digestHex, type Digest } from '../digest.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import type { BlobWriter, Store } from '../ports.ts'
import { storeFailure } from './failure.ts'
import { ownerIsAlive, ownerIsElsewhere, processOwner } from './owner.ts'

/**
 * Opens the store at `root`, made if need be: an OCI image layout (image-spec, image-layout.md) with
 * plinth's caches beside the blobs. What dead processes left in `tmp` is removed. Several processes may
 * share it: blobs appear by rename, complete or not at all.
 *
 * Throws `STORE_INVALID` when `root` holds another kind of layout, `IO` or `DISK_FULL` when it cannot be made.
 */
export async function openStore(root: string): Promise<Store> {
  const path = resolve(root)
  const blobs = join(path, 'blobs', 'sha256')
  const temporary = join(path, 'tmp')
  try {
    await mkdir(blobs, { recursive: true })
    await mkdir(temporary, { recursive: true })
    await initialise(path, temporary)
    await sweep(temporary)
  } catch (error) {
    throw storeFailure(error, `open the store ${path}`)
  }
  return new DirectoryStore(path, blobs, temporary)
}

const layoutMark = '{"imageLayoutVersion":"1.0.0"}'

async function initialise(root: string, temporary: string): Promise<void> {
  const mark = await readFile(join(root, 'oci-layout'), 'utf8').catch(() => undefined)
  if (mark === undefined) {
    await createOnce(join(root, 'oci-layout'), layoutMark, temporary)
  } else if (layoutVersion(mark) !== '1.0.0') {
    throw new PlinthError(
      'STORE_INVALID',
      `cannot use ${root} as the store: its oci-layout is damaged or of another version`,
      {
        hint: 'choose another directory with --store DIR',
      },
    )
  }
  await createOnce(
    join(root, 'index.json'),
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    temporary,
  )
}

function layoutVersion(mark: string): unknown {
  try {
    return (JSON.parse(mark) as { imageLayoutVersion?: unknown } | null)?.imageLayoutVersion
  } catch {
    return undefined
  }
}

/** Makes a file with all of its content, unless it is there. */
async function createOnce(path: string, text: string, temporary: string): Promise<void> {
  if (await exists(path)) return
  const whole = join(temporary, `${processOwner()}.${counter++}`)
  try {
    await writeFile(whole, text)
    await link(whole, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // not every file system has hard links
    if (code === 'EPERM' || code === 'ENOTSUP') await rename(whole, path)
    else if (code !== 'EEXIST') throw error
  } finally {
    await rm(whole, { force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/**
 * Removes what processes that no longer run left in a directory of `<owner>.<anything>` names. Whether one in
 * another container runs cannot be seen: what it left goes when others have used the directory a day later.
 */
async function sweep(directory: string): Promise<void> {
  const used = (await stat(directory)).mtimeMs
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    const owner = name.slice(0, name.indexOf('.'))
    if (!name.includes('.')) continue
    const age = used - ((await stat(path).catch(() => undefined))?.mtimeMs ?? used)
    if (!ownerIsAlive(owner) || (ownerIsElsewhere(owner) && age > day))
      await rm(path, { recursive: true, force: true })
  }
}

const day = 24 * 60 * 60 * 1000

/** Of the process, not of a store: the same root may be opened twice in one. */
let counter = 0

class DirectoryStore implements Store {
  readonly root: string
  readonly #blobs: string
  readonly #temporary: string
  readonly #verified = new Map<Digest, Promise<string>>()
  /** made once in this process: thousands of small files go into them */
  readonly #directories = new Map<string, Promise<string>>()

  constructor(root: string, blobs: string, temporary: string) {
    this.root = root
    this.#blobs = blobs
    this.#temporary = temporary
  }

  async put(
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    expected?: { readonly digest: Digest; readonly size?: number | undefined },
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    const writer = await this.writer()
    try {
      for await (const chunk of content) await writer.write(chunk)
      return await writer.commit(expected)
    } finally {
      await writer.abort()
    }
  }

  async writer(): Promise<BlobWriter> {
    const temporary = join(this.#temporary, `${processOwner()}.${counter++}`)
    const doing = `write to the store ${this.root}`
    const failed = (error: unknown): never => {
      throw storeFailure(error, doing)
    }
    const file = await open(temporary, 'wx', 0o644).catch(failed)
    const hash = createHash('sha256')
    let size = 0
    let state: 'open' | 'done' = 'open'
    // hashing here and writing on the thread pool go on side by side, a few chunks deep
    const writing = new Set<Promise<void>>()
    let failure: unknown
    const settled = async () => {
      await Promise.all(writing)
      if (failure !== undefined) failed(failure)
    }
    return {
      write: async (chunk) => {
        const job = writeAll(file, chunk, size)
          .catch((error: unknown) => void (failure ??= error))
          .finally(() => writing.delete(job))
        writing.add(job)
        hash.update(chunk)
        size += chunk.length
        if (writing.size >= maxWriting) await Promise.race(writing)
        if (failure !== undefined) failed(failure)
      },
      commit: async (expected) => {
        await settled()
        const digest = `sha256:${hash.digest('hex')}` as Digest
        if (expected?.size !== undefined && size !== expected.size) {
          throw new PlinthError(
            'SIZE_MISMATCH',
            `cannot keep ${expected.digest}: expected ${expected.size} bytes, got ${size}`,
          )
        }
        if (expected && digest !== expected.digest) {
          throw new PlinthError(
            'DIGEST_MISMATCH',
            `cannot keep the content: expected ${expected.digest}, got ${digest}`,
          )
        }
        await file.close().catch(failed)
        await rename(temporary, this.#path(digest)).catch(failed)
        state = 'done'
        this.#verified.set(digest, Promise.resolve(this.#path(digest)))
        return { digest, size }
      },
      abort: async () => {
        if (state === 'done') return
        state = 'done'
        await Promise.all(writing)
        await file.close().catch(() => {})
        await rm(temporary, { force: true })
      },
    }
  }

  async *get(digest: Digest): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256')
    try {
      for await (const chunk of createReadStream(this.#path(digest), {
        highWaterMark: 1024 * 1024,
      })) {
        hash.update(chunk as Buffer)
        yield chunk as Buffer
      }
    } catch (error) {
      throw isSystemError(error) ? await this.#missing(digest, error) : error
    }
    const actual = `sha256:${hash.digest('hex')}`
    if (actual !== digest) throw await this.#corrupt(digest, actual)
  }

  async has(digest: Digest): Promise<number | undefined> {
    return stat(this.#path(digest)).then(
      (found) => found.size,
      () => undefined,
    )
  }

  verified(digest: Digest): Promise<string> {
    let pending = this.#verified.get(digest)
    if (!pending) {
      pending = this.#verify(digest)
      this.#verified.set(digest, pending)
      pending.catch(() => this.#verified.delete(digest))
    }
    return pending
  }

  async #verify(digest: Digest): Promise<string> {
    const hash = createHash('sha256')
    let file: FileHandle | undefined
    try {
      file = await open(this.#path(digest))
      await eachPiece(file, (piece) => hash.update(piece))
    } catch (error) {
      throw await this.#missing(digest, error)
    } finally {
      await file?.close()
    }
    const actual = `sha256:${hash.digest('hex')}`
    if (actual !== digest) throw await this.#corrupt(digest, actual)
    return this.#path(digest)
  }

  async delete(digest: Digest): Promise<void> {
    this.#verified.delete(digest)
    await rm(this.#path(digest), { force: true }).catch((error: unknown) => {
      throw storeFailure(error, `drop ${digest} from the store ${this.root}`)
    })
  }

  directory(name: string): Promise<string> {
    const known = this.#directories.get(name)
    if (known) return known
    const path = join(this.root, name)
    const made = mkdir(path, { recursive: true }).then(
      () => path,
      (error: unknown) => {
        this.#directories.delete(name)
        throw storeFailure(error, `make ${path}`)
      },
    )
    this.#directories.set(name, made)
    return made
  }

  #path(digest: Digest): string {
    return join(this.#blobs, digestHex(digest))
  }

  /** A damaged blob is dropped, so that the next run fetches or makes it again. */
  async #corrupt(digest: Digest, actual: string): Promise<PlinthError> {
    const dropped = await this.delete(digest).then(
      () => true,
      () => false,
    )
    return new PlinthError(
      'STORE_CORRUPT',
      `cannot use ${digest} from the store: its content is ${actual}`,
      {
        hint: dropped
          ? 'it was dropped: run the command again to get it anew, and check the disk'
          : `remove it from ${this.root}, run the command again to get it anew, and check the disk`,
        facts: { digest },
      },
    )
  }

  async #missing(digest: Digest, cause: unknown): Promise<PlinthError> {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT')
      return storeFailure(cause, `read ${digest} from the store`)
    return new PlinthError('STORE_CORRUPT', `cannot use ${digest}: it is not in the store`, {
      cause,
      hint: 'run the command again to get it anew',
      facts: { digest },
    })
  }
}

const maxWriting = 4

/** Shows a file in pieces that hold until the next one comes: that is read meanwhile. */
async function eachPiece(file: FileHandle, show: (piece: Uint8Array) => void): Promise<void> {
  const { size } = await file.stat()
  const length = Math.min(1024 * 1024, size + 1)
  const read = async (buffer: Buffer): Promise<Buffer> =>
    buffer.subarray(0, (await file.read(buffer, 0, length)).bytesRead)
  let [shown, filled] = [Buffer.allocUnsafeSlow(length), Buffer.allocUnsafeSlow(length)]
  for (let piece = await read(filled); piece.length > 0;) {
    ;[shown, filled] = [filled, shown]
    const next = read(filled)
    show(piece)
    piece = await next
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let offset = 0
  while (offset < chunk.length) {
    const { bytesWritten } = await file.write(
      chunk,
      offset,
      chunk.length - offset,
      position + offset,
    )
    offset += bytesWritten
  }
}

function isSystemError(error: unknown): boolean {
  return (
    !isPlinthError(error) &&
    typeof (error as NodeJS.ErrnoException).syscall === 'string' &&
    !('type' in (error as object))
  )
}
