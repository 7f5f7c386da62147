import { isPlinthError, PlinthError } from '../errors.ts'
import { displayUrl, type HttpResponse } from './http.ts'

/** How persistent to be, and the clock and dice it needs. */
export interface RetryPolicy {
  /** how often every mirror is asked before giving up; a round that got further does not count */
  readonly rounds: number
  /** the first pause in milliseconds; each round doubles it */
  readonly delay: number
  /** the longest pause, a server's own Retry-After included */
  readonly maxDelay: number
  readonly now: () => Date
  /** from 0 to 1: spreads the pauses so that many clients do not come back together */
  readonly random: () => number
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

/** How persistent plinth is unless told otherwise: about ten seconds on a mirror that stays silent. */
export const patience = { rounds: 5, delay: 500, maxDelay: 30_000 } as const

export interface RetryDeps {
  readonly retry: RetryPolicy
  readonly signal: AbortSignal
  /** told before each pause */
  readonly onRetry?: ((error: PlinthError, delay: number) => void) | undefined
}

/** One try at one address. */
export interface Attempt {
  readonly url: string
  /** Reports that it failed; throws on errors that no other try can mend. `progressed`: it got further than before. */
  failed(error: unknown, progressed?: boolean): void
}

/**
 * Tries to make, one after the other: every address once, then a pause, then those again whose failure may
 * pass. Leave the loop when a try worked. When nothing is left the iteration throws the last failure.
 */
export async function* attempts(urls: readonly string[], deps: RetryDeps): AsyncGenerator<Attempt> {
  const { retry, signal } = deps
  let live = urls
  let last: PlinthError | undefined
  for (let round = 1; live.length > 0; round++) {
    const again: string[] = []
    let advanced = false
    let wait = 0
    for (const url of live) {
      signal.throwIfAborted()
      yield {
        url,
        failed(error, progressed = false) {
          if (signal.aborted || !isPlinthError(error) || !concernsMirror(error)) throw error
          last = error
          advanced ||= progressed
          if (!isTransient(error)) return
          again.push(url)
          wait = Math.max(wait, Number(error.facts?.['retryAfter'] ?? 0) * 1000)
        },
      }
    }
    live = again
    if (advanced) round = 0
    if (live.length === 0 || round >= retry.rounds || last === undefined || wait > retry.maxDelay)
      break
    const backoff =
      Math.min(retry.maxDelay, retry.delay * 2 ** Math.max(0, round - 1)) *
      (0.5 + retry.random() / 2)
    const pause = Math.max(wait, backoff)
    deps.onRetry?.(last, pause)
    await retry.sleep(pause, signal)
  }
  throw (
    last ??
    new PlinthError('UNREACHABLE', 'cannot get a file: it has no address', {
      hint: 'give at least one mirror',
    })
  )
}

/** The error for an answer that is not what was asked for. */
export function statusError(response: HttpResponse, now: Date): PlinthError {
  const { status } = response
  const retryAfter = parseRetryAfter(response.header('retry-after'), now)
  return new PlinthError(
    'HTTP_STATUS',
    `cannot get ${displayUrl(response.url)}: the server answered ${status}`,
    {
      hint: hintFor(status),
      facts: {
        status,
        url: displayUrl(response.url),
        ...(retryAfter !== undefined && { retryAfter }),
      },
    },
  )
}

function hintFor(status: number): string {
  if (status === 404 || status === 410)
    return 'check the address; the mirror may be incomplete or just changing: try another one'
  if (status === 429)
    return 'the server asks for fewer requests: try again later, or use another mirror'
  if (status === 401 || status === 403 || status === 407)
    return 'the server or a proxy wants credentials or forbids this'
  return 'the server has a problem: try again later, or use another mirror'
}

/** Seconds, or a date (RFC 9110 §10.2.3). */
function parseRetryAfter(value: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/.test(value)) return Number(value)
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, (date - now.getTime()) / 1000)
}

/** Failures that another mirror may not have. */
function concernsMirror(error: PlinthError): boolean {
  return isPlinthError(
    error,
    'UNREACHABLE',
    'HTTP_STATUS',
    'TRANSFER_INCOMPLETE',
    'TRANSFER_TIMEOUT',
    'SIZE_MISMATCH',
    'DIGEST_MISMATCH',
  )
}

/** Failures that the same mirror may not have in a moment. */
function isTransient(error: PlinthError): boolean {
  if (error.code === 'HTTP_STATUS')
    return [408, 425, 429, 500, 502, 503, 504].includes(Number(error.facts?.['status']))
  return isPlinthError(error, 'UNREACHABLE', 'TRANSFER_INCOMPLETE', 'TRANSFER_TIMEOUT')
}
