import { posix } from 'node:path'
import { PlinthError } from '../errors.ts'
import { characters, trim } from './characters.ts'
import { hasWildcard, isGlob, readSet } from './glob.ts'

/**
 * The patterns of a `.dockerignore`: one a line, `#` begins a comment, `!` takes paths out again, a leading `/`
 * means nothing. Throws `DOCKERFILE_INVALID` for a pattern that cannot be one.
 */
export function parseIgnoreFile(text: string, file: string): readonly string[] {
  const lines = text.replace(/^\ufeff/, '').split('\n')
  return lines.flatMap((line, index) => {
    if (line.startsWith('#')) return []
    const trimmed = trim(line)
    if (trimmed === '') return []
    const inverted = trimmed.startsWith('!')
    const bare = inverted ? trim(trimmed.slice(1)) : trimmed
    const pattern = bare === '' ? '' : clean(bare).replace(/^\/(?=.)/, '')
    if (pattern === '' || !isGlob(pattern)) {
      throw new PlinthError(
        'DOCKERFILE_INVALID',
        `${file}:${index + 1}:1: '${trimmed}' is no pattern`,
        { facts: { file, line: index + 1, column: 1 } },
      )
    }
    return [(inverted ? '!' : '') + pattern]
  })
}

/** Paths by patterns. Paths are relative, separated by `/`, without `.` and `..`. */
export interface PathMatcher {
  /** whether a path, or a directory it is in, fits and no later pattern takes it out */
  matches(path: string): boolean
  /** whether something below a directory that fits may not fit: only then it has to be looked into */
  mayHoldOthers(directory: string): boolean
}

/**
 * The matcher of `.dockerignore` and of `--exclude`: later patterns win, `**` stands for any number of
 * directories, and what fits takes along what is below it. A pattern counts for a directory as Docker's engines
 * find out while they walk: one that changes nothing for the directory itself is not asked for what is below.
 * Throws `DOCKERFILE_INVALID` for a pattern that cannot be one.
 */
export function pathMatcher(patterns: readonly string[]): PathMatcher {
  const compiled = patterns.map(compile)
  const directories = new Map<string, Verdict>()

  function judge(path: string): Verdict {
    const slash = path.lastIndexOf('/')
    const parent = slash < 0 ? undefined : directory(path.slice(0, slash))
    let matched = false
    const fits = compiled.map((pattern, index) => {
      const inherited = parent?.fits[index] ?? false
      // it could not change the verdict
      if (!inherited && pattern.inverted !== matched) return false
      const fit = inherited || pattern.fits(path)
      if (fit) matched = !pattern.inverted
      return fit
    })
    return { matched, fits }
  }

  function directory(path: string): Verdict {
    const known = directories.get(path)
    if (known) return known
    const verdict = judge(path)
    directories.set(path, verdict)
    return verdict
  }

  return {
    matches: (path) => path !== '.' && path !== '' && judge(path).matched,
    mayHoldOthers: (path) =>
      compiled.some(({ inverted, prefix, open }) => {
        if (!inverted) return false
        const below = `${path}/`
        return prefix.startsWith(below) || below.startsWith(open ? prefix : `${prefix}/`)
      }),
  }
}

interface Verdict {
  readonly matched: boolean
  /** by pattern */
  readonly fits: readonly boolean[]
}

interface Compiled {
  readonly inverted: boolean
  readonly fits: (path: string) => boolean
  /** what every path that fits begins with */
  readonly prefix: string
  /** whether more follows the prefix */
  readonly open: boolean
}

function compile(text: string): Compiled {
  const inverted = text.startsWith('!')
  const pattern = clean(inverted ? text.slice(1) : text)
  if (!isGlob(pattern))
    throw new PlinthError('DOCKERFILE_INVALID', `'${text}' is no pattern of paths`)
  const parts = pattern.split('/')
  const first = parts.findIndex((part) => hasWildcard(part) || part.includes('\\'))
  const literal = first < 0 ? parts : parts.slice(0, first)
  const prefix = literal.join('/') + (first > 0 ? '/' : '')
  const expression = new RegExp(`^${translate(pattern)}$`, 'su')
  return { inverted, fits: (path) => expression.test(path), prefix, open: first >= 0 }
}

/** The beginning `**` of a pattern without other wildcards is any text, not only whole directories. */
function translate(pattern: string): string {
  const loose = /^\*\*\/?(?:[^*?[\]\\])*$/.test(pattern)
  if (loose) {
    const rest = pattern.slice(2)
    return rest.startsWith('/') ? `(?:[^]*/)?${literalOf(rest.slice(1))}` : `[^]*${literalOf(rest)}`
  }
  const chars = characters(pattern)
  let source = ''
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!
    if (char === '*' && chars[at + 1] === '*') {
      at += chars[at + 2] === '/' ? 2 : 1
      source += at + 1 < chars.length ? '(?:[^]*/)?' : '[^]*'
    } else if (char === '*') source += '[^/]*'
    else if (char === '?') source += '[^/]'
    else if (char === '[') {
      const set = readSet(chars, at + 1)!
      source += set.source
      at = set.end
    } else source += literalOf(char === '\\' ? chars[++at]! : char)
  }
  return source
}

function literalOf(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

/** A path as Go's filepath.Clean leaves it. */
function clean(path: string): string {
  const normal = posix.normalize(path)
  return normal.length > 1 ? normal.replace(/\/$/, '') : normal
}
