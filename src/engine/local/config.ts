import { posix } from 'node:path'
import type { RunConfig } from '../../image.ts'
import type { Command, ConfigInstruction, Healthcheck, Pair } from '../../instruction.ts'
import { goDuration, goList, goQuoted, goRune, goString } from './go-format.ts'

/** What an instruction makes of an image's config, and the line of history it leaves: none for ONBUILD. */
export interface ConfigChange {
  readonly fields: RunConfig
  readonly author?: string | undefined
  readonly createdBy: string | undefined
}

/**
 * Carries out an instruction that only says how containers start, as BuildKit does, whose words the history
 * has, too. `hasCommand`: the stage has set CMD itself, so that a new ENTRYPOINT does not drop it.
 */
export function configChange(
  config: RunConfig,
  instruction: ConfigInstruction,
  { hasCommand }: { readonly hasCommand: boolean },
): ConfigChange {
  switch (instruction.kind) {
    case 'env':
      return {
        fields: { Env: withVariables(config.Env ?? [], instruction.pairs) },
        createdBy: `ENV ${joined(instruction.pairs)}`,
      }
    case 'label':
      return {
        fields: { Labels: withLabels(config.Labels, instruction.pairs) },
        createdBy: `LABEL ${joined(instruction.pairs)}`,
      }
    case 'arg': {
      const args = instruction.args.map(({ name, value }) =>
        value === undefined ? name : `${name}=${value}`,
      )
      return { fields: {}, createdBy: `ARG ${args.join(' ')}` }
    }
    case 'cmd': {
      const command = argvOf(instruction.command, config)
      return { fields: { Cmd: command }, createdBy: `CMD ${goQuoted(command)}` }
    }
    case 'entrypoint': {
      const command = argvOf(instruction.command, config)
      return {
        // what it had from its base was meant for another program
        fields: { Entrypoint: command, ...(!hasCommand && { Cmd: undefined }) },
        createdBy: `ENTRYPOINT ${goQuoted(command)}`,
      }
    }
    case 'workdir': {
      const path = absolute(config, instruction.path)
      return { fields: { WorkingDir: path }, createdBy: `WORKDIR ${path}` }
    }
    case 'user':
      return { fields: { User: instruction.user }, createdBy: `USER ${instruction.user}` }
    case 'expose': {
      const ports = instruction.ports.toSorted()
      return {
        fields: { ExposedPorts: { ...config.ExposedPorts, ...emptyObjects(ports) } },
        createdBy: `EXPOSE ${goList(ports)}`,
      }
    }
    case 'volume':
      return {
        fields: { Volumes: { ...config.Volumes, ...emptyObjects(instruction.paths) } },
        createdBy: `VOLUME ${goList(instruction.paths)}`,
      }
    case 'stopsignal':
      return {
        fields: { StopSignal: instruction.signal },
        createdBy: `STOPSIGNAL ${instruction.signal}`,
      }
    case 'shell':
      return {
        fields: { Shell: instruction.command },
        createdBy: `SHELL ${goList(instruction.command)}`,
      }
    case 'healthcheck':
      return healthcheck(instruction)
    case 'onbuild':
      return {
        fields: { OnBuild: [...(config.OnBuild ?? []), instruction.trigger] },
        createdBy: undefined,
      }
    case 'maintainer':
      return {
        fields: {},
        author: instruction.author,
        createdBy: `MAINTAINER ${instruction.author}`,
      }
  }
}

/** What is run for a command: a string is given to the image's shell. */
export function argvOf(command: Command, config: RunConfig): readonly string[] {
  if (typeof command !== 'string') return command
  const shell = config.Shell ?? []
  return [...(shell.length > 0 ? shell : defaultShell), command]
}

const defaultShell = ['/bin/sh', '-c']

/** A path of an instruction, from the image's working directory. */
export function absolute(config: RunConfig, path: string): string {
  const whole = posix.resolve('/', config.WorkingDir ?? '/', path)
  // posix.normalize keeps a second leading slash, which means nothing on Linux
  return whole.replace(/^\/+/, '/')
}

/** What containers find programs by where nothing else is said. */
export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** `config` as a stage begins with it: a PATH, and no triggers, which the stage carries out. */
export function stageConfig(config: RunConfig): RunConfig {
  const { OnBuild: _, ...rest } = config
  const env = config.Env ?? []
  return env.some((pair) => pair.startsWith('PATH='))
    ? rest
    : { ...rest, Env: [...env, `PATH=${defaultPath}`] }
}

function withVariables(env: readonly string[], pairs: readonly Pair[]): readonly string[] {
  const result = [...env]
  for (const [name, value] of pairs) {
    const at = result.findIndex((pair) => pair.split('=', 1)[0] === name)
    result.splice(at < 0 ? result.length : at, 1, `${name}=${value}`)
  }
  return result
}

function withLabels(labels: RunConfig['Labels'], pairs: readonly Pair[]): RunConfig['Labels'] {
  return Object.fromEntries(new Map([...Object.entries(labels ?? {}), ...pairs]))
}

function joined(pairs: readonly Pair[]): string {
  return pairs.map((pair) => pair.join('=')).join(' ')
}

function emptyObjects(names: readonly string[]): Readonly<Record<string, Record<string, never>>> {
  return Object.fromEntries(names.map((name) => [name, {}]))
}

function healthcheck(check: Healthcheck): ConfigChange {
  const test = testOf(check.test)
  const times = {
    Interval: check.interval,
    Timeout: check.timeout,
    StartPeriod: check.startPeriod,
    StartInterval: check.startInterval,
  }
  const said = Object.values(times).map((value) => goString(goDuration(value ?? 0)))
  const present = Object.entries({ ...times, Retries: check.retries }).filter(
    ([, value]) => value !== undefined && value !== 0,
  )
  return {
    fields: { Healthcheck: { Test: test, ...Object.fromEntries(present) } },
    createdBy: `HEALTHCHECK &{${[goQuoted(test), ...said, goRune(check.retries ?? 0)].join(' ')}}`,
  }
}

function testOf(test: Healthcheck['test']): readonly string[] {
  if (test === 'none') return ['NONE']
  const { command } = test
  return typeof command === 'string' ? ['CMD-SHELL', command] : ['CMD', ...command]
}
