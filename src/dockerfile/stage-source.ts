import type { Source } from '../instruction.ts'
import { parseReference } from '../reference.ts'
import { PlinthError } from '../errors.ts'
import { type InstructionLine, invalidLine } from './instruction-line.ts'
import type { Part } from './split.ts'

/**
 * What `--from=`, of COPY or a mount, names: an earlier stage by number or by name, otherwise an image or
 * `plinth:RECIPE`. Throws `DOCKERFILE_INVALID` for a stage that comes later, for the stage itself and for a
 * name that can be no image's.
 */
export function sourceNamed(instruction: InstructionLine, from: Part): Source {
  const { stage } = instruction
  const { stages } = instruction.context
  const fail = (why: string, hint?: string) => invalidLine(instruction, from.offset, why, hint)
  if (/\$./.test(from.text)) {
    throw fail(
      `'${from.text}': what to copy from cannot be a variable`,
      'give it a name first: FROM $IMAGE AS name',
    )
  }
  if (/^[-+]?\d+$/.test(from.text)) {
    const number = Number(from.text)
    if (stages === undefined && number >= 0) return { kind: 'stage', stage: number }
    if (number >= 0 && number < stage) return { kind: 'stage', stage: number }
    if (number === stage) throw fail(`stage ${number} cannot copy from itself`)
    if (stages?.[number] !== undefined) throw fail(...later(String(number), number, stages))
    throw fail(`there is no stage ${from.text}`, `there are ${stages?.length ?? 0}, from 0`)
  }
  const name = from.text.toLowerCase()
  if (stages === undefined) return imageNamed(instruction, from)
  // of several with the name the last one before this instruction
  const earlier = stages.findLastIndex((one, index) => index < stage && one.name === name)
  if (earlier >= 0) return { kind: 'stage', stage: earlier }
  if (stages[stage]?.name === name) throw fail(`stage ${name} cannot copy from itself`)
  const after = stages.findIndex((one) => one.name === name)
  if (after >= 0) throw fail(...later(name, after, stages))
  return imageNamed(instruction, from)
}

/** An image or `plinth:RECIPE` by name. Throws `DOCKERFILE_INVALID` for what can be neither. */
export function imageNamed(instruction: InstructionLine, { text, offset }: Part): Source {
  if (text.startsWith('plinth:')) {
    if (text === 'plinth:')
      throw invalidLine(
        instruction,
        offset,
        'plinth: names no recipe',
        'plinth:debian?suite=trixie',
      )
    return { kind: 'image', name: text }
  }
  try {
    parseReference(text)
  } catch (error) {
    if (!(error instanceof PlinthError)) throw error
    throw invalidLine(instruction, offset, error.message, error.hint)
  }
  return { kind: 'image', name: text }
}

function later(
  name: string,
  index: number,
  stages: NonNullable<InstructionLine['context']['stages']>,
): readonly [string, string] {
  return [
    `stage ${name} comes later, in line ${stages[index]?.line}: only what was built before can be used`,
    'move that stage up',
  ]
}
