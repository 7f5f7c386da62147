import { createReadStream } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { readTar } from '../archive/tar-read.ts'
import type { Descriptor } from '../descriptor.ts'
import { sha256, type Digest } from '../digest.ts'
import { PlinthError } from '../errors.ts'
import type { Image } from '../image.ts'
import { parseIndex } from '../oci/image-index.ts'
import { blobPath, indexFile } from '../oci/layout.ts'
import { parseImage } from '../oci/parse-image.ts'

/** One image of a file or folder. */
export interface FoundImage {
  /** what it is called there */
  readonly names: readonly string[]
  /** of its manifest */
  readonly digest: Digest
  readonly image: Image
}

/** A named place for bytes: an OCI layout as a folder, or one in a tar archive. */
export interface ImageFile {
  readonly images: readonly FoundImage[]
  /** A blob's bytes, unverified, as they come. */
  blob(digest: Digest): AsyncIterable<Uint8Array>
}

/**
 * Opens an OCI layout in a folder or a tar archive (`plinth build -o`, `docker save` since 25, `skopeo copy
 * oci-archive:`). Manifests and configs are verified. Throws `IO` when it is not there, `IMAGE_INVALID`
 * when it is no such thing, `DIGEST_MISMATCH`, `ARCHIVE_INVALID`.
 */
export async function openImageFile(file: string): Promise<ImageFile> {
  const found = await stat(file).catch((cause: unknown) => {
    throw new PlinthError('IO', `cannot read ${file}: there is no such file`, { cause })
  })
  const source = found.isDirectory() ? folder(file) : await archive(file)
  const index = await source.read(indexFile)
  if (index === undefined) {
    throw new PlinthError('IMAGE_INVALID', `cannot read ${file}: it has no ${indexFile}`, {
      hint: 'an image is an OCI layout, as a folder or in one tar archive',
    })
  }
  const blob = async ({ digest }: Descriptor): Promise<Uint8Array> => {
    const bytes = await source.read(blobPath(digest))
    if (bytes === undefined) {
      throw new PlinthError('IMAGE_INVALID', `cannot read ${file}: blob ${digest} is not in it`)
    }
    const actual = sha256(bytes)
    if (actual === digest) return bytes
    throw new PlinthError('DIGEST_MISMATCH', `cannot use ${file}: blob ${digest} is ${actual}`)
  }
  return {
    images: await readImages(index, blob),
    blob: (digest) => source.stream(blobPath(digest)),
  }
}

async function readImages(
  index: Uint8Array,
  blob: (descriptor: Descriptor) => Promise<Uint8Array>,
): Promise<readonly FoundImage[]> {
  const names = new Map<Digest, Set<string>>()
  const images = new Map<Digest, FoundImage>()
  const read = async (descriptor: Descriptor, inherited: readonly string[]): Promise<void> => {
    const called = [...inherited, ...nameOf(descriptor)]
    const bytes = await blob(descriptor)
    if (/index|manifest\.list/.test(descriptor.mediaType)) {
      for (const inner of parseIndex(bytes).manifests) await read(inner, called)
      return
    }
    // build attestations stand beside images as if they were some (buildx)
    if (descriptor.platform?.os === 'unknown') return
    names.set(descriptor.digest, new Set([...(names.get(descriptor.digest) ?? []), ...called]))
    if (images.has(descriptor.digest)) return
    const { config } = JSON.parse(Buffer.from(bytes).toString()) as { config: Descriptor }
    const image = parseImage({ manifest: bytes, config: await blob(config) })
    images.set(descriptor.digest, { names: [], digest: descriptor.digest, image })
  }
  for (const descriptor of parseIndex(index).manifests) await read(descriptor, [])
  return [...images.values()].map((found) => ({
    ...found,
    names: [...(names.get(found.digest) ?? [])].toSorted(),
  }))
}

function nameOf({ annotations = {} }: Descriptor): readonly string[] {
  const name =
    annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name']
  return name === undefined ? [] : [name]
}

interface Source {
  read(name: string): Promise<Uint8Array | undefined>
  stream(name: string): AsyncIterable<Uint8Array>
}

function folder(root: string): Source {
  return {
    async read(name) {
      try {
        return await readFile(path.join(root, name))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    stream: (name) => createReadStream(path.join(root, name)),
  }
}

/** Walks the archive once for where things are; contents are read from there when they are wanted. */
async function archive(file: string): Promise<Source> {
  const members = new Map<string, { readonly offset: number; readonly size: number }>()
  for await (const { type, name, offset, size } of readTar(createReadStream(file), file)) {
    if (type === 'file') members.set(name.replace(/^\.\//, ''), { offset, size })
  }
  return {
    async read(name) {
      const member = members.get(name)
      if (member === undefined) return undefined
      if (member.size > maxDocument) {
        throw new PlinthError(
          'IMAGE_INVALID',
          `cannot read ${file}: ${name} is ${member.size} bytes`,
        )
      }
      await using handle = await open(file)
      const { buffer } = await handle.read({
        buffer: Buffer.alloc(member.size),
        position: member.offset,
      })
      return buffer
    },
    stream(name) {
      const member = members.get(name)
      if (member === undefined) {
        throw new PlinthError('IMAGE_INVALID', `cannot read ${file}: ${name} is not in it`)
      }
      if (member.size === 0) return createReadStream('/dev/null')
      return createReadStream(file, { start: member.offset, end: member.offset + member.size - 1 })
    },
  }
}

/** Index, manifest and config: registries allow 4 MiB */
const maxDocument = 8 * 1024 * 1024
