import type { Emit } from '../../events.ts'
import { wantsColour, type Io } from '../io.ts'
import { jsonRenderer } from './json.ts'
import { plainRenderer } from './plain.ts'
import { ttyRenderer } from './tty.ts'

/** Shows events to a person or a program, on standard error. */
export interface Renderer {
  readonly emit: Emit
  /** Leaves the terminal as it was; nothing may be emitted afterwards. */
  close(): void
}

export const progressModes = ['auto', 'tty', 'plain', 'json'] as const
export type ProgressMode = (typeof progressModes)[number]

/** `auto` draws on a terminal and writes plain lines everywhere else, CI included. */
export function openRenderer(mode: ProgressMode, io: Io): Renderer {
  const draws = io.stderr.isTTY && !io.env['CI'] && io.env['TERM'] !== 'dumb'
  const kinds = {
    json: () => jsonRenderer(io),
    plain: () => plainRenderer(io),
    tty: () => ttyRenderer(io, { colour: wantsColour(io.stderr, io.env) }),
  }
  return kinds[mode === 'auto' ? (draws ? 'tty' : 'plain') : mode]()
}
