import type { Event } from '../../events.ts'
import { readableSize } from '../../output/progress.ts'

/** A running step, as renderers remember it. */
export interface Step {
  readonly id: string
  readonly title: string
  readonly depth: number
  readonly unit: 'bytes' | 'items'
  readonly started: number
  done: number
  total: number | undefined
  detail: string | undefined
  /** the last seconds, oldest first: what the rate is judged by */
  readonly samples: { readonly at: number; readonly done: number }[]
}

/** The running steps, oldest first. */
export class Steps {
  readonly #running = new Map<string, Step>()

  get running(): readonly Step[] {
    return [...this.#running.values()]
  }

  start(event: Event & { type: 'step-started' }, now: number): Step {
    const parent = event.parent === undefined ? undefined : this.#running.get(event.parent)
    const step: Step = {
      id: event.id,
      title: event.title,
      depth: parent === undefined ? 0 : parent.depth + 1,
      unit: event.unit ?? 'items',
      started: now,
      done: 0,
      total: event.total,
      detail: undefined,
      samples: [{ at: now, done: 0 }],
    }
    this.#running.set(step.id, step)
    return step
  }

  progress(event: Event & { type: 'step-progress' }, now: number): Step | undefined {
    const step = this.#running.get(event.id)
    if (step === undefined) return undefined
    step.done = event.done
    step.total = event.total ?? step.total
    step.detail = event.detail ?? step.detail
    const last = step.samples.at(-1)
    if (last === undefined || now - last.at >= sampleEvery)
      step.samples.push({ at: now, done: event.done })
    while ((step.samples[1]?.at ?? now) < now - window) step.samples.shift()
    return step
  }

  end(id: string): Step | undefined {
    const step = this.#running.get(id)
    this.#running.delete(id)
    return step
  }
}

const sampleEvery = 200
const window = 5000

/** Units a second over the last seconds; undefined while that says nothing. */
export function rateOf(step: Step, now: number): number | undefined {
  const [first] = step.samples
  if (first === undefined || now - first.at < 500 || step.done <= first.done) return undefined
  return ((step.done - first.done) * 1000) / (now - first.at)
}

/** `12.3 MB of 39.3 MB`, `12 of 78`; empty before anything is done. */
export function amountOf(step: Step): string {
  if (step.done === 0 && step.total === undefined) return ''
  const show = step.unit === 'bytes' ? readableSize : String
  // totals may be estimates: what is done is never more than all
  if (step.total === undefined) return show(step.done)
  return `${show(step.done)} of ${show(Math.max(step.total, step.done))}`
}
