import { PlinthError } from '../errors.ts'
import type { CommandContext } from './command.ts'
import { failureOf, renderFailure } from './failure.ts'
import { wantsColour } from './io.ts'
import { parseArguments, type Invocation } from './program.ts'
import { paints } from './render/paint.ts'

/** Runs one command line and returns its exit code. Results go to stdout, everything else to stderr. */
export async function run(argv: readonly string[], context: CommandContext): Promise<number> {
  const { io } = context
  let invocation: Invocation | undefined
  try {
    invocation = await parseArguments(argv)
    const answer = await invocation.run(context)
    const { text, exitCode } = typeof answer === 'string' ? { text: answer, exitCode: 0 } : answer
    io.stdout.write(text)
    return exitCode
  } catch (error) {
    const failure = failureOf(error)
    if (invocation?.progress === 'json') {
      const { exitCode, ...rest } = failure
      const time = new Date(io.now()).toISOString()
      io.stderr.write(`${JSON.stringify({ time, type: 'error', exitCode, ...rest })}\n`)
    } else {
      io.stderr.write(renderFailure(failure, paints(wantsColour(io.stderr, io.env))))
    }
    if (io.env['PLINTH_DEBUG']) io.stderr.write(`${stackOf(error)}\n`)
    return failure.exitCode
  }
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by: ${stackOf(error.cause)}`
  const code = error instanceof PlinthError ? ` [${error.code}]` : ''
  return `${error.stack ?? error.message}${code}${cause}`
}
