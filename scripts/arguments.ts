import process from 'node:process'
import { parseArgs, type ParseArgsConfig } from 'node:util'

/** What a script cannot do, in words for people: shown without a stack. */
export class ScriptError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/**
 * Reads a script's arguments. `--help` prints the usage and ends the process with 0; what the script does not
 * know, or a value that is missing, is said in one line beside the usage, with 64.
 */
export function readArguments<const Config extends ParseArgsConfig>(
  usage: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  const args = process.argv.slice(2)
  const end = args.indexOf('--')
  const own = end === -1 ? args : args.slice(0, end)
  if (own.includes('--help') || own.includes('-h')) {
    process.stdout.write(usage)
    process.exit(0)
  }
  try {
    return parseArgs(config)
  } catch (error) {
    const [first] = (error as Error).message.split('. ')
    process.stderr.write(`error: ${first}\n\n${usage}`)
    process.exit(64)
  }
}

/** A whole number an option must be, at least `least`. */
export function wholeNumber(option: string, text: string, least = 0): number {
  if (/^\d{1,15}$/.test(text) && Number(text) >= least) return Number(text)
  throw new ScriptError(`--${option} is '${text}', not a whole number from ${least} on`, 64)
}

/** The words of a list; each must be one of `known`, where that is given. */
export function words<Word extends string = string>(
  option: string,
  texts: readonly string[],
  known?: readonly Word[],
): readonly Word[] {
  const all = texts.flatMap((text) => text.split(',')).filter((word) => word !== '') as Word[]
  const unknown = known && all.find((word) => !known.includes(word))
  if (unknown !== undefined)
    throw new ScriptError(`--${option} knows ${known!.join(', ')}, not '${unknown}'`, 64)
  if (all.length === 0) throw new ScriptError(`--${option} names nothing`, 64)
  return all
}

/** Runs a script to its end: exit code 0 when `main` says that all is well, 1 when not. */
export async function runScript(main: () => Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await main()) ? 0 : 1
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error
    process.stderr.write(`error: ${error.message}\n`)
    process.exitCode = error.exitCode
  }
}
