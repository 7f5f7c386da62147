import type { Digest } from '../../digest.ts'
import { isPlinthError, PlinthError } from '../../errors.ts'
import type { Emit } from '../../events.ts'
import { download } from '../../http/download.ts'
import type { Http } from '../../http/http.ts'
import type { RetryPolicy } from '../../http/retry.ts'
import type { Store } from '../../ports.ts'
import { quantity } from '../../quantity.ts'
import { damageHint } from '../../store/failure.ts'

/** A package file to have: what the index says of it and where it may be. */
export interface PackageFile {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly digest: Digest
  readonly size: number
  readonly urls: readonly string[]
}

export interface FetchDeps<Item extends PackageFile> {
  readonly http: Http
  readonly store: Store
  readonly retry: RetryPolicy
  readonly emit: Emit
  readonly signal: AbortSignal
  /** downloads at once; default 8 */
  readonly parallel?: number | undefined
  /** ask no network: what is missing is `UNREACHABLE` */
  readonly offline?: boolean | undefined
  /**
   * Called once for each item as its verified blob is there, so that unpacking overlaps with fetching;
   * downloads do not wait for it, the whole does.
   */
  readonly onPackage?: ((item: Item, path: string) => void | Promise<void>) | undefined
}

/** What it took. */
export interface Fetched {
  readonly downloaded: number
  readonly downloadedBytes: number
  /** those that were in the store */
  readonly cached: number
}

/**
 * Brings packages into the store, several at once and in the order given; what is not there is downloaded.
 * The first failure ends everything; what is complete by then stays for the next run. Errors as `download`
 * has them, or what `onPackage` throws.
 */
export async function fetchPackages<Item extends PackageFile>(
  items: readonly Item[],
  deps: FetchDeps<Item>,
): Promise<Fetched> {
  const failure = new AbortController()
  const signal = AbortSignal.any([deps.signal, failure.signal])
  const followers: Promise<void>[] = []
  const landed = async (same: readonly Item[], digest: Digest): Promise<void> => {
    const path = await deps.store.verified(digest)
    for (const item of same) {
      followers.push((async () => deps.onPackage?.(item, path))().catch(abort))
    }
  }
  const abort = (error: unknown): void => failure.abort(error)

  const wanted = new Map<Digest, Item[]>()
  for (const item of items) wanted.set(item.digest, [...(wanted.get(item.digest) ?? []), item])
  const missing = new Map<Digest, Item>()
  for (const [digest, [item]] of wanted) {
    if (item !== undefined && (await deps.store.has(digest)) === undefined)
      missing.set(digest, item)
  }
  const progress = new Progress(deps.emit, {
    missing: [...missing.values()],
    cached: wanted.size - missing.size,
  })
  const fetchOne = async (item: Item): Promise<void> => {
    if (deps.offline) throw notOffline(item)
    await download(
      {
        name: `${item.name} ${item.version}`,
        urls: item.urls,
        size: item.size,
        digest: item.digest,
      },
      {
        ...deps,
        signal,
        onBytes: (count) => progress.add(count, item.name),
        onRetry: (error) =>
          deps.emit({
            type: 'warning',
            code: error.code,
            message: error.message,
            hint: 'trying again',
          }),
      },
    )
    await landed(wanted.get(item.digest) ?? [], item.digest)
  }
  const fromStore = async (digest: Digest): Promise<void> => {
    const same = wanted.get(digest) ?? []
    try {
      await landed(same, digest)
    } catch (error) {
      // damaged: the store has dropped it, and it is fetched like the others
      const [item] = same
      if (!isPlinthError(error, 'STORE_CORRUPT') || item === undefined) throw error
      deps.emit({
        type: 'warning',
        code: error.code,
        message: `${item.name} ${item.version} is damaged in the store: fetching it again`,
        hint: damageHint,
      })
      progress.addItem(item)
      await fetchOne(item)
    }
  }
  const tasks = [...wanted.keys()].map((digest) => {
    const item = missing.get(digest)
    return item === undefined ? () => fromStore(digest) : () => fetchOne(item)
  })
  await inParallel(tasks, { parallel: deps.parallel ?? 8, signal, abort })
  await Promise.all(followers)
  if (signal.aborted) {
    progress.fail()
    throw signal.reason
  }
  return progress.finish()
}

/** Runs tasks until all are done or one has failed; resolves when none runs any more. */
async function inParallel(
  tasks: readonly (() => Promise<void>)[],
  {
    parallel,
    signal,
    abort,
  }: { parallel: number; signal: AbortSignal; abort: (error: unknown) => void },
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let task = tasks[next++]; task !== undefined && !signal.aborted; task = tasks[next++]) {
      await task().catch(abort)
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, tasks.length) }, lane))
}

function notOffline(item: PackageFile): PlinthError {
  return new PlinthError(
    'UNREACHABLE',
    `cannot fetch ${item.name} ${item.version} offline: it is not in the store`,
    {
      hint: 'run once without --offline',
    },
  )
}

/** One step with every byte counted. */
class Progress {
  readonly #emit: Emit
  #cached: number
  #count: number
  #total: number
  #done = 0
  #told = 0

  constructor(
    emit: Emit,
    { missing, cached }: { missing: readonly PackageFile[]; cached: number },
  ) {
    this.#emit = emit
    this.#cached = cached
    this.#count = missing.length
    this.#total = missing.reduce((sum, { size }) => sum + size, 0)
    const title = `fetch ${quantity(missing.length + cached, 'package')}`
    emit({ type: 'step-started', id: 'fetch', title, total: this.#total, unit: 'bytes' })
  }

  /** A cached package turned out to be damaged. */
  addItem({ size }: PackageFile): void {
    this.#count++
    this.#cached--
    this.#total += size
  }

  add(count: number, name: string): void {
    this.#done += count
    // a renderer has no use for every packet
    if (this.#done !== this.#total && Math.abs(this.#done - this.#told) < 128 * 1024) return
    this.#told = this.#done
    this.#emit({
      type: 'step-progress',
      id: 'fetch',
      done: this.#done,
      total: this.#total,
      detail: name,
    })
  }

  finish(): Fetched {
    this.#emit({
      type: 'step-finished',
      id: 'fetch',
      cached: this.#count === 0,
      detail: this.#summary(),
    })
    return { downloaded: this.#count, downloadedBytes: this.#total, cached: this.#cached }
  }

  #summary(): string {
    if (this.#count === 0) return 'all in the store'
    const megabytes = `${(this.#total / 1e6).toFixed(1)} MB`
    if (this.#cached === 0) return megabytes
    return `${this.#count} fetched, ${megabytes}, ${this.#cached} in the store`
  }

  fail(): void {
    this.#emit({ type: 'step-failed', id: 'fetch' })
  }
}
