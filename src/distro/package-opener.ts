import type { Digest } from '../digest.ts'

/** Opens one package by its file in the store; what it gives to `later` is done when there is time for it. */
export type OpenPackage<Item, Opened> = (
  item: Item,
  file: Digest,
  later: (work: () => Promise<void>) => void,
) => Promise<Opened>

/** Opens packages as their files arrive, a few at a time, those first that come first. */
export class PackageOpener<Item, Opened> {
  readonly #open: OpenPackage<Item, Opened>
  readonly #signal: AbortSignal
  readonly #results = new Map<Item, PromiseWithResolvers<Opened>>()
  readonly #arrived = new Map<Item, Digest>()
  readonly #running = new Set<Promise<void>>()
  readonly #later: (() => Promise<void>)[] = []

  constructor(items: readonly Item[], signal: AbortSignal, open: OpenPackage<Item, Opened>) {
    this.#open = open
    this.#signal = signal
    for (const item of items) {
      const result = withResolvers<Opened>()
      // whoever reads the result is told; nobody may be reading yet
      result.promise.catch(() => {})
      this.#results.set(item, result)
    }
  }

  /** The item's file is in the store now. */
  add(item: Item, file: Digest): void {
    this.#arrived.set(item, file)
    if (this.#running.size >= slots) return
    const work = this.#work().finally(() => this.#running.delete(work))
    this.#running.add(work)
  }

  /** No file will come any more. */
  fail(error: unknown): void {
    for (const { reject } of this.#results.values()) reject(error)
  }

  /** Does what was left for later. Throws what that throws. */
  async finish(): Promise<void> {
    for (const work of this.#later.splice(0)) await work()
  }

  /** Resolves when nothing is being opened any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#running)
  }

  /** Every item, in its order, as it gets ready. */
  get opened(): ReadonlyMap<Item, Promise<Opened>> {
    return new Map([...this.#results].map(([item, { promise }]) => [item, promise]))
  }

  async #work(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { item, file, result } = next
      this.#arrived.delete(item)
      try {
        this.#signal.throwIfAborted()
        result.resolve(await this.#open(item, file, (work) => this.#later.push(work)))
      } catch (error) {
        result.reject(error)
      }
    }
  }

  #next() {
    for (const [item, result] of this.#results) {
      const file = this.#arrived.get(item)
      if (file !== undefined) return { item, file, result }
    }
    return undefined
  }
}

/**
 * Decompression runs on Node's thread pool of four threads; one stays free for reading and writing. More than
 * two also where there are two processors: each waits for the main thread now and then.
 */
const slots = 3

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
