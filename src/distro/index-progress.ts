import type { Emit } from '../events.ts'
import { quantity } from '../quantity.ts'

/** The step of reading indexes: every byte that is fetched counts, what is known already does not. */
export class IndexProgress {
  readonly #emit: Emit
  #total = 0
  #done = 0
  #told = 0

  constructor(emit: Emit, suites: number) {
    this.#emit = emit
    const title = `verify ${quantity(suites, 'package source')}`
    emit({ type: 'step-started', id: 'indexes', title, unit: 'bytes' })
  }

  /** So many bytes more are going to be fetched. */
  expect(count: number): void {
    this.#total += count
  }

  /** So many arrived; negative when they have to be fetched again. */
  add(count: number, detail: string): void {
    this.#done += count
    // a renderer has no use for every packet
    if (this.#done !== this.#total && Math.abs(this.#done - this.#told) < 128 * 1024) return
    this.#told = this.#done
    this.#emit({
      type: 'step-progress',
      id: 'indexes',
      done: this.#done,
      total: this.#total,
      detail,
    })
  }

  finish({
    indexes,
    newest,
  }: {
    readonly indexes: number
    readonly newest: Date | undefined
  }): void {
    const date = newest === undefined ? '' : ` up to ${newest.toISOString().slice(0, 10)}`
    const fetched = this.#done === 0 ? '' : `, ${(this.#done / 1e6).toFixed(1)} MB fetched`
    this.#emit({
      type: 'step-finished',
      id: 'indexes',
      cached: this.#done === 0,
      detail: `${quantity(indexes, 'index', 'indexes')}${date}${fetched}`,
    })
  }

  fail(): void {
    this.#emit({ type: 'step-failed', id: 'indexes' })
  }
}
