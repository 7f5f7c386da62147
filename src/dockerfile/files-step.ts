import type { Add, Copy } from '../instruction.ts'
import { listParts } from './config-step.ts'
import { contentOf, type Heredoc, parseHeredocMark } from './heredoc.ts'
import {
  type FlagKind,
  type Flags,
  type InstructionLine,
  invalidLine,
  jsonArguments,
  parseFlags,
} from './instruction-line.ts'
import type { Part } from './split.ts'
import { sourceNamed } from './stage-source.ts'
import { type DockerfileStep, type Expander, makeStep } from './step.ts'
import { isMode } from './values.ts'
import { WordError } from './word.ts'

const common: Readonly<Record<string, FlagKind>> = {
  chown: 'text',
  chmod: 'text',
  link: 'boolean',
  exclude: 'list',
}

/** COPY. Sources, destination and what is said of them are expanded; `--from` is not. */
export function copyStep(instruction: InstructionLine): DockerfileStep {
  const flags = parseFlags(instruction, { ...common, from: 'text', parents: 'boolean' })
  const named = flags.text('from')
  const from = named && named.text !== '' ? sourceNamed(instruction, named) : undefined
  const files = filesOf(instruction, flags)
  return makeStep(
    instruction,
    (expand): Copy => ({ kind: 'copy', from, parents: flags.on('parents'), ...files(expand) }),
    from && [from],
  )
}

/** ADD. */
export function addStep(instruction: InstructionLine): DockerfileStep {
  const flags = parseFlags(instruction, {
    ...common,
    checksum: 'text',
    unpack: 'boolean',
    'keep-git-dir': 'boolean',
  })
  const files = filesOf(instruction, flags)
  const checksum = flags.text('checksum')
  return makeStep(instruction, (expand): Add => {
    const what = files(expand)
    const sum = checksum && expand.word(checksum)
    if (checksum && (sum === '' || !/^(sha(256|384|512):)?[0-9a-f]+$/.test(sum!)))
      throw invalidLine(
        instruction,
        checksum.offset,
        `--checksum: '${sum}' is no checksum`,
        'sha256:… or a commit',
      )
    if (checksum && what.sources.length + what.inline.length !== 1)
      throw invalidLine(instruction, checksum.offset, '--checksum is for one source')
    return {
      kind: 'add',
      checksum: sum,
      unpack: flags.on('unpack'),
      keepGitDir: flags.on('keep-git-dir'),
      ...what,
    }
  })
}

type Files = Pick<
  Copy,
  'sources' | 'inline' | 'destination' | 'chown' | 'chmod' | 'link' | 'exclude'
>

function filesOf(instruction: InstructionLine, flags: Flags): (expand: Expander) => Files {
  const parts = listParts(instruction)
  if (parts.length < 2) {
    throw invalidLine(
      instruction,
      instruction.rest.offset,
      `${instruction.name} needs a source and a destination`,
      `${instruction.name} source… destination`,
    )
  }
  const isJson = jsonArguments(instruction) !== undefined
  const heredocOf = (part: Part): Heredoc | undefined => {
    const name = isJson ? undefined : markName(part.text)
    // of two with one name the content of the last is both's
    return instruction.line.heredocs.findLast((heredoc) => heredoc.name === name)
  }
  const destination = parts.at(-1)!
  if (heredocOf(destination))
    throw invalidLine(instruction, destination.offset, 'a here-document cannot be the destination')
  const given = parts.slice(0, -1).map((part) => ({ part, heredoc: heredocOf(part) }))
  // these are taken as they are, variables too
  const exclude = flags.list('exclude').map(({ text }) => text)
  return (expand) => ({
    sources: given.flatMap(({ part, heredoc }) => (heredoc ? [] : [expand.word(part)])),
    inline: given.flatMap(({ part, heredoc }) => {
      if (heredoc === undefined) return []
      const content = contentOf(heredoc)
      return [
        {
          name: heredoc.name,
          content: heredoc.expand
            ? expand.document({ text: content, offset: part.offset })
            : content,
        },
      ]
    }),
    destination: expand.word(destination),
    chown: optional(flags.text('chown'), expand),
    chmod: modeOf(instruction, flags.text('chmod'), expand),
    link: flags.on('link'),
    ...(exclude.length > 0 && { exclude }),
  })
}

function optional(part: Part | undefined, expand: Expander): string | undefined {
  return (part && expand.word(part)) || undefined
}

function modeOf(
  instruction: InstructionLine,
  part: Part | undefined,
  expand: Expander,
): string | undefined {
  const mode = optional(part, expand)
  if (mode === undefined || isMode(mode)) return mode
  throw invalidLine(
    instruction,
    part?.offset ?? 0,
    `--chmod: '${mode}' is no mode`,
    '0644 or u=rwX,go=rX',
  )
}

function markName(text: string): string | undefined {
  try {
    return parseHeredocMark(text)?.name
  } catch (error) {
    if (error instanceof WordError) return undefined
    throw error
  }
}
