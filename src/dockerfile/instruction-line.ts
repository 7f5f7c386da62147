import { nearest } from '../nearest.ts'
import type { LogicalLine } from './lines.ts'
import { didYouMean, invalidAt } from './source.ts'
import { type Part, jsonList, type Split, splitLine } from './split.ts'

/** What an instruction may refer to besides what it says itself. Plain data. */
export interface InstructionContext {
  /** the token of the `escape` directive */
  readonly escape: string
  /** the stages of the Dockerfile, in order, names in lower case; undefined: nobody knows yet */
  readonly stages:
    | readonly { readonly name?: string | undefined; readonly line: number }[]
    | undefined
  /** the ARGs before the first FROM and those of the platforms, by name */
  readonly globals: ReadonlyMap<string, string>
  /** `--build-arg`, by name */
  readonly buildArgs: ReadonlyMap<string, string>
}

/** Of an instruction that belongs to no Dockerfile. */
export const noContext: InstructionContext = {
  escape: '\\',
  stages: undefined,
  globals: new Map(),
  buildArgs: new Map(),
}

/** An instruction about to be read: its line, split, and what it may refer to. */
export interface InstructionLine extends Split {
  readonly line: LogicalLine
  /** the keyword in upper case */
  readonly name: string
  readonly context: InstructionContext
  /** number of the stage it is in */
  readonly stage: number
}

/** The keywords of a Dockerfile. */
export const keywords = [
  'ADD',
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'FROM',
  'HEALTHCHECK',
  'LABEL',
  'MAINTAINER',
  'ONBUILD',
  'RUN',
  'SHELL',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
] as const

/** Splits a line and looks its keyword up. Throws `DOCKERFILE_INVALID` for one there is not. */
export function instructionLine(
  line: LogicalLine,
  context: InstructionContext,
  stage: number,
): InstructionLine {
  const split = splitLine(line.text)
  const name = split.keyword.toUpperCase()
  if (!(keywords as readonly string[]).includes(name)) {
    throw invalidAt(line, 0, `there is no instruction ${split.keyword}`, {
      hint: didYouMean(nearest(name, keywords, 1)),
    })
  }
  return { ...split, line, name, context, stage }
}

/** The error for a place of an instruction. */
export function invalidLine(
  { line }: InstructionLine,
  offset: number,
  why: string,
  hint?: string,
): Error {
  return invalidAt(line, offset, why, { hint })
}

/** The exec form's list, or undefined for the shell form. Throws `DOCKERFILE_INVALID` for other things than strings. */
export function jsonArguments(instruction: InstructionLine): readonly string[] | undefined {
  return jsonPart(instruction, instruction.rest)
}

/** The same for a part of the line. */
export function jsonPart(instruction: InstructionLine, part: Part): readonly string[] | undefined {
  try {
    return jsonList(part.text)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw invalidLine(instruction, part.offset, error.message, 'put every one into double quotes')
  }
}

/** Flags by name. */
export interface Flags {
  text(name: string): Part | undefined
  list(name: string): readonly Part[]
  on(name: string): boolean | undefined
}

/** What a flag takes. */
export type FlagKind = 'text' | 'list' | 'boolean'

/** Reads an instruction's flags. Throws `DOCKERFILE_INVALID` for unknown, repeated ones and wrong values. */
export function parseFlags(
  instruction: InstructionLine,
  known: Readonly<Record<string, FlagKind>> = {},
): Flags {
  const found = new Map<string, Part[]>()
  for (const { text, offset } of instruction.flags) {
    const equals = text.indexOf('=')
    const name = text.slice(2, equals < 0 ? undefined : equals)
    const fail = (why: string, hint?: string) => invalidLine(instruction, offset, why, hint)
    const kind = Object.hasOwn(known, name) ? known[name] : undefined
    if (kind === undefined) {
      const names = Object.keys(known)
      const all = names.length === 0 ? 'it takes no flag' : `it takes --${names.join(', --')}`
      const [close] = nearest(name, names, 1)
      throw fail(
        `${instruction.name} has no flag --${name}`,
        close === undefined ? all : `did you mean --${close}?`,
      )
    }
    if (found.has(name) && kind !== 'list') throw fail(`--${name} is there twice`)
    if (equals < 0 && kind !== 'boolean') throw fail(`--${name} needs a value`, `--${name}=…`)
    const value = equals < 0 ? 'true' : text.slice(equals + 1)
    if (kind === 'boolean' && !/^(true|false)$/i.test(value))
      throw fail(`--${name} is true or false, not '${value}'`)
    const part = { text: value, offset: offset + equals + 1 }
    found.set(name, [...(found.get(name) ?? []), part])
  }
  return {
    text: (name) => found.get(name)?.[0],
    list: (name) => found.get(name) ?? [],
    on: (name) => {
      const part = found.get(name)?.[0]
      return part && part.text.toLowerCase() === 'true'
    },
  }
}
