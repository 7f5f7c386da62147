import { isSpace, trim } from './characters.ts'

/** A part of a logical line and where in it it begins. */
export interface Part {
  readonly text: string
  readonly offset: number
}

/** A logical line's keyword, its flags and what follows them. */
export interface Split {
  readonly keyword: string
  readonly flags: readonly Part[]
  readonly rest: Part
}

/** Splits a logical line: the keyword, words that begin with `--` (quotes and backslashes resolved), the rest. */
export function splitLine(line: string): Split {
  const start = line.length - line.trimStart().length
  const keyword = /^[^\t\v\f\r ]*/.exec(line.slice(start))![0]
  let at = skip(line, start + keyword.length)
  const flags: Part[] = []
  while (line.startsWith('--', at)) {
    const flag = flagAt(line, at)
    at = skip(line, flag.end)
    if (flag.text === '--') break
    flags.push({ text: flag.text, offset: flag.offset })
  }
  return { keyword, flags, rest: { text: trim(line.slice(at)), offset: at } }
}

function flagAt(line: string, start: number): Part & { readonly end: number } {
  let text = ''
  let quote: string | undefined
  let at = start
  for (; at < line.length; at++) {
    const char = line[at]!
    if (quote === undefined && isSpace(char)) break
    // always the backslash here, whatever the `escape` directive says
    if (char === '\\') text += line[++at] ?? ''
    else if (quote === undefined && (char === '"' || char === "'")) quote = char
    else if (char === quote) quote = undefined
    else text += char
  }
  return { text, offset: start, end: at }
}

function skip(line: string, from: number): number {
  let at = from
  while (at < line.length && isSpace(line[at]!)) at++
  return at
}

/** The words between white space, as they stand. */
export function spaceSeparated(part: Part): readonly Part[] {
  return [...part.text.matchAll(/[^\t\v\f\r ]+/g)].map((match) => ({
    text: match[0],
    offset: part.offset + match.index,
  }))
}

/**
 * The words of ENV, LABEL and ARG: white space ends one unless it is quoted or escaped. Quotes and escapes stay:
 * they are resolved when the word is expanded.
 */
export function quotedWords(part: Part, escape: string): readonly Part[] {
  const { text } = part
  const words: Part[] = []
  let at = 0
  while ((at = skip(text, at)) < text.length) {
    const start = at
    let word = ''
    let quote: string | undefined
    for (; at < text.length; at++) {
      const char = text[at]!
      if (quote === undefined && isSpace(char)) break
      if (char === escape && quote !== "'") {
        // at the very end it is nothing
        if (at + 1 === text.length) continue
        word += char + text[++at]!
        continue
      }
      if (quote === undefined && (char === '"' || char === "'")) quote = char
      else if (char === quote) quote = undefined
      word += char
    }
    if (word !== '') words.push({ text: word, offset: part.offset + start })
  }
  return words
}

/**
 * The list of the JSON (exec) form; undefined when it is not valid JSON, which makes it the shell form.
 * Throws `TypeError` for a list that holds anything but strings.
 */
export function jsonList(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    return undefined
  }
  return (list as readonly unknown[]).map((one) => {
    if (typeof one !== 'string') throw new TypeError('a list in JSON holds nothing but strings')
    // half a surrogate pair is no character
    return one.replaceAll(/\p{Surrogate}/gu, '\ufffd')
  })
}
