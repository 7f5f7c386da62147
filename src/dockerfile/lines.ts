import { type Heredoc, heredocMarks, type HeredocMark } from './heredoc.ts'
import { invalidAt, type Placed } from './source.ts'
import { trim, trimStart } from './characters.ts'
import { jsonList, splitLine } from './split.ts'

/** An instruction as it stands in the file: its lines joined, its here-documents read. */
export interface LogicalLine extends Placed {
  /** the comments directly above it */
  readonly comments: readonly string[]
  /** line number of the first empty line between two that are joined */
  readonly emptyContinuation?: number | undefined
  readonly heredocs: readonly Heredoc[]
}

/**
 * Splits a Dockerfile into instructions: the escape token at a line's end joins the next one, comments and
 * empty lines in between are dropped, here-documents belong to the instruction that begins them.
 * Throws `DOCKERFILE_INVALID` for a here-document without its end.
 */
export function logicalLines(text: string, file: string, escape: string): readonly LogicalLine[] {
  const raw = rawLines(text)
  const lines = raw.map(withoutEnd)
  const result: LogicalLine[] = []
  let comments: string[] = []
  let at = 0
  while (at < raw.length) {
    const first = lines[at]!
    const trimmed = trimStart(first)
    if (trimmed === '') comments = []
    if (trimmed.startsWith('#')) {
      const comment = trim(trimmed.slice(1))
      if (comment === '') comments = []
      else comments.push(comment)
    }
    if (trimmed === '' || trimmed.startsWith('#')) {
      at++
      continue
    }
    const joined = join(lines, at, escape)
    at = joined.next
    const placed: Placed = { file, lines, text: joined.text, pieces: joined.pieces }
    const read = readHeredocs(raw, at, placed)
    at = read.next
    const { emptyContinuation } = joined
    result.push({ ...placed, comments, emptyContinuation, heredocs: read.heredocs })
    comments = []
  }
  return result
}

/** The lines of a file without byte order mark and line ends. */
export function sourceLines(text: string): readonly string[] {
  return rawLines(text).map(withoutEnd)
}

function rawLines(text: string): readonly string[] {
  return text.replace(/^\ufeff/, '').match(/[^\n]*\n|[^\n]+$/g) ?? []
}

function withoutEnd(line: string): string {
  return line.replace(/[\r\n]+$/, '')
}

interface Joined {
  readonly text: string
  readonly pieces: Placed['pieces']
  readonly emptyContinuation: number | undefined
  readonly next: number
}

function join(lines: readonly string[], start: number, escape: string): Joined {
  const pieces: { offset: number; line: number; column: number }[] = []
  let text = ''
  let emptyContinuation: number | undefined
  let goesOn = true
  let at = start
  for (; goesOn && at < lines.length; at++) {
    const line = lines[at]!
    const indent = line.length - trimStart(line).length
    if (at > start) {
      if (indent === line.length) {
        emptyContinuation ??= at + 1
        continue
      }
      if (line[indent] === '#') continue
    }
    // what is in front of the following lines stays: it may stand inside quotes
    const from = at === start ? indent : 0
    const end = continuation(line, escape)
    pieces.push({ offset: text.length, line: at + 1, column: from + 1 })
    text += line.slice(from, end)
    goesOn = end !== undefined
  }
  return { text, pieces, emptyContinuation, next: at }
}

/** Where the token that joins the next line stands; an escape token in front of it takes its meaning. */
function continuation(line: string, escape: string): number | undefined {
  const end = line.replace(/[ \t]+$/, '').length - 1
  if (line[end] !== escape || line[end - 1] === escape) return undefined
  return end
}

function readHeredocs(
  raw: readonly string[],
  start: number,
  placed: Placed,
): { readonly heredocs: readonly Heredoc[]; readonly next: number } {
  let next = start
  const heredocs = marksOf(placed).map((mark) => {
    const end = raw.findIndex((line, index) => index >= next && isEnd(line, mark))
    if (end < 0) {
      const offset = Math.max(placed.text.indexOf('<<'), 0)
      throw invalidAt(placed, offset, `the here-document '${mark.name}' has no end`, {
        hint: `write a line with nothing but ${mark.name}`,
      })
    }
    const content = raw.slice(next, end).join('')
    next = end + 1
    return { ...mark, content }
  })
  return { heredocs, next }
}

function isEnd(line: string, { name, chomp }: HeredocMark): boolean {
  const text = withoutEnd(line)
  return (chomp ? text.replace(/^\t+/, '') : text) === name
}

/** Only RUN, COPY and ADD take here-documents, behind ONBUILD too, and not in their JSON form. */
function marksOf({ text }: Placed): readonly HeredocMark[] {
  let { keyword, rest } = splitLine(text)
  if (keyword.toLowerCase() === 'onbuild') ({ keyword, rest } = splitLine(rest.text))
  if (!['run', 'copy', 'add'].includes(keyword.toLowerCase())) return []
  try {
    if (jsonList(rest.text) !== undefined) return []
  } catch (error) {
    // a list of other things than strings is refused when the instruction is read
    if (error instanceof TypeError) return []
    throw error
  }
  return heredocMarks(text)
}
