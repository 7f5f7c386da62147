import { expandWord, WordError } from './word.ts'

/** The beginning of a here-document: `<<EOF`, `<<-"EOF"`. */
export interface HeredocMark {
  readonly name: string
  /** whether variables in it are expanded: no part of the name is quoted */
  readonly expand: boolean
  /** whether tabs in front of its lines are dropped */
  readonly chomp: boolean
}

/** A here-document. */
export interface Heredoc extends HeredocMark {
  /** as written, with its line ends */
  readonly content: string
}

const noVariables = { escape: '\\', lookup: () => undefined, keepUnset: true } as const

/** What a word begins, if anything. Throws `WordError` for a quote without its end. */
export function parseHeredocMark(word: string): HeredocMark | undefined {
  const match = /^\d*<<(-?)([^<]+)$/.exec(word)
  if (match === null) return undefined
  const [, dash, rest = ''] = match
  const { words } = expandWord(rest, noVariables)
  if (words.length !== 1) return undefined
  const raw = expandWord(rest, { ...noVariables, keepQuotes: true }).words
  return {
    name: words[0]!,
    expand: quotes(words[0]!) === quotes(raw[0] ?? ''),
    chomp: dash === '-',
  }
}

/** The here-documents a line begins, in order. Throws `WordError`. */
export function heredocMarks(line: string): readonly HeredocMark[] {
  let words: readonly string[]
  try {
    words = expandWord(line, { ...noVariables, keepQuotes: true, keepEscapes: true }).words
  } catch (error) {
    // what the lexer does not understand is the shell's business
    if (error instanceof WordError) return []
    throw error
  }
  return words.flatMap((word) => parseHeredocMark(word) ?? [])
}

/** What the document says: without tabs in front of its lines, for `<<-`. */
export function contentOf({ chomp, content }: Heredoc): string {
  return chomp ? content.replace(/^\t+/gm, '') : content
}

function quotes(text: string): number {
  return text.replace(/[^'"]/g, '').length
}
