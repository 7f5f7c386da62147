import { characters } from './characters.ts'

/**
 * The patterns of `${v#p}` `${v%p}` `${v/p/r}`: `*` is any text, `?` one character, and a backslash (never
 * the `escape` directive's token) takes `*`, `?` or itself literally. There are no bracket expressions.
 */

/** Says that a pattern cannot be one. */
export class PatternError extends Error {}

/** `value` without the shortest (or longest) prefix that fits. Throws `PatternError`. */
export function withoutPrefix(value: string, pattern: string, longest: boolean): string {
  const match = toExpression(pattern, { longest, anchored: true }).exec(value)
  return match === null ? value : value.slice(match[0].length)
}

/** `value` without the shortest (or longest) suffix that fits. Throws `PatternError`. */
export function withoutSuffix(value: string, pattern: string, longest: boolean): string {
  // an expression finds the leftmost match, so the text is read backwards
  const backwards = reverse(pattern.match(/\\[^]|[^]/gu) ?? [])
  return reverse(characters(withoutPrefix(reverse(characters(value)), backwards, longest)))
}

/** `value` with what fits replaced: the first longest match, or each of them. Throws `PatternError`. */
export function replaced(
  value: string,
  pattern: string,
  replacement: string,
  all: boolean,
): string {
  const expression = toExpression(pattern, { longest: true, anchored: false })
  if (!all) {
    const match = expression.exec(value)
    if (match === null) return value
    return value.slice(0, match.index) + replacement + value.slice(match.index + match[0].length)
  }
  let result = ''
  let end = 0
  for (const match of value.matchAll(expression)) {
    const matchEnd = match.index + match[0].length
    result += value.slice(end, match.index)
    // an empty match right behind another match is none, as Go's regexp has it
    if (matchEnd > end || match.index === 0) result += filled(replacement, match[0])
    end = matchEnd
  }
  return result + value.slice(end)
}

/** In the replacement of `//` Go's `$0` is what was found; no other group exists, so each is empty. */
function filled(replacement: string, found: string): string {
  return replacement.replace(/\$(?:(\$)|(\w+)|\{(\w+)\})/g, (_, dollar, bare, braced) => {
    if (dollar !== undefined) return '$'
    return (bare ?? braced) === '0' ? found : ''
  })
}

function toExpression(
  pattern: string,
  { longest, anchored }: { readonly longest: boolean; readonly anchored: boolean },
): RegExp {
  let source = anchored ? '^' : ''
  const chars = characters(pattern)
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!
    if (char === '*') source += longest ? '[^\n]*' : '[^\n]*?'
    else if (char === '?') source += '[^\n]'
    else if (char !== '\\') source += literal(char)
    else {
      const next = chars[at + 1]
      // these had to be escaped for `${}` alone
      if (next === '}' || next === '/') continue
      if (next !== '*' && next !== '?' && next !== '\\')
        throw new PatternError(`'\\${next ?? ''}' means nothing in the pattern '${pattern}'`)
      source += `\\${next}`
      at++
    }
  }
  return new RegExp(source, 'gu')
}

function literal(char: string): string {
  return char.replace(/[[\]{}.+()|^$/]/, '\\$&')
}

function reverse(chars: readonly string[]): string {
  return chars.toReversed().join('')
}
