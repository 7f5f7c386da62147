import { noContext } from '../dockerfile/instruction-line.ts'
import { parseTrigger } from '../dockerfile/instruction.ts'
import { parseBytes, parseDuration } from '../dockerfile/values.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import type { Command, Healthcheck, Instruction, Run, RunMount, Source } from '../instruction.ts'
import { check, copyOf } from './instruction-check.ts'
import { type From, sourceOf } from './source-of.ts'

type Of<T extends RunMount['type']> = Extract<RunMount, { readonly type: T }>

/** Something a `run` sees that is not part of the image. */
export type Mount =
  | (Omit<Of<'cache'>, 'from'> & { readonly from?: From | undefined })
  | (Omit<Of<'bind'>, 'from'> & { readonly from?: From | undefined })
  | (Omit<Of<'tmpfs'>, 'size'> & {
      /** bytes, or `64m`, `1g` */
      readonly size?: number | string | undefined
    })
  | Of<'secret'>
  | Of<'ssh'>

/** How a `run` runs. */
export interface RunOptions {
  readonly mounts?: readonly Mount[] | undefined
  /** default what the build says: the host's */
  readonly network?: Run['network']
  readonly security?: Run['security']
}

/** Runs a command: a string in the shell, a list as it is. What it changes becomes a layer. */
export function run(command: Command, options: RunOptions = {}): Instruction {
  const { mounts = [], network, security } = options
  check(command.length > 0, 'run: the command is empty', "run('apk add curl')")
  expectKeys('run', options, ['mounts', 'network', 'security'])
  oneOf('run: network', network, ['default', 'none', 'host'])
  oneOf('run: security', security, ['sandbox', 'insecure'])
  return {
    kind: 'run',
    command: copyOf(command),
    mounts: mounts.map(mountOf),
    ...(network && { network }),
    ...(security && { security }),
  }
}

const mountKeys: Readonly<Record<RunMount['type'], readonly string[]>> = {
  cache: ['target', 'id', 'sharing', 'from', 'source', 'readonly', 'mode', 'uid', 'gid'],
  bind: ['target', 'from', 'source', 'readwrite'],
  tmpfs: ['target', 'size'],
  secret: ['id', 'target', 'env', 'required', 'mode', 'uid', 'gid'],
  ssh: ['id', 'target', 'required', 'mode', 'uid', 'gid'],
}

function mountOf(mount: Mount): RunMount {
  const { type } = mount
  oneOf('run: the type of a mount', type, Object.keys(mountKeys))
  check(
    type !== undefined,
    'run: a mount has no type',
    `types: ${Object.keys(mountKeys).join(', ')}`,
  )
  expectKeys(`run: a mount of type ${type}`, mount, ['type', ...mountKeys[type]])
  if ('mode' in mount && mount.mode !== undefined)
    check(isMode(mount.mode), `run: ${mount.mode} is not a mode`, '0o755, for example')
  switch (mount.type) {
    case 'cache':
      expectTarget(mount.target)
      oneOf('run: sharing', mount.sharing, ['shared', 'private', 'locked'])
      return { ...mount, from: optionalSource(mount.from) }
    case 'bind':
      expectTarget(mount.target)
      return { ...mount, from: optionalSource(mount.from) }
    case 'tmpfs':
      expectTarget(mount.target)
      return { ...mount, size: sizeOf(mount.size) }
    case 'secret':
      check(Boolean(mount.id), 'run: a secret has no id')
      // without a target or a variable it is where a Dockerfile has it
      if (mount.target !== undefined || mount.env !== undefined) return { ...mount }
      return { ...mount, target: `/run/secrets/${mount.id}` }
    case 'ssh':
      return { ...mount }
  }
}

function optionalSource(from: From | undefined): Source | undefined {
  return from === undefined ? undefined : sourceOf(from, 'run')
}

function expectTarget(target: string): void {
  check(Boolean(target), 'run: a mount has no target')
  check(target !== '/', 'run: a mount cannot cover the whole root')
}

function isMode(mode: number): boolean {
  return Number.isInteger(mode) && mode >= 0 && mode <= 0o7777
}

function sizeOf(size: number | string | undefined): number | undefined {
  if (size === undefined) return undefined
  const bytes = parseBytes(String(size))
  check(bytes !== undefined, `run: '${size}' is not a size`, '64m or 1g, for example')
  return bytes
}

/** A duration: `30s`, `1m30s`, or milliseconds. */
export type Duration = number | string

/** When a health check runs. */
export interface HealthcheckOptions {
  readonly interval?: Duration | undefined
  readonly timeout?: Duration | undefined
  readonly startPeriod?: Duration | undefined
  readonly startInterval?: Duration | undefined
  /** failures in a row until it counts as unhealthy */
  readonly retries?: number | undefined
}

/** How to tell that a container is healthy; `'none'` switches off what the base has. */
export function healthcheck(command: Command, options: HealthcheckOptions = {}): Instruction {
  const durations = ['interval', 'timeout', 'startPeriod', 'startInterval'] as const
  expectKeys('healthcheck', options, [...durations, 'retries'])
  if (command === 'none') {
    check(Object.keys(options).length === 0, "healthcheck: 'none' has no options")
    return { kind: 'healthcheck', test: 'none' }
  }
  check(command.length > 0, 'healthcheck: the command is empty')
  const { retries } = options
  check(
    retries === undefined || (Number.isInteger(retries) && retries >= 0),
    `healthcheck: ${retries} is not a number of retries`,
  )
  const times = durations.flatMap((name) => {
    const given = options[name]
    return given === undefined ? [] : [[name, nanoseconds(name, given)] as const]
  })
  const test: Healthcheck['test'] = { command: copyOf(command) }
  return {
    kind: 'healthcheck',
    test,
    ...Object.fromEntries(times),
    ...(retries !== undefined && { retries }),
  }
}

function nanoseconds(name: string, given: Duration): number {
  const duration = typeof given === 'number' ? given * 1e6 : parseDuration(given)
  const fits = duration !== undefined && Number.isFinite(duration) && duration >= 1e6
  check(
    fits,
    `healthcheck: ${name} '${given}' is not a duration of at least 1ms`,
    "'30s', '1m30s' or milliseconds",
  )
  return Math.trunc(duration)
}

/** Carried out when an image is built on this one: the text of a Dockerfile instruction. */
export function onbuild(trigger: string): Instruction {
  try {
    parseTrigger(trigger, noContext, { stage: 0, origin: 'the recipe' })
  } catch (error) {
    if (!isPlinthError(error, 'DOCKERFILE_INVALID')) throw error
    const [why] = error.message.split('\n')
    throw new PlinthError('RECIPE_INVALID', `onbuild: ${why}`, { cause: error, hint: error.hint })
  }
  return { kind: 'onbuild', trigger }
}

function oneOf(what: string, given: string | undefined, known: readonly string[]): void {
  check(
    given === undefined || known.includes(given),
    `${what} cannot be '${given}'`,
    `it is ${known.join(', ')}`,
  )
}

/** Refuses what a recipe without types may have misspelt. */
function expectKeys(what: string, options: object, known: readonly string[]): void {
  const stranger = Object.keys(options).find((key) => !known.includes(key))
  check(stranger === undefined, `${what} has no '${stranger}'`, `it has ${known.join(', ')}`)
}
