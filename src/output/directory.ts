import { chmod, lstat, mkdir, readdir, realpath, rename, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entry } from '../entry.ts'
import { PlinthError } from '../errors.ts'
import type { Image } from '../image.ts'
import { encodeImage } from '../oci/encode-image.ts'
import { createdSeconds } from '../oci/image.ts'
import type { Output, OutputDeps, Written } from '../ports.ts'
import { layerEntries } from '../rootfs/layer.ts'
import { contentReader } from '../store/content.ts'
import { temporaryPath } from './atomic.ts'
import { outputFailure, throwIfAborted } from './failure.ts'
import { flatten } from './flatten.ts'
import { asStep, readableSize } from './progress.ts'
import { writeSpecialEntries } from './special-entries.ts'
import { finishDirectories, isPlain, writeEntries } from './write-tree.ts'

/** Who writes a directory. */
export interface DirectoryOptions {
  /** Whether owners and devices can be written; default: whether the process is root. */
  readonly privileged?: boolean | undefined
}

/**
 * The image's root filesystem in a directory, which must be absent or empty: written beside it and
 * renamed. As root it is exact. Others get everything but owners, with a warning; what they cannot write at
 * all (devices, privileged extended attributes) is `OUTPUT_INVALID` before anything is written.
 */
export function directory(path: string, options: DirectoryOptions = {}): Output {
  const privileged = options.privileged ?? process.geteuid?.() === 0
  const id = `output:${path}`
  return {
    name: 'dir',
    write: (image, deps) =>
      asStep(
        deps.emit,
        { id, title: `write ${path}`, unit: 'items' },
        () => writeDirectory(image, { path, privileged, id }, deps),
        ({ size }) => readableSize(size),
      ),
  }
}

interface Place {
  readonly path: string
  readonly privileged: boolean
  readonly id: string
}

async function writeDirectory(image: Image, place: Place, deps: OutputDeps): Promise<Written> {
  const { store, signal, emit } = deps
  const target = await emptyTarget(place.path)
  const entries = layerEntries(await flatten(image, { store, signal }), Number.MAX_SAFE_INTEGER)
  if (!place.privileged) checkWritable(entries, place.path, emit)
  const temporary = await temporaryPath(target).catch((error: unknown) => {
    throw outputFailure(error, place.path)
  })
  try {
    await mkdir(temporary, { mode: 0o700 })
    using contents = contentReader(store)
    let done = 0
    const onEntry = (): void => {
      throwIfAborted(signal)
      done += 1
      if (done % 500 === 0)
        emit({ type: 'step-progress', id: place.id, done, total: entries.length })
    }
    const writing = { contents, owners: place.privileged }
    // directories first and links last: the files between may have either writer
    const directories = entries.filter((entry) => entry.type === 'directory')
    const links = entries.filter((entry) => entry.type === 'hardlink')
    const rest = entries.filter((entry) => entry.type !== 'directory' && entry.type !== 'hardlink')
    const special = [...directories, ...rest].filter((entry) => !isPlain(entry))
    await writeEntries(temporary, [...directories, ...rest.filter(isPlain)], {
      ...writing,
      onEntry,
    })
    if (special.length > 0) await writeSpecialEntries(temporary, special, writing)
    await writeEntries(temporary, links, { ...writing, onEntry })
    await finishDirectories(temporary, directories, place.privileged)
    const created = createdSeconds(image.config)
    await utimes(temporary, created, created)
    await chmod(temporary, 0o755)
    throwIfAborted(signal)
    await rename(temporary, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EBUSY') throw error
      throw new PlinthError(
        'OUTPUT_INVALID',
        `cannot write ${place.path}: something is mounted there`,
        {
          cause: error,
          hint: 'name a new directory below it',
        },
      )
    })
  } catch (error) {
    await removeTree(temporary, entries)
    throw outputFailure(error, place.path)
  }
  const size = entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.size : 0), 0)
  return { digest: encodeImage(image).manifest.descriptor.digest, size, path: place.path }
}

/** Removes a tree of ours, also where its directories are closed to their owner by now. */
async function removeTree(root: string, entries: readonly Entry[]): Promise<void> {
  for (const { type, path } of entries) {
    if (type === 'directory') await chmod(join(root, path), 0o700).catch(() => {})
  }
  await rm(root, { recursive: true, force: true })
}

/** The real path to write; a link to an empty directory is followed. */
async function emptyTarget(path: string): Promise<string> {
  const target = (await realpath(path).catch(() => path)).replace(/(?<=.)\/+$/, '')
  const found = await lstat(target).catch(() => undefined)
  if (found === undefined) return target
  const refused = (why: string): PlinthError =>
    new PlinthError('OUTPUT_INVALID', `cannot write a root filesystem to ${path}: ${why}`, {
      hint: 'choose a new or empty directory',
    })
  if (!found.isDirectory()) throw refused('it is not a directory')
  const [first] = await readdir(target)
  if (first !== undefined) throw refused(`it is not empty, it holds '${first}'`)
  return target
}

/** Refuses what only root can write, and says what will be missing of the rest. */
function checkWritable(entries: readonly Entry[], path: string, emit: OutputDeps['emit']): void {
  const device = entries.find(({ type }) => type === 'character' || type === 'block')
  const attributed = entries.find(({ xattrs }) =>
    [...(xattrs?.keys() ?? [])].some((key) => !key.startsWith('user.')),
  )
  const impossible = device ?? attributed
  if (impossible !== undefined) {
    throw new PlinthError(
      'OUTPUT_INVALID',
      `cannot write a root filesystem to ${path}: only root can make '${impossible.path}' (${device ? 'a device' : 'privileged extended attributes'})`,
      { hint: 'write type=rootfs,dest=rootfs.tar, which keeps everything, or run as root' },
    )
  }
  emit({
    type: 'warning',
    code: 'OWNERS_NOT_KEPT',
    message: `owners are not kept in ${path}: everything will belong to you, as only root can give files away`,
    hint: 'write type=rootfs,dest=rootfs.tar to keep owners, or run as root',
  })
}
