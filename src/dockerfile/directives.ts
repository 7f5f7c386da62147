import { invalid } from './source.ts'
import { trim, trimStart } from './characters.ts'

/** What the comments at the very top say (Dockerfile reference, "Parser directives"). */
export interface Directives {
  /** the token that joins lines and escapes characters */
  readonly escape: '\\' | '`'
  /** names a front end for BuildKit; plinth brings its own */
  readonly syntax?: string | undefined
  readonly check: CheckOptions
}

/** What `# check=` says about warnings. */
export interface CheckOptions {
  /** rules that are not looked at, lower case, or `all` */
  readonly skip: readonly string[]
  /** experimental rules that are, lower case, or `all` */
  readonly experimental: readonly string[]
  /** whether a warning fails the build */
  readonly error: boolean
}

/**
 * Reads the directives: `# name=value` lines before the first comment, blank line or instruction, each name at
 * most once; the first line that is none ends them. Throws `DOCKERFILE_INVALID`.
 */
export function parseDirectives(lines: readonly string[], file: string): Directives {
  const found = new Map<string, string>()
  let escape: Directives['escape'] = '\\'
  let check: CheckOptions = { skip: [], experimental: [], error: false }
  for (const [index, line] of lines.entries()) {
    const match = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*?)\s*$/.exec(trimStart(line))
    const name = match?.[1]?.toLowerCase() ?? ''
    const value = match?.[2] ?? ''
    if (!['syntax', 'escape', 'check'].includes(name)) break
    const fail = (why: string, hint?: string) =>
      invalid(lines, { file, line: index + 1, column: line.indexOf(value) + 1 }, why, { hint })
    if (found.has(name)) throw fail(`the directive '${name}' is there twice`)
    found.set(name, value)
    if (name === 'escape') {
      if (value !== '\\' && value !== '`')
        throw fail(`'${value}' cannot be the escape token`, 'it is \\ or `')
      escape = value
    }
    if (name === 'check') check = parseCheck(value, fail)
  }
  return { escape, syntax: found.get('syntax')?.split(' ')[0], check }
}

function parseCheck(value: string, fail: (why: string, hint?: string) => Error): CheckOptions {
  const options = { skip: [] as string[], experimental: [] as string[], error: false }
  for (const part of value.split(';')) {
    const [key = '', ...rest] = part.split('=')
    const given = trim(rest.join('='))
    switch (trim(key).toLowerCase()) {
      case 'skip':
      case 'experimental':
        options[trim(key).toLowerCase() as 'skip' | 'experimental'] = given
          .split(',')
          .map((rule) => trim(rule).toLowerCase())
        break
      case 'error':
        if (!/^(true|false|1|0|t|f)$/i.test(given))
          throw fail(`'${given}' is neither true nor false`, '# check=error=true')
        options.error = /^(true|1|t)$/i.test(given)
        break
      default:
        throw fail(
          `'${trim(part)}' is no option of check`,
          '# check=skip=RULE,RULE;experimental=RULE;error=true',
        )
    }
  }
  return options
}
