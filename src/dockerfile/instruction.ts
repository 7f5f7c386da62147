import { PlinthError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { Step } from '../stage.ts'
import {
  argStep,
  commandStep,
  exposeStep,
  healthcheckStep,
  pairsStep,
  shellStep,
  volumeStep,
  wholeStep,
} from './config-step.ts'
import { addStep, copyStep } from './files-step.ts'
import {
  type InstructionContext,
  type InstructionLine,
  instructionLine,
  invalidLine,
  noContext,
  parseFlags,
} from './instruction-line.ts'
import { type LogicalLine, logicalLines } from './lines.ts'
import { runStep } from './run-step.ts'
import { didYouMean } from './source.ts'
import { splitLine } from './split.ts'
import { type DockerfileStep, makeStep } from './step.ts'

/** The step of any instruction but FROM. Throws `DOCKERFILE_INVALID`. */
export function stepOf(instruction: InstructionLine): DockerfileStep {
  switch (instruction.name) {
    case 'ADD':
      return addStep(instruction)
    case 'ARG':
      return argStep(instruction)
    case 'CMD':
      return commandStep(instruction, 'cmd')
    case 'COPY':
      return copyStep(instruction)
    case 'ENTRYPOINT':
      return commandStep(instruction, 'entrypoint')
    case 'ENV':
      return pairsStep(instruction, 'env')
    case 'EXPOSE':
      return exposeStep(instruction)
    case 'HEALTHCHECK':
      return healthcheckStep(instruction)
    case 'LABEL':
      return pairsStep(instruction, 'label')
    case 'ONBUILD':
      return onbuildStep(instruction)
    case 'RUN':
      return runStep(instruction)
    case 'SHELL':
      return shellStep(instruction)
    case 'VOLUME':
      return volumeStep(instruction)
    case 'FROM':
      throw invalidLine(instruction, 0, 'FROM cannot stand here')
    default:
      return wholeStep(instruction)
  }
}

/** ONBUILD: keeps the text of an instruction, with its here-documents. Variables in it wait as well. */
function onbuildStep(instruction: InstructionLine): DockerfileStep {
  parseFlags(instruction)
  const { rest, line, context, stage } = instruction
  if (rest.text === '')
    throw invalidLine(instruction, 0, 'ONBUILD says nothing', 'write ONBUILD RUN …, for example')
  const inner: LogicalLine = {
    ...line,
    text: line.text.slice(rest.offset),
    pieces: line.pieces.map((piece) => ({ ...piece, offset: piece.offset - rest.offset })),
  }
  // what it copies from are stages of whoever builds on this image
  checkTrigger(instructionLine(inner, { ...context, stages: undefined }, stage))
  const documents = line.heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`)
  const trigger = inner.text + documents.join('')
  return makeStep(instruction, () => ({ kind: 'onbuild', trigger }))
}

function checkTrigger(instruction: InstructionLine): DockerfileStep {
  const { name } = instruction
  if (name === 'ONBUILD' || name === 'FROM' || name === 'MAINTAINER')
    throw invalidLine(instruction, 0, `ONBUILD cannot hold ${name}`)
  return stepOf(instruction)
}

/**
 * The step of an ONBUILD trigger of the image that stage number `stage` is built on. `context` is that of the
 * Dockerfile, so `--from` means its stages. `origin` names the image in messages.
 * Throws `DOCKERFILE_INVALID`.
 */
export function parseTrigger(
  trigger: string,
  context: InstructionContext,
  { stage, origin }: { readonly stage: number; readonly origin: string },
): Step {
  const lines = logicalLines(trigger, `ONBUILD of ${origin}`, '\\')
  const [line] = lines
  if (line === undefined || lines.length > 1) {
    throw new PlinthError(
      'DOCKERFILE_INVALID',
      `cannot carry out ONBUILD of ${origin}: '${trigger}' is not one instruction`,
    )
  }
  return checkTrigger(instructionLine(line, context, stage))
}

/** The keywords that `plinth import --change` takes, as `docker import --change`. */
const changeKeywords = [
  'CMD',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'HEALTHCHECK',
  'LABEL',
  'ONBUILD',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
]

/** The step of a `--change`: one instruction that alters the configuration only. Throws `DOCKERFILE_INVALID`. */
export function parseChange(text: string): Step {
  const lines = logicalLines(text, '--change', '\\')
  const [line] = lines
  const { keyword } = splitLine(line?.text ?? '')
  const name = keyword.toUpperCase()
  if (line === undefined || lines.length > 1 || !changeKeywords.includes(name)) {
    const why = lines.length === 1 ? `${keyword} cannot be a change` : 'it is not one instruction'
    throw new PlinthError('DOCKERFILE_INVALID', `cannot apply --change '${text}': ${why}`, {
      hint:
        didYouMean(nearest(name, changeKeywords, 1)) ?? `it is one of ${changeKeywords.join(', ')}`,
    })
  }
  return stepOf(instructionLine(line, noContext, 0))
}
