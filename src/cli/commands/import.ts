import { createReadStream, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { PlinthError } from '../../errors.ts'
import { parsePlatform, platformOfArch } from '../../platform.ts'
import { familiarName, parseImageName } from '../../reference.ts'
import type { CommandContext, ImportOptions } from '../command.ts'
import type { ImportSource } from '../stages.ts'
import { readOutputs } from './outputs.ts'
import { withProgress } from './progress.ts'

/** `plinth import`: prints the digest of the image made of a tar, or with `--json` what was made. */
export async function importCommand(
  given: string,
  name: string | undefined,
  options: ImportOptions,
  context: CommandContext,
): Promise<string> {
  const { io } = context
  const names = [...(name === undefined ? [] : [name]), ...(options.tag ?? [])].map(parseImageName)
  const platform =
    options.platform === undefined ? platformOfArch(io.arch) : parsePlatform(options.platform)
  const { outputs, specs, compression, toStdout } = readOutputs(options, context)
  const source = sourceOf(given, io.cwd)
  const made = await withProgress(options, context, async (deps) => {
    const stages = await context.stages()
    const { change: changes = [], message } = options
    const request = { source, platform, changes, message, names, outputs, compression }
    return stages.import(request, deps)
  })
  if (toStdout) return ''
  if (options.json !== true) return `${made.digest}\n`
  const { digest, size } = made
  const result = { digest, size, platform, names: names.map(familiarName), outputs: specs }
  return `${JSON.stringify(result, undefined, 2)}\n`
}

/** A file, `-` for standard input, or an address. */
function sourceOf(given: string, cwd: string): ImportSource {
  if (given === '-') {
    if (process.stdin.isTTY) {
      throw new PlinthError('USAGE', 'cannot import from the terminal', {
        hint: 'pipe a tar into plinth import -, or name a file',
      })
    }
    return { name: 'standard input', chunks: process.stdin }
  }
  if (/^https?:\/\//i.test(given)) return { url: given }
  const file = path.resolve(cwd, given)
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) {
    throw new PlinthError('IO', `cannot import ${given}: there is no such file`, {
      hint: 'name a tar of a root filesystem, its address, or - for standard input',
    })
  }
  if (found.isDirectory()) {
    throw new PlinthError('IO', `cannot import ${given}: it is a directory`, {
      hint: `make a tar of it: tar -C ${given} --numeric-owner -c . | plinth import -`,
    })
  }
  const size = found.isFile() ? found.size : undefined
  const chunks = createReadStream(file, { highWaterMark: 1024 * 1024 })
  return { name: path.basename(file), chunks, size }
}
