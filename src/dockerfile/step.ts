import type { Instruction, Source } from '../instruction.ts'
import type { Scope, Step } from '../stage.ts'
import type { InstructionLine } from './instruction-line.ts'
import { invalidAt, locate } from './source.ts'
import type { Part } from './split.ts'
import { type ExpandedWord, expandWord, WordError } from './word.ts'

/** A step of a Dockerfile and what is known of it beforehand. */
export interface DockerfileStep extends Step {
  /** in upper case */
  readonly name: string
  /** variables that have to be set, or it says nothing in their place */
  readonly variables: readonly string[]
}

/** Expands the words of one instruction. Each throws `DOCKERFILE_INVALID` at the word's place. */
export interface Expander {
  /** one value, whatever white space is in it */
  word(part: Part): string
  /** split at white space that is not quoted */
  words(part: Part): readonly string[]
  /** a here-document: quotes are text */
  document(part: Part): string
  /** the same with a variable more */
  with(name: string, value: string): Expander
}

/**
 * The step of an instruction. `build` makes it, with every word of it expanded: at once when no variable is
 * asked for, otherwise when the values are known. What is wrong whatever the values are is thrown at once.
 */
export function makeStep(
  instruction: InstructionLine,
  build: (expand: Expander) => Instruction,
  sources: readonly Source[] = [],
): DockerfileStep {
  const { line, name } = instruction
  const step = { name, text: line.text, location: locate(line, 0), sources }
  // every variable empty: what is asked for at all?
  const asked = new Set<string>()
  const missed = new Set<string>()
  const probe = expander(instruction, { get: () => undefined }, (names, unset) => {
    for (const one of names) asked.add(one)
    for (const one of unset) missed.add(one)
  })
  let known: Instruction | undefined
  try {
    known = build(probe)
  } catch (error) {
    // with values it may do
    if (
      asked.size === 0 ||
      (error instanceof Error && error.cause instanceof WordError && error.cause.syntax)
    )
      throw error
  }
  if (asked.size === 0 && known !== undefined) return { ...step, instruction: known, variables: [] }
  return {
    ...step,
    instruction: (scope) => build(expander(instruction, scope)),
    variables: [...missed],
  }
}

function expander(
  instruction: InstructionLine,
  scope: Scope,
  note?: (asked: Iterable<string>, unset: Iterable<string>) => void,
): Expander {
  const expand = ({ text, offset }: Part, plainQuotes = false): ExpandedWord => {
    const asked = new Set<string>()
    const lookup = (name: string) => {
      asked.add(name)
      return scope.get(name)
    }
    try {
      const { escape } = instruction.context
      const word = expandWord(text, { escape, lookup, plainQuotes })
      note?.(asked, word.unset)
      return word
    } catch (cause) {
      if (!(cause instanceof WordError)) throw cause
      note?.(asked, [])
      const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
      throw invalidAt(instruction.line, offset, `cannot expand '${shown}': ${cause.message}`, {
        cause,
      })
    }
  }
  return {
    word: (part) => expand(part).text,
    words: (part) => expand(part).words,
    document: (part) => expand(part, true).text,
    with: (name, value) =>
      expander(
        instruction,
        { get: (asked) => (asked === name ? value : scope.get(asked)) },
        note &&
          ((asked, unset) =>
            note(
              [...asked].filter((one) => one !== name),
              unset,
            )),
      ),
  }
}
