import type { Output } from '../ports.ts'
import { imageArchive } from './archive-stream.ts'
import { writeTarget, type OutputTarget } from './target.ts'
import { asStep, counted, readableSize } from './progress.ts'

/**
 * One `.tar` for `docker load`, `podman load`, skopeo and umoci alike: OCI layout and docker-archive in
 * one (see `imageArchive`). Throws `STORE_CORRUPT`, `OUTPUT_INVALID`, `DISK_FULL`, `IO`, `INTERRUPTED`.
 */
export function archive(target: OutputTarget): Output {
  const path = typeof target === 'string' ? target : undefined
  const id = `output:${path ?? '-'}`
  return {
    name: 'archive',
    write(image, { store, names, emit, signal }) {
      const { encoded, size: total, chunks } = imageArchive(image, { store, names })
      return asStep(
        emit,
        { id, title: `write ${path ?? 'the archive'}`, total },
        async () => ({
          digest: encoded.manifest.descriptor.digest,
          size: await writeTarget(target, counted(chunks(), emit, id), signal),
          path,
        }),
        ({ size }) => readableSize(size),
      )
    },
  }
}
