/** A list as Go's `%v` prints it: histories of images have it so. */
export function goList(words: readonly string[]): string {
  return `[${words.join(' ')}]`
}

/** A list of strings as Go's `%q` prints it (strconv.Quote). */
export function goQuoted(words: readonly string[]): string {
  return goList(words.map(goString))
}

/** A string as Go's `%q` prints it. */
export function goString(word: string): string {
  return quoted(word, '"')
}

/** A small number as Go's `%q` prints it: the character of that code. */
export function goRune(code: number): string {
  return quoted(String.fromCodePoint(code), "'")
}

/** Nanoseconds as Go's time.Duration prints them: `1m30s`, `1.5s`, `300ms`. */
export function goDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s'
  for (const [unit, size] of small) {
    if (nanoseconds < size * 1000) return `${trimmed(nanoseconds / size)}${unit}`
  }
  const minutes = Math.floor(nanoseconds / 60e9)
  const seconds = `${trimmed((nanoseconds - minutes * 60e9) / 1e9)}s`
  if (minutes === 0) return seconds
  const hours = Math.floor(minutes / 60)
  return `${hours === 0 ? '' : `${hours}h`}${minutes % 60}m${seconds}`
}

const small: readonly (readonly [unit: string, nanoseconds: number])[] = [
  ['ns', 1],
  ['µs', 1e3],
  ['ms', 1e6],
]

function trimmed(value: number): string {
  return String(Number(value.toFixed(9)))
}

const named: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

function quoted(text: string, mark: string): string {
  const inner = text.replace(/["'\\\p{Cc}]/gu, (c) => {
    if (c === mark || c === '\\') return `\\${c}`
    if (c === '"' || c === "'") return c
    return named[c] ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return mark + inner + mark
}
