import type { BuildArgument, Healthcheck, Pair } from '../instruction.ts'
import { nearest } from '../nearest.ts'
import {
  type InstructionLine,
  invalidLine,
  jsonArguments,
  jsonPart,
  parseFlags,
} from './instruction-line.ts'
import { parsePorts } from './ports.ts'
import { didYouMean } from './source.ts'
import { type Part, quotedWords, spaceSeparated } from './split.ts'
import { type DockerfileStep, type Expander, makeStep } from './step.ts'
import { isSignal, parseDuration, signalNames } from './values.ts'

/** ENV and LABEL: `name=value …`, or the old `name value`. */
export function pairsStep(instruction: InstructionLine, kind: 'env' | 'label'): DockerfileStep {
  parseFlags(instruction)
  const pairs = keyValues(instruction).map(({ name, value }) => ({ name, value: value! }))
  return makeStep(instruction, (expand) => ({
    kind,
    // all of them see what was set before this instruction
    pairs: pairs.map(({ name, value }): Pair => [expand.word(name), expand.word(value)]),
  }))
}

/** Whether ENV or LABEL is in the old form, without `=`. */
export function isLegacyPair({ rest, context }: InstructionLine): boolean {
  const [first] = quotedWords(rest, context.escape)
  return first !== undefined && !first.text.includes('=')
}

interface KeyValue {
  readonly name: Part
  readonly value: Part | undefined
}

function keyValues(instruction: InstructionLine): readonly KeyValue[] {
  const { rest, name, context } = instruction
  const words = quotedWords(rest, context.escape)
  const [first] = words
  if (first === undefined) throw missing(instruction, `${name} name=value`)
  if (isLegacyPair(instruction)) {
    const match = /^([^\t\v\f\r ]*)[\t\v\f\r ]+([^]*)$/.exec(rest.text)
    if (match === null)
      throw invalidLine(instruction, rest.offset, `${name} ${rest.text} has no value`, 'name=value')
    const [, key = '', value = ''] = match
    const offset = rest.offset + rest.text.length - value.length
    return [{ name: { text: key, offset: rest.offset }, value: { text: value, offset } }]
  }
  return words.map((word) => {
    const pair = keyValue(instruction, word)
    if (pair.value === undefined)
      throw invalidLine(
        instruction,
        word.offset,
        `'${word.text}' has no =`,
        'name=value; quote a value with spaces',
      )
    return pair
  })
}

function keyValue(instruction: InstructionLine, { text, offset }: Part): KeyValue {
  const equals = text.indexOf('=')
  if (equals === 0) throw invalidLine(instruction, offset, `'${text}' has no name`, 'name=value')
  if (equals < 0) return { name: { text, offset }, value: undefined }
  return {
    name: { text: text.slice(0, equals), offset },
    value: { text: text.slice(equals + 1), offset: offset + equals + 1 },
  }
}

/** ARG: `name`, `name=default`, several. Each sees those in front of it. */
export function argStep(instruction: InstructionLine): DockerfileStep {
  const declared = argPairs(instruction)
  const { globals, buildArgs } = instruction.context
  return makeStep(instruction, (expand) => {
    const args: BuildArgument[] = []
    let words = expand
    for (const one of declared) {
      // taken as it is: quotes and variables are part of the name
      const name = one.name.text
      const value = buildArgs.get(name) ?? (one.value ? words.word(one.value) : globals.get(name))
      args.push({ name, value })
      if (value !== undefined) words = words.with(name, value)
    }
    return { kind: 'arg', args }
  })
}

/** What an ARG declares, in order, nothing expanded. */
export function argPairs(instruction: InstructionLine): readonly KeyValue[] {
  parseFlags(instruction)
  const words = quotedWords(instruction.rest, instruction.context.escape)
  if (words.length === 0) throw missing(instruction, 'ARG name or ARG name=default')
  return words.map((word) => keyValue(instruction, word))
}

/** CMD and ENTRYPOINT. Their variables are the shell's. */
export function commandStep(
  instruction: InstructionLine,
  kind: 'cmd' | 'entrypoint',
): DockerfileStep {
  parseFlags(instruction)
  const command = jsonArguments(instruction) ?? instruction.rest.text
  return makeStep(instruction, () => ({ kind, command }))
}

/** SHELL, in JSON only. */
export function shellStep(instruction: InstructionLine): DockerfileStep {
  parseFlags(instruction)
  const command = jsonArguments(instruction)
  if (command === undefined || command.length === 0) {
    throw invalidLine(
      instruction,
      instruction.rest.offset,
      'SHELL takes a list in JSON',
      'SHELL ["/bin/bash", "-c"]',
    )
  }
  return makeStep(instruction, () => ({ kind: 'shell', command }))
}

/** Instructions whose one argument is the whole line: WORKDIR, USER, STOPSIGNAL, MAINTAINER. */
export function wholeStep(instruction: InstructionLine): DockerfileStep {
  parseFlags(instruction)
  const { rest, name } = instruction
  if (rest.text === '') throw missing(instruction, `${name} ${examples[name] ?? ''}`)
  return makeStep(instruction, (expand) => {
    switch (name) {
      case 'WORKDIR':
        return { kind: 'workdir', path: expand.word(rest) }
      case 'USER':
        return { kind: 'user', user: expand.word(rest) }
      case 'STOPSIGNAL':
        return { kind: 'stopsignal', signal: signalOf(instruction, expand) }
      default:
        return { kind: 'maintainer', author: rest.text }
    }
  })
}

