import { isPlinthError } from '../errors.ts'
import { IndexProgress } from './index-progress.ts'
import type { Reading, RepositoryDeps } from './repository-deps.ts'

/**
 * Reads the indexes of all sources at once, as one step, and gives them in the order of the sources. The
 * first failure ends the others and is thrown.
 */
export async function readIndexes<Source, Index, Deps extends RepositoryDeps>(
  sources: readonly Source[],
  deps: Deps,
  read: (source: Source, deps: Reading<Deps>) => Promise<readonly Index[]>,
  dateOf: (index: Index) => Date | undefined = () => undefined,
): Promise<readonly Index[]> {
  const progress = new IndexProgress(deps.emit, sources.length)
  const failure = new AbortController()
  const signal = AbortSignal.any([deps.signal, failure.signal])
  const settled = await Promise.allSettled(
    sources.map(async (source) => {
      try {
        return await read(source, { ...deps, progress, signal })
      } catch (error) {
        // one unknown source often comes with more (its updates), and the first of them is to be named
        if (!isPlinthError(error, 'SUITE_NOT_FOUND')) failure.abort(error)
        throw error
      }
    }),
  )
  const failed = settled.find((result) => result.status === 'rejected')
  if (failed !== undefined) {
    progress.fail()
    throw failed.reason
  }
  const indexes = settled.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
  const dates = indexes.flatMap((index) => dateOf(index)?.getTime() ?? [])
  const newest = dates.length === 0 ? undefined : new Date(Math.max(...dates))
  progress.finish({ indexes: indexes.length, newest })
  return indexes
}
