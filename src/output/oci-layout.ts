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
  stat,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../digest.ts'
import { PlinthError } from '../errors.ts'
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
import type { Output } from '../ports.ts'
import { temporaryPath, writeFileAtomically } from './atomic.ts'
import { outputFailure, throwIfAborted } from './failure.ts'
import { asStep, readableSize } from './progress.ts'

/**
 * A directory as OCI image layout (image-spec, image-layout.md). An existing layout keeps its other
 * images; one of the same name and platform gives way. The index is written last, so that whoever reads
 * meanwhile sees the layout as it was or as it is then; a failure removes the blobs it added.
 *
 * Throws `OUTPUT_INVALID` when the directory holds something else, `STORE_CORRUPT`, `DISK_FULL`, `IO`.
 */
export function ociLayout(directory: string): Output {
  const id = `output:${directory}`
  return {
    name: 'oci',
    write: (image, { store, names, emit, signal }) =>
      asStep(
        emit,
        {
          id,
          title: `write ${directory}`,
          total: image.layers.reduce((sum, { size }) => sum + size, 0),
        },
        async () => {
          const { manifest, config } = encodeImage(image)
          const sizes = new Map<Digest, number>()
          const added: string[] = []
          const existed = await stat(directory).then(
            () => true,
            () => false,
          )
          try {
            const index = await openLayout(directory)
            const place = async (
              digest: Digest,
              size: number,
              write: (path: string) => Promise<void>,
            ): Promise<void> => {
              throwIfAborted(signal)
              const path = join(directory, blobPath(digest))
              sizes.set(digest, size)
              if (await holds(path, digest, size)) return
              await write(path)
              added.push(path)
            }
            let done = 0
            for (const { digest, size } of image.layers) {
              await place(digest, size, async (path) =>
                linkOrCopy(await store.verified(digest), path),
              )
              emit({ type: 'step-progress', id, done: (done += size) })
            }
            for (const { descriptor, bytes } of [config, manifest]) {
              await place(descriptor.digest, descriptor.size, async (path) => {
                await writeFileAtomically(path, [bytes], signal)
              })
            }
            const next = addToIndex(index, namedDescriptors(manifest.descriptor, names))
            await writeFileAtomically(join(directory, indexFile), [encodeIndex(next)], signal)
          } catch (error) {
            for (const path of existed ? added : [directory])
              await rm(path, { recursive: true, force: true })
            throw outputFailure(error, directory)
          }
          const size = [...sizes.values()].reduce((sum, one) => sum + one, 0)
          return { digest: manifest.descriptor.digest, size, path: directory }
        },
        ({ size }) => readableSize(size),
      ),
  }
}

/** Makes the layout unless it is one already; returns what is in it. */
async function openLayout(directory: string): Promise<ImageIndex> {
  await mkdir(directory, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? notALayout(directory, 'it is a file') : error
  })
  const mark = await readFile(join(directory, layoutFile), 'utf8').catch(() => undefined)
  if (mark === undefined) {
    const [other] = await readdir(directory)
    if (other !== undefined) throw notALayout(directory, `it holds '${other}'`)
    // first, so that a run that is killed leaves an empty layout and not a directory nobody may touch
    await writeFile(join(directory, layoutFile), layoutBytes)
  }
  if (mark !== undefined && !/"imageLayoutVersion"\s*:\s*"1\.0\.0"/.test(mark))
    throw notALayout(directory, 'its oci-layout is of another version')
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
  const index = await readFile(join(directory, indexFile)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  return index === undefined ? emptyIndex : parseIndex(index)
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
