import type { Digest } from '../digest.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import type { Emit } from '../events.ts'
import type { DownloadDeps } from '../http/download.ts'
import type { Http } from '../http/http.ts'
import type { RetryPolicy } from '../http/retry.ts'
import type { Store } from '../ports.ts'
import { quantity } from '../quantity.ts'
import { damageHint } from '../store/failure.ts'

/** A package file to have: what the index says of it and where it may be. */
export interface PackageFile {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly size: number
  readonly urls: readonly string[]
}

/** How a distribution tells its package files apart, and gets one. */
export interface FileKind<Item extends PackageFile> {
  /** the same for packages that are one file */
  readonly keyOf: (item: Item) => string
  /** the file's digest, when that is known; whether it is in the store is another question */
  readonly digestOf: (item: Item) => Promise<Digest | undefined>
  /** Downloads it into the store and verifies it on the way. */
  readonly download: (item: Item, deps: DownloadDeps & { readonly store: Store }) => Promise<Digest>
}

export interface FetchDeps<Item extends PackageFile> {
  readonly kind: FileKind<Item>
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
  readonly onPackage?: ((item: Item, digest: Digest) => void | Promise<void>) | undefined
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
 * The first failure ends everything; what is complete by then stays for the next run. Errors as
 * `deps.kind.download` has them, or what `onPackage` throws.
 */
export async function fetchPackages<Item extends PackageFile>(
  items: readonly Item[],
  deps: FetchDeps<Item>,
): Promise<Fetched> {
  const failure = new AbortController()
  const signal = AbortSignal.any([deps.signal, failure.signal])
  const { kind, store } = deps
  const followers: Promise<void>[] = []
  const landed = async (same: readonly Item[], digest: Digest): Promise<void> => {
    await store.verified(digest)
    for (const item of same) {
      followers.push((async () => deps.onPackage?.(item, digest))().catch(abort))
    }
  }
  const abort = (error: unknown): void => failure.abort(error)

  const wanted = new Map<string, [Item, ...Item[]]>()
  for (const item of items) {
    const key = kind.keyOf(item)
    const same = wanted.get(key)
    if (same === undefined) wanted.set(key, [item])
    else same.push(item)
  }
  const stored = new Map<string, Digest>()
  for (const [key, [item]] of wanted) {
    const digest = await kind.digestOf(item)
    if (digest !== undefined && (await store.has(digest)) !== undefined) stored.set(key, digest)
  }
  const progress = new Progress(deps.emit, {
    missing: [...wanted].flatMap(([key, [item]]) => (stored.has(key) ? [] : [item])),
    cached: stored.size,
  })
  const fetchOne = async (same: readonly [Item, ...Item[]]): Promise<void> => {
    const [item] = same
    if (deps.offline) throw notOffline(item)
    const digest = await kind.download(item, {
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
    })
    await landed(same, digest)
  }
  const fromStore = async (same: readonly [Item, ...Item[]], digest: Digest): Promise<void> => {
    try {
      await landed(same, digest)
    } catch (error) {
      // damaged: the store has dropped it, and it is fetched like the others
      const [item] = same
      if (!isPlinthError(error, 'STORE_CORRUPT')) throw error
      deps.emit({
        type: 'warning',
        code: error.code,
        message: `${item.name} ${item.version} is damaged in the store: fetching it again`,
        hint: damageHint,
      })
      progress.addItem(item)
      await fetchOne(same)
    }
  }
  const tasks = [...wanted].map(([key, same]) => {
    const digest = stored.get(key)
    return digest === undefined ? () => fetchOne(same) : () => fromStore(same, digest)
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
