/**
 * Whether a path fits a pattern as fnmatch(3) with FNM_PATHNAME has it: `*` and `?` and `[…]` never stand for
 * a slash, a backslash takes what follows literally.
 */
export function matchesPath(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const parts = path.split('/')
  return (
    wanted.length === parts.length && wanted.every((one, i) => toExpression(one).test(parts[i]!))
  )
}

const compiled = new Map<string, RegExp>()

function toExpression(pattern: string): RegExp {
  const known = compiled.get(pattern)
  if (known) return known
  const made = new RegExp(`^${translate(pattern)}$`, 'su')
  compiled.set(pattern, made)
  return made
}

function translate(pattern: string): string {
  let source = ''
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!
    if (char === '*') source += '.*'
    else if (char === '?') source += '.'
    else if (char === '\\' && at + 1 < pattern.length) source += literal(pattern[++at]!)
    else if (char === '[') {
      // a `]` right after the bracket or its negation belongs to the set
      const end = pattern.indexOf(']', at + (/^[!^]/.test(pattern.slice(at + 1)) ? 3 : 2))
      if (end < 0) source += '\\['
      else {
        source += set(pattern.slice(at + 1, end))
        at = end
      }
    } else source += literal(char)
  }
  return source
}

/** A set of characters and ranges; one that holds nothing fits nothing. */
function set(inside: string): string {
  const negated = /^[!^]/.test(inside)
  const members = [...(negated ? inside.slice(1) : inside).matchAll(/(\\?[^])(?:-(\\?[^]))?/gu)]
    .map(([, from, to]) => [from!, to ?? from!].map((char) => char.replace(/^\\(?=[^])/u, '')))
    .filter(([from, to]) => from!.codePointAt(0)! <= to!.codePointAt(0)!)
    .map((range) => range.map(codePoint).join('-'))
  return `[${negated ? '^' : ''}${members.join('')}]`
}

function codePoint(char: string): string {
  return `\\u{${char.codePointAt(0)!.toString(16)}}`
}

function literal(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
}
