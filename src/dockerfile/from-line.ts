import { type InstructionLine, invalidLine, parseFlags } from './instruction-line.ts'
import { locate } from './source.ts'
import { type Part, spaceSeparated } from './split.ts'
import type { WordOptions } from './word.ts'
import { type ExpandedWord, expandWord, WordError } from './word.ts'

/** What a FROM says, nothing of it expanded. */
export interface FromLine {
  readonly instruction: InstructionLine
  readonly base: Part
  readonly platform: Part | undefined
  /** as written: `AS`, `as` */
  readonly as: string | undefined
  /** as written */
  readonly stageName: string | undefined
}

/** Reads `FROM [--platform=…] base [AS name]`. Throws `DOCKERFILE_INVALID`. */
export function fromLine(instruction: InstructionLine): FromLine {
  const flags = parseFlags(instruction, { platform: 'text' })
  const words = spaceSeparated(instruction.rest)
  const [base, as, name, more] = words
  const usage = 'FROM image, or FROM image AS name'
  if (base === undefined) throw invalidLine(instruction, 0, 'FROM names no image', `write ${usage}`)
  const platform = flags.text('platform')
  if (as === undefined) {
    return { instruction, base, platform, as: undefined, stageName: undefined }
  }
  if (as.text.toUpperCase() !== 'AS' || name === undefined || more !== undefined) {
    throw invalidLine(
      instruction,
      (more ?? as).offset,
      `FROM takes one or three words, not ${words.length}`,
      `write ${usage}`,
    )
  }
  if (!/^[a-z][a-z0-9-_.]*$/i.test(name.text)) {
    throw invalidLine(
      instruction,
      name.offset,
      `a stage cannot be called ${name.text}`,
      'a name begins with a letter and goes on with letters, digits, - _ and .',
    )
  }
  return { instruction, base, platform, as: as.text, stageName: name.text }
}

/** A word of FROM with the global arguments in it. Throws `DOCKERFILE_INVALID`. */
export function expandGlobal(
  instruction: InstructionLine,
  part: Part,
  globals: ReadonlyMap<string, string>,
): ExpandedWord {
  const options: WordOptions = {
    escape: instruction.context.escape,
    lookup: (name) => globals.get(name),
  }
  try {
    return expandWord(part.text, options)
  } catch (error) {
    if (!(error instanceof WordError)) throw error
    const why = `cannot expand '${part.text}': ${error.message}`
    throw invalidLine(instruction, part.offset, why, undefined)
  }
}

/** Where a FROM stands. */
export function fromLocation({ instruction }: FromLine) {
  return locate(instruction.line, 0)
}
