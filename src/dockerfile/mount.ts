import type { RunMount } from '../instruction.ts'
import { nearest } from '../nearest.ts'
import { type InstructionLine, invalidLine } from './instruction-line.ts'
import { didYouMean } from './source.ts'
import type { Part } from './split.ts'
import { sourceNamed } from './stage-source.ts'
import type { Expander } from './step.ts'
import { parseBoolean, parseBytes, parseUnsigned } from './values.ts'

type Type = RunMount['type']

const types: readonly Type[] = ['bind', 'cache', 'tmpfs', 'secret', 'ssh']

/** Every option, and which one it is another spelling of. */
const options: Readonly<Record<string, string>> = {
  type: 'type',
  from: 'from',
  source: 'source',
  src: 'source',
  target: 'target',
  dst: 'target',
  destination: 'target',
  readonly: 'readonly',
  ro: 'readonly',
  readwrite: 'readwrite',
  rw: 'readwrite',
  required: 'required',
  id: 'id',
  sharing: 'sharing',
  mode: 'mode',
  uid: 'uid',
  gid: 'gid',
  size: 'size',
  env: 'env',
}

/** An option as written: what it is, and its value if it has one. */
interface Option {
  /** as written */
  readonly key: string
  readonly name: string
  readonly value: Part | undefined
}

/** What a mount says, nothing of it expanded. */
export interface MountText {
  readonly part: Part
  readonly options: readonly Option[]
  /** `from`, which takes no variables */
  readonly from: Part | undefined
}

/** Reads the options of `--mount=`. Throws `DOCKERFILE_INVALID` for unknown ones. */
export function mountText(instruction: InstructionLine, part: Part): MountText {
  const fields = csv(part.text)
  if (fields === undefined)
    throw invalidLine(
      instruction,
      part.offset,
      `--mount: the quotes in '${part.text}' do not match`,
    )
  const read = fields.map((field): Option => {
    const equals = field.indexOf('=')
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase()
    const name = Object.hasOwn(options, key) ? options[key] : undefined
    if (name === undefined) {
      throw invalidLine(
        instruction,
        part.offset,
        `--mount: there is no option '${key}'`,
        didYouMean(nearest(key, Object.keys(options), 1)),
      )
    }
    const bare = ['readonly', 'readwrite', 'required'].includes(name)
    if (equals < 0 && !bare)
      throw invalidLine(instruction, part.offset, `--mount: '${field}' needs a value`, `${key}=…`)
    const value = equals < 0 ? undefined : { text: field.slice(equals + 1), offset: part.offset }
    return { key, name, value }
  })
  return { part, options: read, from: read.findLast(({ name }) => name === 'from')?.value }
}

