import { displayUrl } from '../http/http.ts'
import { openStream } from '../http/stream.ts'
import type { BuildDeps } from '../pipeline/build.ts'
import { configOf } from '../pipeline/changes.ts'
import { importTar } from '../pipeline/import.ts'
import type { ImportRequest, Stages } from './stages.ts'

/** What `docker import` says of a file or a stream; the same for every source, so that the digest is the tar's. */
const defaultMessage = 'Imported from -'

/** Makes an image of a tar, wherever that comes from. */
export async function importStage(
  request: ImportRequest,
  epoch: number | undefined,
  deps: BuildDeps,
): ReturnType<Stages['import']> {
  const { source, message = defaultMessage } = request
  const config = configOf(request.changes)
  const opened =
    'url' in source
      ? { source: displayUrl(source.url), ...(await openStream(source.url, deps)) }
      : { source: source.name, chunks: source.chunks, size: source.size }
  const { image, digest } = await importTar({ ...request, ...opened, config, message, epoch }, deps)
  return { digest, size: image.layers.reduce((sum, layer) => sum + layer.size, 0) }
}