const examples: Readonly<Record<string, string>> = {
  WORKDIR: '/path',
  USER: 'name, name:group or numbers',
  STOPSIGNAL: 'SIGTERM',
  MAINTAINER: 'name',
}

function signalOf(instruction: InstructionLine, expand: Expander): string {
  const signal = expand.word(instruction.rest)
  if (isSignal(signal)) return signal
  const close = nearest(signal.toUpperCase().replace(/^SIG/, ''), signalNames, 1)
  throw invalidLine(
    instruction,
    instruction.rest.offset,
    `'${signal}' is no signal`,
    didYouMean(close.map((one) => `SIG${one}`)),
  )
}

/** EXPOSE: words, ranges, protocols. */
export function exposeStep(instruction: InstructionLine): DockerfileStep {
  parseFlags(instruction)
  // sorted as Docker has it; it shows in the history
  const words = spaceSeparated(instruction.rest).toSorted((a, b) =>
    a.text < b.text ? -1 : a.text > b.text ? 1 : 0,
  )
  if (words.length === 0) throw missing(instruction, 'EXPOSE 80 53/udp')
  return makeStep(instruction, (expand) => ({
    kind: 'expose',
    ports: words.flatMap((part) =>
      expand.words(part).flatMap((word) => {
        const exposed = parsePorts(word)
        if (typeof exposed !== 'string') return exposed.ports
        throw invalidLine(instruction, part.offset, exposed, '80, 8000-8010 or 53/udp')
      }),
    ),
  }))
}

/** VOLUME: words or JSON. */
export function volumeStep(instruction: InstructionLine): DockerfileStep {
  parseFlags(instruction)
  const parts = listParts(instruction)
  if (parts.length === 0) throw missing(instruction, 'VOLUME /path')
  const blank = parts.find(({ text }) => text.trim() === '')
  if (blank) throw invalidLine(instruction, blank.offset, 'a volume is an empty string')
  return makeStep(instruction, (expand) => ({
    kind: 'volume',
    paths: parts.map((part) => expand.word({ ...part, text: part.text.trim() })),
  }))
}

/** The words of an instruction that takes them in JSON as well. */
export function listParts(instruction: InstructionLine): readonly Part[] {
  const { offset } = instruction.rest
  const list = jsonArguments(instruction)
  return list?.map((text) => ({ text, offset })) ?? spaceSeparated(instruction.rest)
}

/** HEALTHCHECK NONE, HEALTHCHECK CMD. */
export function healthcheckStep(instruction: InstructionLine): DockerfileStep {
  const { rest } = instruction
  const flags = parseFlags(instruction, {
    interval: 'text',
    timeout: 'text',
    'start-period': 'text',
    'start-interval': 'text',
    retries: 'text',
  })
  const [, type = '', between = '', command = ''] = /^(\S*)(\s*)([^]*)$/.exec(rest.text)!
  if (type === '') throw missing(instruction, 'HEALTHCHECK CMD command, or HEALTHCHECK NONE')
  if (type.toUpperCase() === 'NONE') {
    if (command !== '')
      throw invalidLine(instruction, rest.offset, 'HEALTHCHECK NONE takes nothing else')
    return makeStep(instruction, () => ({ kind: 'healthcheck', test: 'none' }))
  }
  if (type.toUpperCase() !== 'CMD')
    throw invalidLine(instruction, rest.offset, `HEALTHCHECK ${type} means nothing`, 'CMD or NONE')
  const part = { text: command, offset: rest.offset + type.length + between.length }
  const list = jsonPart(instruction, part)
  if (command === '' || list?.length === 0) throw missing(instruction, 'HEALTHCHECK CMD command')
  const duration = (name: string) => durationOf(instruction, name, flags.text(name))
  const healthcheck: Healthcheck = {
    kind: 'healthcheck',
    test: { command: list ?? command },
    interval: duration('interval'),
    timeout: duration('timeout'),
    startPeriod: duration('start-period'),
    startInterval: duration('start-interval'),
    retries: retriesOf(instruction, flags.text('retries')),
  }
  return makeStep(instruction, () => healthcheck)
}

function durationOf(
  instruction: InstructionLine,
  name: string,
  flag: Part | undefined,
): number | undefined {
  if (flag === undefined || flag.text === '') return undefined
  const duration = parseDuration(flag.text)
  if (duration === undefined)
    throw invalidLine(
      instruction,
      flag.offset,
      `--${name}: '${flag.text}' is no duration`,
      '30s, 1m30s',
    )
  if (duration !== 0 && duration < 1e6)
    throw invalidLine(instruction, flag.offset, `--${name}: ${flag.text} is less than 1ms`)
  return duration === 0 ? undefined : duration
}

function retriesOf(instruction: InstructionLine, flag: Part | undefined): number | undefined {
  if (flag === undefined || flag.text === '') return undefined
  if (!/^\+?\d+$/.test(flag.text) || Number(flag.text) > 0x7fff_ffff)
    throw invalidLine(instruction, flag.offset, `--retries: '${flag.text}' is no number of retries`)
  return Number(flag.text) || undefined
}

function missing(instruction: InstructionLine, usage: string): Error {
  return invalidLine(instruction, 0, `${instruction.name} says nothing`, `write ${usage}`)
}
