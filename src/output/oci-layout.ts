import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import {
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../digest.ts'
import { PlinthError } from '../errors.ts'
import type { Image } from '../image.ts'
import { encodeImage } from '../oci/encode-image.ts'
import { emptyIndex, encodeIndex, type ImageIndex, parseIndex } from '../oci/image-index.ts'
import {
  addToIndex,
  blobPath,
  indexFile,
  layoutBytes,
  layoutFile,
  namedDescriptors,
} from '../oci/layout.ts'
import type { Descriptor, Output, OutputDeps, Written } from '../ports.ts'
import { lockFile } from '../store/file-lock.ts'
import { temporaryPath, writeFileAtomically } from './atomic.ts'
import { outputFailure, throwIfAborted } from './failure.ts'
import { asStep, readableSize } from './progress.ts'

/**
 * A directory as OCI image layout (image-spec, image-layout.md). An existing layout keeps its other
 * images; one of the same name and platform gives way. The index is written last, so that whoever reads
 * meanwhile sees the layout as it was or as it is then; a failure removes the blobs it added. Several
 * processes writing to one layout take turns.
 *
 * Throws `OUTPUT_INVALID` when the directory holds something else, `STORE_CORRUPT`, `DISK_FULL`, `IO`.
 */
export function ociLayout(directory: string): Output {
  const id = `output:${directory}`
  return {
    name: 'oci',
    write: (image, deps) =>
      asStep(
        deps.emit,
        {
          id,
          title: `write ${directory}`,
          total: image.layers.reduce((sum, { size }) => sum + size, 0),
        },
        async () => {
          let made = false
          try {
            made = await makeDirectory(directory)
            await using _ = await lockFile(join(directory, lockName), deps.signal)
            return await writeLayout(image, directory, { ...deps, id })
          } catch (error) {
            // only if it is empty: another process may have found it by now
            if (made) await rmdir(directory).catch(() => {})
            throw outputFailure(error, directory)
          }
        },
        ({ size }) => readableSize(size),
      ),
  }
}

async function writeLayout(
  image: Image,
  directory: string,
  deps: OutputDeps & { readonly id: string },
): Promise<Written> {
  const { store, names, emit, signal, id } = deps
  const { manifest, config } = encodeImage(image)
  const sizes = new Map<Digest, number>()
  const added: string[] = []
  type Write = (path: string) => Promise<unknown>
  const place = async ({ digest, size }: Descriptor, write: Write): Promise<void> => {
    throwIfAborted(signal)
    const path = join(directory, blobPath(digest))
    sizes.set(digest, size)
    if (await holds(path, digest, size)) return
    await write(path)
    added.push(path)
  }
  const { index, isNew } = await openLayout(directory)
  try {
    let done = 0
    for (const layer of image.layers) {
      await place(layer, async (path) => linkOrCopy(await store.verified(layer.digest), path))
      emit({ type: 'step-progress', id, done: (done += layer.size) })
    }
    for (const { descriptor, bytes } of [config, manifest]) {
      await place(descriptor, (path) => writeFileAtomically(path, [bytes], signal))
    }
    const next = addToIndex(index, namedDescriptors(manifest.descriptor, names))
    await writeFileAtomically(join(directory, indexFile), [encodeIndex(next)], signal)
  } catch (error) {
    const skeleton = [layoutFile, indexFile, 'blobs'].map((name) => join(directory, name))
    for (const path of isNew ? skeleton : added) await rm(path, { recursive: true, force: true })
    throw error
  }
  const size = [...sizes.values()].reduce((sum, one) => sum + one, 0)
  return { digest: manifest.descriptor.digest, size, path: directory }
}

const lockName = '.plinth.lock'

/** Makes the directory; returns whether it was not there. */
async function makeDirectory(directory: string): Promise<boolean> {
  const first = await mkdir(directory, { recursive: true }).catch(
    (error: NodeJS.ErrnoException) => {
      throw error.code === 'EEXIST' ? notALayout(directory, 'it is a file') : error
    },
  )
  return first !== undefined
}

/** Makes the layout unless it is one already; returns what is in it. */
async function openLayout(directory: string): Promise<{ index: ImageIndex; isNew: boolean }> {
  const mark = await readFile(join(directory, layoutFile), 'utf8').catch(() => undefined)
  if (mark === undefined) {
    const other = (await readdir(directory)).find((name) => !name.startsWith(lockName))
    if (other !== undefined) throw notALayout(directory, `it holds '${other}'`)
    // first, so that a run that is killed leaves an empty layout and not a directory nobody may touch
    await writeFile(join(directory, layoutFile), layoutBytes)
  } else if (!/"imageLayoutVersion"\s*:\s*"1\.0\.0"/.test(mark)) {
    throw notALayout(directory, 'its oci-layout is of another version')
  }
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
  const index = await readFile(join(directory, indexFile)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  return { index: index === undefined ? emptyIndex : parseIndex(index), isNew: mark === undefined }
}

/** Whether the blob is there already, and is itself. */
async function holds(path: string, digest: Digest, size: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found?.size !== size) return false
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return `sha256:${hash.digest('hex')}` === digest
}

async function linkOrCopy(source: string, path: string): Promise<void> {
  const temporary = await temporaryPath(path)
  try {
    // another file system, too many links, or not our file (fs.protected_hardlinks)
    await link(source, temporary).catch(() =>
      copyFile(source, temporary, constants.COPYFILE_FICLONE),
    )
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}

function notALayout(directory: string, why: string): PlinthError {
  return new PlinthError('OUTPUT_INVALID', `cannot write an OCI layout to ${directory}: ${why}`, {
    hint: 'choose an empty or new directory, or an existing layout',
  })
}
