import { wantsColour, type Io } from '../io.ts'
import { jsonRenderer } from './json.ts'
import { plainRenderer } from './plain.ts'
import type { ProgressMode, Renderer } from './renderer.ts'
import { ttyRenderer } from './tty.ts'

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
