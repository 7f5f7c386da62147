import type { Io } from '../io.ts'
import type { Renderer } from './renderer.ts'

/** One event a line, as it is, with the time it came. */
export function jsonRenderer(io: Pick<Io, 'stderr' | 'now'>): Renderer {
  return {
    emit(event) {
      const time = new Date(io.now()).toISOString()
      io.stderr.write(`${JSON.stringify({ time, ...event })}\n`)
    },
    close() {},
  }
}
