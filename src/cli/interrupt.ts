import { exitCodes, PlinthError } from '../errors.ts'

/** The part of `process` that is needed, so that a test can be one. */
export interface SignalSource {
  on(signal: Forwarded, listener: (signal: Forwarded) => void): unknown
  off(signal: Forwarded, listener: (signal: Forwarded) => void): unknown
  exit(code: number): void
}

/** What a program started by plinth can be sent through it. */
export type Forwarded = (typeof stopping)[number] | (typeof others)[number]

const stopping = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const others = ['SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

/** What follows a person's wish to stop. */
export interface Interruptible {
  /** aborted by the first signal; its reason is `INTERRUPTED` */
  readonly signal: AbortSignal
  readonly onForcedExit: (restore: () => void) => void
  /** From now on signals mean somebody else: `listener` gets them, until the returned function is called. */
  readonly forward: (listener: (signal: Forwarded) => void) => () => void
}

/**
 * The first SIGINT, SIGTERM or SIGHUP asks for an orderly end: everything is undone, then plinth exits
 * with 130. The second ends it at once, after what `onForcedExit` registered.
 */
export function interruptible(source: SignalSource): Interruptible {
  const controller = new AbortController()
  const restores: (() => void)[] = []
  let forwarding: ((signal: Forwarded) => void) | undefined
  for (const name of stopping) {
    source.on(name, () => {
      if (forwarding !== undefined) {
        forwarding(name)
        return
      }
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
  return {
    signal: controller.signal,
    onForcedExit: (restore) => restores.push(restore),
    forward(listener) {
      forwarding = listener
      // otherwise these keep what the system does on them
      for (const name of others) source.on(name, listener)
      return () => {
        forwarding = undefined
        for (const name of others) source.off(name, listener)
      }
    },
  }
}