/** The mount, its words expanded. Throws `DOCKERFILE_INVALID` for values that fit neither option nor type. */
export function mountOf(
  instruction: InstructionLine,
  { part, options: given, from }: MountText,
  expand: Expander,
): RunMount {
  const fail = (why: string, hint?: string) =>
    invalidLine(instruction, part.offset, `--mount: ${why}`, hint)
  const values = new Map<string, string>()
  for (const { name, value } of given) {
    // the last of `readonly` and `readwrite` counts
    if (name === 'readonly') values.delete('readwrite')
    if (name === 'readwrite') values.delete('readonly')
    values.set(name, value === undefined ? 'true' : expand.word(value))
  }
  const text = (name: string) => values.get(name) || undefined
  const type = typeOf(text('type'), fail)
  const number = (name: string, base: 8 | 10 = 10) => {
    const value = values.get(name)
    const parsed = value === undefined ? undefined : parseUnsigned(value, base)
    if (value !== undefined && parsed === undefined)
      throw fail(`${name}: '${value}' is no ${base === 8 ? 'octal ' : ''}number`)
    return parsed
  }
  const boolean = (name: string) => {
    const value = values.get(name)
    const parsed = value === undefined ? undefined : parseBoolean(value)
    if (value !== undefined && parsed === undefined) throw fail(`${name}: '${value}' is no boolean`)
    return parsed
  }
  const only = (name: string, ...fits: readonly Type[]) => {
    if (values.has(name) && !fits.includes(type))
      throw fail(`${name} is for type=${fits.join(', ')}, not for ${type}`)
  }
  for (const name of ['mode', 'uid', 'gid']) only(name, 'cache', 'secret', 'ssh')
  only('required', 'secret', 'ssh')
  only('sharing', 'cache')
  only('size', 'tmpfs')
  only('env', 'secret')
  const owner = { mode: number('mode', 8), uid: number('uid'), gid: number('gid') }
  const source = from && from.text !== '' ? sourceNamed(instruction, from) : undefined
  // without a target it is the working directory
  const target = text('target') ?? '.'
  const writable = boolean('readwrite') ?? negated(boolean('readonly'))
  switch (type) {
    case 'cache': {
      const readonly = negated(writable)
      const sharing = sharingOf(text('sharing'), fail)
      return {
        type,
        target,
        id: text('id'),
        sharing,
        from: source,
        source: text('source'),
        readonly,
        ...owner,
      }
    }
    case 'bind':
      return { type, target, from: source, source: text('source'), readwrite: writable }
    case 'tmpfs': {
      const size = text('size')
      const bytes = size === undefined ? undefined : parseBytes(size)
      if (size !== undefined && bytes === undefined)
        throw fail(`size: '${size}' is no size`, '64m, 1g')
      return { type, target, size: bytes }
    }
    case 'secret':
      return { type, ...secretOf(text, fail), required: boolean('required'), ...owner }
    case 'ssh':
      return {
        type,
        id: text('id'),
        target: text('target'),
        required: boolean('required'),
        ...owner,
      }
  }
}

type Fail = (why: string, hint?: string) => Error

function typeOf(given: string | undefined, fail: Fail): Type {
  const type = types.find((one) => one === (given ?? 'bind').toLowerCase())
  if (type !== undefined) return type
  throw fail(
    `there is no type '${given}'`,
    didYouMean(nearest(given ?? '', types, 1)) ?? types.join(', '),
  )
}

function sharingOf(
  given: string | undefined,
  fail: Fail,
): 'shared' | 'private' | 'locked' | undefined {
  if (given === undefined) return undefined
  const known = ['shared', 'private', 'locked'] as const
  const sharing = known.find((one) => one === given.toLowerCase())
  if (sharing !== undefined) return sharing
  throw fail(
    `sharing cannot be '${given}'`,
    didYouMean(nearest(given, known, 1)) ?? known.join(', '),
  )
}

function secretOf(
  text: (name: string) => string | undefined,
  fail: Fail,
): { readonly id: string; readonly target: string | undefined; readonly env: string | undefined } {
  if (text('from') !== undefined) throw fail('a secret is not from anywhere: it has an id')
  const target = text('target')
  const env = text('env')
  if (text('source') !== undefined && text('id') !== undefined)
    throw fail('source and id of a secret are the same: give one of them')
  const id = text('source') ?? text('id') ?? (target && basename(target))
  if (!id) throw fail('a secret needs an id', 'id=name, or target=/path')
  const file = target ?? (env === undefined ? `/run/secrets/${basename(id)}` : undefined)
  return { id, target: file, env }
}

function basename(path: string): string {
  return path.replace(/\/+$/, '').replace(/^.*\//, '')
}

function negated(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value
}

/** The fields of one line of CSV (RFC 4180); undefined when a quote is where none may be. */
function csv(text: string): readonly string[] | undefined {
  const fields: string[] = []
  for (let at = 0; at <= text.length;) {
    const match = /"((?:[^"]|"")*)"(?=,|$)|([^",]*)(?=,|$)/y
    match.lastIndex = at
    const found = match.exec(text)
    if (found === null) return undefined
    fields.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '')
    at += found[0].length + 1
  }
  return fields
}
