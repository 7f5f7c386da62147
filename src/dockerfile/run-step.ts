import type { Run } from '../instruction.ts'
import { nearest } from '../nearest.ts'
import { contentOf, parseHeredocMark } from './heredoc.ts'
import { type InstructionLine, invalidLine, jsonArguments, parseFlags } from './instruction-line.ts'
import { mountOf, mountText } from './mount.ts'
import { didYouMean } from './source.ts'
import type { Part } from './split.ts'
import { sourceNamed } from './stage-source.ts'
import { type DockerfileStep, makeStep } from './step.ts'
import { WordError } from './word.ts'

/** RUN in its forms. Its variables are the shell's; only those of `--mount` are expanded. */
export function runStep(instruction: InstructionLine): DockerfileStep {
  const flags = parseFlags(instruction, {
    mount: 'list',
    network: 'text',
    security: 'text',
    device: 'list',
  })
  const [device] = flags.list('device')
  if (device) {
    throw invalidLine(
      instruction,
      device.offset,
      'RUN --device is not supported: plinth gives a RUN no device',
    )
  }
  const network = choice(instruction, 'network', flags.text('network'), ['default', 'none', 'host'])
  const security = choice(instruction, 'security', flags.text('security'), ['sandbox', 'insecure'])
  const mounts = flags.list('mount').map((part) => mountText(instruction, part))
  const sources = mounts.flatMap(({ from }) =>
    from && from.text !== '' ? [sourceNamed(instruction, from)] : [],
  )
  const command = commandOf(instruction)
  return makeStep(
    instruction,
    (expand) => ({
      kind: 'run',
      command,
      mounts: mounts.map((mount) => mountOf(instruction, mount, expand)),
      network,
      security,
    }),
    sources,
  )
}

function commandOf(instruction: InstructionLine): Run['command'] {
  const list = jsonArguments(instruction)
  if (list !== undefined) return list
  const { rest, line } = instruction
  const [first] = line.heredocs
  if (first === undefined) return rest.text
  if (isMark(rest.text)) {
    // the whole command is the document: a script for the shell, or for what its first line names
    const script = contentOf(first)
    return script.startsWith('#!') ? { script, name: first.name } : script
  }
  // the shell has its own here-documents
  return line.heredocs.reduce(
    (command, { content, name }) => `${command}\n${content}${name}`,
    rest.text,
  )
}

function isMark(text: string): boolean {
  try {
    return parseHeredocMark(text) !== undefined
  } catch (error) {
    if (error instanceof WordError) return false
    throw error
  }
}

function choice<T extends string>(
  instruction: InstructionLine,
  flag: string,
  given: Part | undefined,
  known: readonly T[],
): T | undefined {
  if (given === undefined) return undefined
  const found = known.find((one) => one === given.text)
  if (found !== undefined) return found
  throw invalidLine(
    instruction,
    given.offset,
    `--${flag} cannot be '${given.text}'`,
    didYouMean(nearest(given.text, known, 1)) ?? known.join(', '),
  )
}
