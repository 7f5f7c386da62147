import {
  type InstructionLine,
  instructionLine,
  invalidLine,
  parseFlags,
} from './instruction-line.ts'
import { type DockerfileStep, makeStep } from './step.ts'
import type { LogicalLine } from './lines.ts'

/** ONBUILD: keeps the text of an instruction, with its here-documents. Variables in it wait as well. */
export function onbuildStep(instruction: InstructionLine): DockerfileStep {
  parseFlags(instruction)
  const { rest, line, context, stage } = instruction
  if (rest.text === '')
    throw invalidLine(instruction, 0, 'ONBUILD says nothing', 'write ONBUILD RUN …, for example')
  const inner: LogicalLine = {
    ...line,
    text: line.text.slice(rest.offset),
    pieces: line.pieces.map((piece) => ({ ...piece, offset: piece.offset - rest.offset })),
  }
  const { name } = instructionLine(inner, context, stage)
  if (name === 'ONBUILD' || name === 'FROM' || name === 'MAINTAINER')
    throw invalidLine(instruction, rest.offset, `ONBUILD cannot hold ${name}`)
  const documents = line.heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`)
  const trigger = inner.text + documents.join('')
  return makeStep(instruction, () => ({ kind: 'onbuild', trigger }))
}
