import { exitCodes, PlinthError } from '../errors.ts'

/** The part of `process` that is needed, so that a test can be one. */
export interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: (signal: string) => void): unknown
  exit(code: number): void
}

/** What follows a person's wish to stop. */
export interface Interruptible {
  /** aborted by the first signal; its reason is `INTERRUPTED` */
  readonly signal: AbortSignal
  readonly onForcedExit: (restore: () => void) => void
}

/**
 * The first SIGINT, SIGTERM or SIGHUP asks for an orderly end: everything is undone, then plinth exits
 * with 130. The second ends it at once, after what `onForcedExit` registered.
 */
export function interruptible(source: SignalSource): Interruptible {
  const controller = new AbortController()
  const restores: (() => void)[] = []
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    source.on(name, () => {
      if (!controller.signal.aborted) {
        controller.abort(
          new PlinthError('INTERRUPTED', `interrupted by ${name}`, {
            hint: 'what was fetched is kept; run the same command again to go on',
          }),
        )
        return
      }
      for (const restore of restores) restore()
      source.exit(exitCodes.INTERRUPTED)
    })
  }
  return { signal: controller.signal, onForcedExit: (restore) => restores.push(restore) }
}
