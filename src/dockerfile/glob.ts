import { characters } from './characters.ts'

/** Patterns of names as Go's path/filepath has them: `*` and `?` stand for no `/`, `[a-z]` `[^a]` for one character. */

const compiled = new Map<string, RegExp | undefined>()

/** Whether a path fits a pattern (Go's filepath.Match). A pattern that is none fits nothing: see `isGlob`. */
export function matchesGlob(pattern: string, path: string): boolean {
  return expression(pattern)?.test(path) ?? false
}

/** Whether a pattern can be one: brackets are closed, no backslash is last. */
export function isGlob(pattern: string): boolean {
  return expression(pattern) !== undefined
}

/** Whether a pattern stands for more than one name. */
export function hasWildcard(pattern: string): boolean {
  return /^(?:[^\\*?[]|\\[^])*[*?[]/.test(pattern)
}

/** The directory above the first part with a wildcard, and the pattern below it. */
export function splitGlob(pattern: string): { readonly directory: string; readonly glob: string } {
  const parts = pattern.split('/')
  const first = parts.findIndex(hasWildcard)
  if (first < 0) return { directory: pattern, glob: '' }
  return { directory: parts.slice(0, first).join('/'), glob: parts.slice(first).join('/') }
}

/** A source of `COPY --parents`: what stands in front of `/./` is left out of the destination. */
export function splitPivot(source: string): { readonly base: string; readonly pattern: string } {
  const pivot = source.indexOf('/./')
  if (pivot < 0) return { base: '', pattern: source.replace(/^\/?(?:\.\/)?/, '') }
  return { base: source.slice(0, pivot).replace(/^\//, ''), pattern: source.slice(pivot + 3) }
}

function expression(pattern: string): RegExp | undefined {
  if (!compiled.has(pattern)) {
    const source = translate(pattern)
    compiled.set(pattern, source === undefined ? undefined : new RegExp(`^${source}$`, 'su'))
  }
  return compiled.get(pattern)
}

function translate(pattern: string): string | undefined {
  const chars = characters(pattern)
  let source = ''
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!
    if (char === '*') source += '[^/]*'
    else if (char === '?') source += '[^/]'
    else if (char === '\\') {
      const next = chars[++at]
      if (next === undefined) return undefined
      source += point(next)
    } else if (char === '[') {
      const set = readSet(chars, at + 1)
      if (set === undefined) return undefined
      source += set.source
      at = set.end
    } else source += point(char)
  }
  return source
}

/** Reads a set of characters behind its bracket, as the source of an expression; undefined: it is none. */
export function readSet(
  chars: readonly string[],
  start: number,
): { readonly source: string; readonly end: number } | undefined {
  let at = start
  const negated = chars[at] === '^'
  if (negated) at++
  const ranges: string[] = []
  const one = (): string | undefined => {
    const char = chars[at++]
    if (char === '\\') return chars[at++]
    return char === '-' || char === ']' ? undefined : char
  }
  do {
    const low = one()
    if (low === undefined) return undefined
    let high: string | undefined = low
    if (chars[at] === '-') {
      at++
      high = one()
      if (high === undefined) return undefined
    }
    if (low.codePointAt(0)! <= high.codePointAt(0)!) ranges.push(`${point(low)}-${point(high)}`)
    if (at >= chars.length) return undefined
  } while (chars[at] !== ']')
  // no range of it holds anything: nothing fits, or, negated, anything
  return { source: `[${negated ? '^' : ''}${ranges.join('')}]`, end: at }
}

function point(char: string): string {
  return `\\u{${char.codePointAt(0)!.toString(16)}}`
}
