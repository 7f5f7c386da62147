import { PatternError, replaced, withoutPrefix, withoutSuffix } from './pattern.ts'
import { characters, isSpace } from './characters.ts'

/** What a word is expanded with. */
export interface WordOptions {
  /** the token of the `escape` directive: `\` or a backquote */
  readonly escape: string
  readonly lookup: (name: string) => string | undefined
  /** quotes are characters like any other: what is in a here-document */
  readonly plainQuotes?: boolean | undefined
  /** quotes, escapes stay in the result */
  readonly keepQuotes?: boolean | undefined
  readonly keepEscapes?: boolean | undefined
  /** a variable that is not set stays as it is written */
  readonly keepUnset?: boolean | undefined
}

/** A word after quotes, escapes and variables were taken care of. */
export interface ExpandedWord {
  readonly text: string
  /** the same split at white space that is neither quoted nor escaped; empty words are none */
  readonly words: readonly string[]
  /** variables that were asked for and are set */
  readonly set: ReadonlySet<string>
  /** variables that were asked for, are not set, and for which the word says nothing else */
  readonly unset: ReadonlySet<string>
}

/** Says why a word cannot be expanded. */
export class WordError extends Error {
  /** whether it would fail with any values */
  readonly syntax: boolean
  constructor(message: string, syntax = true) {
    super(message)
    this.syntax = syntax
  }
}

/**
 * Expands a word as BuildKit does (Dockerfile reference, "Environment replacement"): `$v`, `${v}` and the
 * forms of it, nested; single quotes take all literally, double quotes all but `$`, `"` and the escape token.
 * Throws `WordError`.
 */
