import type { Event } from '../../events.ts'
import { printable, readableDuration } from '../format.ts'
import type { Io } from '../io.ts'
import type { Renderer } from './renderer.ts'
import { amountOf, Steps, type Step } from './step.ts'

/** A step says how far it is this often. */
const reportEvery = 5000

/** Lines that only ever get appended, for logs: no colours, no cursor movement. */
export function plainRenderer(io: Pick<Io, 'stderr' | 'now'>): Renderer {
  const steps = new Steps()
  const reported = new Map<string, number>()
  const line = (step: Step | undefined, text: string): void => {
    io.stderr.write(`${'  '.repeat(step?.depth ?? 0)}${text}\n`)
  }

  const report = (event: Event & { type: 'step-progress' }, now: number): void => {
    const step = steps.progress(event, now)
    if (step === undefined || now - (reported.get(step.id) ?? step.started) < reportEvery) return
    reported.set(step.id, now)
    const share = step.total ? ` (${Math.floor((100 * step.done) / step.total)} %)` : ''
    line(step, `${printable(step.title)}: ${amountOf(step)}${share}`)
  }

  const end = (id: string, how: (step: Step) => string): void => {
    const step = steps.end(id)
    reported.delete(id)
    if (step !== undefined) line(step, `${printable(step.title)}: ${how(step)}`)
  }

  return {
    emit(event) {
      const now = io.now()
      switch (event.type) {
        case 'step-started': {
          const step = steps.start(event, now)
          line(step, `${printable(step.title)} ...`)
          break
        }
        case 'step-progress':
          report(event, now)
          break
        case 'step-finished':
          end(event.id, (step) => {
            const facts = [
              event.cached === true ? 'cached' : '',
              event.detail === undefined ? '' : printable(event.detail),
              readableDuration(now - step.started),
            ]
            return `done (${facts.filter((fact) => fact !== '').join(', ')})`
          })
          break
        case 'step-failed':
          end(event.id, (step) => `failed after ${readableDuration(now - step.started)}`)
          break
        case 'output':
          io.stderr.write(`  | ${printable(event.line)}\n`)
          break
        case 'warning':
          io.stderr.write(`warning: ${printable(event.message)} (${event.code})\n`)
          if (event.hint !== undefined) io.stderr.write(`  hint: ${printable(event.hint)}\n`)
          break
      }
    },
    close() {},
  }
}
