import { existsSync } from 'node:fs'
import path from 'node:path'
import { isatty } from 'node:tty'
import { PlinthError } from '../../errors.ts'
import { parsePlatform, platformOfArch } from '../../platform.ts'
import type { Interactive, Mount } from '../../ports.ts'
import type { Answer, CommandContext, RunOptions } from '../command.ts'
import type { Io } from '../io.ts'
import { openRenderer } from '../render/open.ts'
import { stageDeps } from './progress.ts'

/** `plinth run`: standard output is the program's, and so is the exit code. */
export async function runCommand(
  image: string,
  command: readonly string[],
  options: RunOptions,
  context: CommandContext,
): Promise<Answer> {
  const { io, signal } = context
  if (options.publish !== undefined) throw notPublished(options)
  const interactive = connection(options, isatty(0) && isatty(1))
  const { entrypoint } = options
  const request = {
    image,
    command,
    platform:
      options.platform === undefined ? platformOfArch(io.arch) : parsePlatform(options.platform),
    from: io.cwd,
    entrypoint: entrypoint === undefined ? undefined : entrypoint === '' ? [] : [entrypoint],
    env: (options.env ?? []).flatMap((text) => variable(text, io.env)),
    workdir: options.workdir,
    user: options.user,
    hostname: hostname(options.hostname),
    network: options.network,
    mounts: (options.volume ?? []).map((text) => bindMount(text, io)),
  }
  const renderer = openRenderer(options.progress, io)
  context.onForcedExit(() => renderer.close())
  let restore = (): void => {}
  try {
    const stages = await context.stages()
    const started: Interactive['onStart'] = (send) => {
      // a terminal sends these to everything in the foreground, the program included
      restore = context.forward((name) => {
        if (!interactive.tty || !['SIGINT', 'SIGQUIT'].includes(name)) send(name)
      })
    }
    const deps = stageDeps(options, context, renderer.emit)
    const status = await stages.run(
      {
        ...request,
        interactive: { ...interactive, onStart: started },
        // what follows on standard error is the program's
        onStart: () => renderer.close(),
      },
      deps,
    )
    return { text: '', exitCode: status.code }
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw error
  } finally {
    restore()
    renderer.close()
  }
}

/** `-i` and `-t` as docker has them; without either: a terminal where both ends are one. */
function connection({ interactive, tty }: RunOptions, isTerminal: boolean): Interactive {
  if (tty === true && !isTerminal) {
    throw new PlinthError('USAGE', 'cannot give the program a terminal: there is none here', {
      hint: 'leave -t out; -i alone passes standard input on',
    })
  }
  if (interactive === undefined && tty === undefined) return { tty: isTerminal, stdin: isTerminal }
  return { tty: tty === true, stdin: interactive === true || tty === true }
}

/** `K=V`, or `K` as it is here; one that is not set here is not set there either. */
function variable(text: string, env: Io['env']): readonly string[] {
  const equals = text.indexOf('=')
  if (text === '' || equals === 0) {
    throw new PlinthError('USAGE', `'${text}' sets no variable`, { hint: 'write -e NAME=VALUE' })
  }
  if (equals > 0) return [text]
  const value = env[text]
  return value === undefined ? [] : [`${text}=${value}`]
}

/** `HOST:CONTAINER[:ro]`. */
function bindMount(text: string, { cwd, home }: Pick<Io, 'cwd' | 'home'>): Mount {
  const wrong = (why: string, hint: string): PlinthError =>
    new PlinthError('USAGE', `cannot mount '${text}': ${why}`, { hint })
  const [host = '', target = '', mode, ...more] = text.split(':')
  if (host === '' || target === '' || more.length > 0) {
    throw wrong('it is not HOST:CONTAINER', 'write -v ./here:/there or -v ./here:/there:ro')
  }
  if (mode !== undefined && mode !== 'ro' && mode !== 'rw') {
    throw wrong(`'${mode}' is neither ro nor rw`, 'write -v ./here:/there:ro')
  }
  if (!target.startsWith('/')) throw wrong(`${target} is not absolute`, `write ${host}:/${target}`)
  if (!/[/.~]/.test(host)) {
    throw wrong('plinth has no named volumes', `write ./${host}:${target} for a folder here`)
  }
  const source = path.resolve(cwd, host.replace(/^~(?=\/|$)/, home))
  if (!existsSync(source)) throw wrong(`${source} is not there`, 'make it first')
  return { type: 'directory', path: source, target, readonly: mode === 'ro' }
}

function hostname(given: string | undefined): string | undefined {
  // hostname(7)
  if (given === undefined || /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?$/.test(given))
    return given
  throw new PlinthError('USAGE', `'${given}' is not a host name`, {
    hint: 'a host name has letters, digits, dashes and dots, 64 at most',
  })
}

function notPublished({ network }: RunOptions): PlinthError {
  return new PlinthError('USAGE', 'plinth run publishes no ports', {
    hint:
      network === 'host'
        ? 'leave it out: on the host network the ports of the program are those of this machine'
        : 'use --network host: there the ports of the program are those of this machine',
  })
}