export function expandWord(word: string, options: WordOptions): ExpandedWord {
  const { escape } = options
  const chars = characters(word)
  let at = 0
  let keepEscapes = options.keepEscapes ?? false
  const set = new Set<string>()
  const unset = new Set<string>()

  /** Up to `stop`, which is consumed, or to the end. */
  function text(stop: string | undefined, keep: boolean): { text: string; words: string[] } {
    const outer = keepEscapes
    keepEscapes = keep
    try {
      return textWithin(stop)
    } finally {
      keepEscapes = outer
    }
  }

  function textWithin(stop: string | undefined): { text: string; words: string[] } {
    let result = ''
    const words = new Words()
    while (at < chars.length) {
      const char = chars[at]!
      if (char === stop) {
        at++
        return { text: result, words: words.done() }
      }
      if (char === '$') {
        const value = dollar()
        result += value
        for (const one of characters(value)) words.add(one)
      } else if ((char === "'" || char === '"') && !options.plainQuotes) {
        const value = char === "'" ? singleQuoted() : doubleQuoted()
        result += value
        words.addQuoted(value)
      } else if (char === escape) {
        at++
        const next = chars[at++]
        const value = (keepEscapes ? escape : '') + (next ?? '')
        result += value
        if (value !== '') words.addQuoted(value)
      } else {
        at++
        result += char
        words.add(char)
      }
    }
    if (stop !== undefined) throw new WordError(`a '${stop}' is missing`)
    return { text: result, words: words.done() }
  }

  function singleQuoted(): string {
    const end = chars.indexOf("'", at + 1)
    if (end < 0) throw new WordError("the closing ' is missing")
    const inside = chars.slice(at + 1, end).join('')
    at = end + 1
    return options.keepQuotes ? `'${inside}'` : inside
  }

  function doubleQuoted(): string {
    let result = options.keepQuotes ? '"' : ''
    at++
    for (;;) {
      const char = chars[at]
      if (char === undefined) throw new WordError('the closing " is missing')
      if (char === '"') {
        at++
        return options.keepQuotes ? `${result}"` : result
      }
      if (char === '$') {
        result += dollar()
        continue
      }
      at++
      if (char !== escape) {
        result += char
        continue
      }
      if (keepEscapes) result += escape
      const next = chars[at]
      if (next === undefined) continue
      // before any other character the token is one itself
      if (next === '"' || next === '$' || next === escape) {
        at++
        result += next
      } else result += escape
    }
  }

  function dollar(): string {
    at++
    if (chars[at] !== '{') {
      const name = variableName()
      if (name === '') return '$'
      const value = lookup(name)
      return value ?? (options.keepUnset ? `$${name}` : '')
    }
    at++
    const first = chars[at]
    if (first === undefined) throw new WordError("the closing } of '${' is missing")
    if (first === '{' || first === '}' || first === ':')
      throw new WordError(`'\${${first}' names no variable`)
    return substitution(variableName())
  }

  function substitution(name: string): string {
    const operator = chars[at++]
    if (operator === undefined) throw new WordError(`the closing } of '\${${name}' is missing`)
    if (operator === '}') {
      const value = lookup(name)
      return value ?? (options.keepUnset ? `\${${name}}` : '')
    }
    if (operator === '/') return replacement(name)
    const colon = operator === ':'
    const modifier = colon ? (chars[at++] ?? '') : operator
    if (!'+-?#%'.includes(modifier) || modifier === '')
      throw new WordError(`'\${${name}${colon ? ':' : ''}${modifier}' is no substitution`)
    const argument = braced(name, '}', modifier === '#' || modifier === '%')
    const value = lookup(name)
    if (value === undefined && options.keepUnset)
      return `\${${name}${colon ? ':' : ''}${modifier}${argument}}`
    const missing = value === undefined || (colon && value === '')
    switch (modifier) {
      case '-':
        if (missing) unset.delete(name)
        return missing ? argument : value
      case '+':
        if (missing) unset.delete(name)
        return missing ? '' : argument
      case '?':
        if (!missing) return value
        throw new WordError(
          `${name}: ${argument || `is not allowed to be ${value === undefined ? 'unset' : 'empty'}`}`,
          false,
        )
      default: {
        const longest = argument.startsWith(modifier)
        const trimmed = modifier === '#' ? withoutPrefix : withoutSuffix
        return patterned(() =>
          trimmed(value ?? '', longest ? argument.slice(1) : argument, longest),
        )
      }
    }
  }

  function replacement(name: string): string {
    const all = chars[at] === '/'
    if (all) at++
    const pattern = braced(name, '/', true)
    const by = braced(name, '}', true)
    const value = lookup(name)
    if (value === undefined && options.keepUnset) return `\${${name}/${pattern}/${by}}`
    return patterned(() => replaced(value ?? '', pattern, by, all))
  }

  function braced(name: string, stop: string, keep: boolean): string {
    try {
      return text(stop, keep).text
    } catch (error) {
      if (!(error instanceof WordError) || at < chars.length) throw error
      throw new WordError(`the closing ${stop} of '\${${name}' is missing`)
    }
  }

  /** Letters, digits and `_`; or digits alone; or one of the shell's special parameters. */
  function variableName(): string {
    const first = chars[at]
    if (first === undefined) return ''
    if (/^[@*#?\-$!]$/.test(first)) {
      at++
      return first
    }
    const part = /^\p{Nd}$/u.test(first) ? /^\p{Nd}$/u : /^[\p{L}\p{Nd}_]$/u
    const start = at
    while (at < chars.length && part.test(chars[at]!)) at++
    return chars.slice(start, at).join('')
  }

  function lookup(name: string): string | undefined {
    const value = options.lookup(name)
    ;(value === undefined ? unset : set).add(name)
    return value
  }

  const expanded = text(undefined, keepEscapes)
  return { ...expanded, set, unset }
}

function patterned(apply: () => string): string {
  try {
    return apply()
  } catch (error) {
    // the pattern may come from a variable
    if (error instanceof PatternError) throw new WordError(error.message, false)
    throw error
  }
}

/** Words in the making. */
class Words {
  readonly #words: string[] = []
  #word = ''

  add(char: string): void {
    if (!isSpace(char)) this.#word += char
    else this.#end()
  }

  addQuoted(text: string): void {
    this.#word += text
  }

  done(): string[] {
    this.#end()
    return this.#words
  }

  #end(): void {
    if (this.#word !== '') this.#words.push(this.#word)
    this.#word = ''
  }
}
