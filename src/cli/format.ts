/** `0.4 s`, `12.3 s`, `2 min 5 s`. */
export function readableDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

// CSI, OSC and two-byte sequences of ECMA-48, then every other control character.
const escape = String.fromCharCode(27)
const bell = String.fromCharCode(7)
const escapeSequence = new RegExp(
  `${escape}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${bell}${escape}]*(?:${bell}|${escape}\\\\)?|[@-Z\\\\-_])`,
  'g',
)
const controlCharacter = /\p{Cc}/gu

/**
 * Text from outside, safe to show: escape sequences and control characters are gone, of a line
 * rewritten with carriage returns the last state is kept.
 */
export function printable(text: string): string {
  const last = text.replace(/\r+$/, '').split('\r').at(-1) ?? ''
  return last
    .replace(escapeSequence, '')
    .replaceAll('\t', '    ')
    .replace(controlCharacter, '')
    .trimEnd()
}

/** Terminal cells `text` takes: East Asian wide characters and emoji two, combining marks none. */
export function cells(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let total = 0
  for (const character of text) total += cellsOf(character)
  return total
}

/** At most `width` cells, the last one `…` when something is missing. */
export function clip(text: string, width: number): string {
  if (cells(text) <= width) return text
  let kept = ''
  let left = width - 1
  for (const character of text) {
    left -= cellsOf(character)
    if (left < 0) break
    kept += character
  }
  return width < 1 ? '' : `${kept}…`
}

function cellsOf(character: string): number {
  if (/[\p{M}\p{Cf}]/u.test(character)) return 0
  return /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}/u.test(
    character,
  )
    ? 2
    : 1
}

/** How a column is set. */
export type Alignment = 'left' | 'right'

/** Rows under a heading, columns two spaces apart; nothing is cut. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  alignment: readonly Alignment[],
): string {
  const all = [heading, ...rows]
  const widths = heading.map((_, column) => Math.max(...all.map((row) => cells(row[column] ?? ''))))
  return all
    .map((row) => {
      const padded = row.map((cell, column) => {
        const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - cells(cell)))
        return alignment[column] === 'right' ? space + cell : cell + space
      })
      return `${padded.join('  ').trimEnd()}\n`
    })
    .join('')
}
