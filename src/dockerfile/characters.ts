/** White space as Go's unicode.IsSpace has it, which JavaScript's `\s` is not (U+0085 in, U+FEFF out). */
export const space = String.raw`[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`

const one = new RegExp(`^${space}$`)
const leading = new RegExp(`^${space}+`)
const trailing = new RegExp(`${space}+$`)

/** Whether a character is white space. */
export function isSpace(char: string): boolean {
  return one.test(char)
}

/** Without white space in front. */
export function trimStart(text: string): string {
  return text.replace(leading, '')
}

/** Without white space at either end. */
export function trim(text: string): string {
  return trimStart(text).replace(trailing, '')
}

/** The characters of a text: code points, as Go's runes. */
export function characters(text: string): string[] {
  return Array.from(text)
}
