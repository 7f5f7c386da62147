import type { Emit } from '../../events.ts'

/** Shows events to a person or a program, on standard error. */
export interface Renderer {
  readonly emit: Emit
  /** Leaves the terminal as it was; nothing may be emitted afterwards. */
  close(): void
}

export const progressModes = ['auto', 'tty', 'plain', 'json'] as const
export type ProgressMode = (typeof progressModes)[number]
