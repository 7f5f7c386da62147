import { PlinthError } from '../errors.ts'
import type { Location } from '../stage.ts'

/** A stretch of a logical line that stands together in the file. */
interface Piece {
  /** in the logical line, from 0 */
  readonly offset: number
  /** in the file, from 1 */
  readonly line: number
  readonly column: number
}

/** A logical line's text and where each part of it stands. */
export interface Placed {
  readonly file: string
  readonly text: string
  readonly pieces: readonly Piece[]
  /** the file's lines, for excerpts; missing where there is no file */
  readonly lines: readonly string[]
}

/** Where the character at `offset` of a logical line stands in the file. */
export function locate(placed: Placed, offset: number): Location {
  const piece = placed.pieces.findLast((one) => one.offset <= offset) ?? placed.pieces[0]
  const { line, column } = piece ?? { line: 1, column: 1 }
  return { file: placed.file, line, column: column + offset - (piece?.offset ?? 0) }
}

/**
 * The error for something in a Dockerfile: `file:line:column: why`, and the line with a mark below it.
 * Its facts hold the location.
 */
export function invalid(
  lines: readonly string[],
  location: Location,
  why: string,
  details: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
): PlinthError {
  const { file, line, column } = location
  return new PlinthError(
    'DOCKERFILE_INVALID',
    `${file}:${line}:${column}: ${why}${excerpt(lines, location)}`,
    { ...details, facts: { file, line, column } },
  )
}

/** The same for a place in a logical line. */
export function invalidAt(
  placed: Placed,
  offset: number,
  why: string,
  details?: { readonly hint?: string | undefined; readonly cause?: unknown },
): PlinthError {
  return invalid(placed.lines, locate(placed, offset), why, details)
}

const width = 100

function excerpt(lines: readonly string[], { line, column }: Location): string {
  const text = lines[line - 1]
  if (text === undefined || text.trim() === '') return ''
  // of a long line the part around the place
  const start = column > width ? column - 1 - width / 2 : 0
  const shown = text.slice(start, start + width).replaceAll('\t', ' ')
  const number = String(line)
  return `\n  ${number} | ${shown}\n  ${' '.repeat(number.length)} | ${' '.repeat(column - 1 - start)}^`
}

/** `, did you mean X?` as a hint. */
export function didYouMean(names: readonly string[]): string | undefined {
  return names.length === 0 ? undefined : `did you mean ${names.join(' or ')}?`
}
