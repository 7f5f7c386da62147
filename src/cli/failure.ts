import { exitCodes, PlinthError, type ErrorCode } from '../errors.ts'
import { printable } from './format.ts'
import type { Paint } from './render/paint.ts'

/** A failure as people and programs are told. */
export interface Failure {
  readonly code: ErrorCode
  readonly exitCode: number
  readonly message: string
  readonly hint: string | undefined
  /** what led to it, nearest first */
  readonly causes: readonly string[]
  readonly facts: Readonly<Record<string, unknown>> | undefined
}

/** Whatever was thrown, as a failure: errors of the system are `IO`, what nobody foresaw `INTERNAL`. */
export function failureOf(error: unknown): Failure {
  const code = codeOf(error)
  const plinth = error instanceof PlinthError ? error : undefined
  const message = messageOf(error)
  return {
    code,
    exitCode: exitCodes[code],
    message: code === 'INTERNAL' && plinth === undefined ? `internal error: ${message}` : message,
    hint:
      plinth?.hint ??
      (code === 'INTERNAL' ? 'this is a bug in plinth; PLINTH_DEBUG=1 shows where' : undefined),
    causes: causesOf(error),
    facts: plinth?.facts,
  }
}

/** One block: what could not be done, what led to it, what to do next. */
export function renderFailure(failure: Failure, paint: Paint): string {
  const [first = '', ...rest] = failure.message.split('\n').map(printable)
  const lines = [
    `${paint.red('plinth:')} ${first}${rest.length === 0 ? ` ${paint.dim(`(${failure.code})`)}` : ''}`,
    ...rest.map((line, index) =>
      index === rest.length - 1 ? `${line} ${paint.dim(`(${failure.code})`)}` : line,
    ),
    ...failure.causes.map((cause) => paint.dim(`  because: ${cause}`)),
    ...(failure.hint === undefined ? [] : [`  ${paint.bold('hint:')} ${printable(failure.hint)}`]),
  ]
  return `${lines.join('\n')}\n`
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof PlinthError) return error.code
  if (error instanceof Error && error.name === 'AbortError') return 'INTERRUPTED'
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'DISK_FULL'
  return typeof syscall === 'string' ? 'IO' : 'INTERNAL'
}

/** At most three, and none that only says again what was said. */
function causesOf(error: unknown): readonly string[] {
  const said = [messageOf(error)]
  const seen = new Set([error])
  let at = error instanceof Error ? error.cause : undefined
  while (at !== undefined && at !== null && !seen.has(at) && said.length < 4) {
    seen.add(at)
    const message = printable(messageOf(at).split('\n', 1)[0] ?? '')
    if (message !== '' && !said.some((before) => before.includes(message))) said.push(message)
    at = at instanceof Error ? at.cause : undefined
  }
  return said.slice(1)
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return messageOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
