/** What a version must be to another; with `~` two are the same when one begins with the other, whole parts at a time. */
export type VersionOperator = '<' | '<=' | '=' | '>=' | '>' | '~' | '<~' | '>~'

/**
 * Orders two versions as apk 2.14 does (`apk version -t`): negative, zero or positive. Any string has a
 * place in the order; it is not a total one among strings that are no versions.
 */
export function compareVersions(a: string, b: string): number {
  return a === b ? 0 : compareTokens(a, b, false)
}

/** Whether `version` stands in `operator` to `wanted`. */
export function satisfiesVersion(
  version: string,
  operator: VersionOperator,
  wanted: string,
): boolean {
  const order = compareTokens(version, wanted, operator.endsWith('~'))
  switch (operator) {
    case '<':
      return order < 0
    case '<=':
    case '<~':
      return order <= 0
    case '=':
    case '~':
      return order === 0
    case '>=':
    case '>~':
      return order >= 0
    case '>':
      return order > 0
  }
}

/** Whether apk takes `version` for one: `1.2.3b_rc1-r4` (`apk version -c`). */
export function isVersion(version: string): boolean {
  const reader = readTokens(version)
  while (reader.kind !== 'end' && reader.kind !== 'invalid') reader.next()
  return reader.kind === 'end'
}

/**
 * The kinds of tokens. Where versions part in kind and not in value, the one whose next token ranks
 * lower is the later version: `1.0.1` after `1.0a` after `1.0_p` after `1.0-r1` after `1.0`.
 */
const ranks = {
  invalid: -1,
  /** a number after a dot, which may start with zeros */
  part: 0,
  number: 1,
  letter: 2,
  suffix: 3,
  'suffix-number': 4,
  revision: 5,
  end: 6,
} as const

type Kind = keyof typeof ranks

function compareTokens(a: string, b: string, fuzzy: boolean): number {
  const left = readTokens(a)
  const right = readTokens(b)
  while (left.kind === right.kind) {
    if (left.kind === 'end' || left.kind === 'invalid') return 0
    const first = left.next()
    const second = right.next()
    // either may be a bigint, which no number is identical to
    if (first < second) return -1
    if (first > second) return 1
  }
  if (fuzzy) return 0
  // a suffix that makes a pre-release comes before nothing at all
  if (left.kind === 'suffix' && peek(left) < 0) return -1
  if (right.kind === 'suffix' && peek(right) < 0) return 1
  return ranks[left.kind] > ranks[right.kind] ? -1 : 1
}

interface TokenReader {
  /** of the token that comes next */
  readonly kind: Kind
  /** its value, moving on to the one after it */
  next(): number | bigint
  readonly rest: string
}

function peek({ rest }: TokenReader): number | bigint {
  return rest === '' ? 0 : suffixOf(rest).value
}

function readTokens(version: string): TokenReader {
  let kind: Kind = 'number'
  let at = 0
  const next = (): number | bigint => {
    const { value, length, follows } = tokenAt(version, at, kind)
    at += length
    if (follows !== undefined) kind = follows
    else if (at >= version.length) kind = 'end'
    else {
      const following = kindAfter(kind, version, at)
      kind = following.kind
      at += following.skip
    }
    return value
  }
  return {
    next,
    get kind() {
      return kind
    },
    get rest() {
      return version.slice(at)
    },
  }
}

interface Token {
  readonly value: number | bigint
  readonly length: number
  /** the kind of what follows, where the token decides that by itself */
  readonly follows?: Kind
}

const invalid: Token = { value: -1, length: 0, follows: 'invalid' }

function tokenAt(version: string, at: number, kind: Kind): Token {
  // announced and not there: `1.` and `1-r` are versions to apk
  if (at >= version.length) return { value: 0, length: 0, follows: 'end' }
  switch (kind) {
    case 'part': {
      // zeros at its start make a part smaller the more they are: 1.00 < 1.001 < 1.0 < 1.01 < 1.1
      const zeros = runLength(/0*/y, version, at)
      if (zeros > 0) return { value: 1 - zeros, length: zeros - 1, follows: 'number' }
      return numberAt(version, at)
    }
    case 'number':
    case 'suffix-number':
    case 'revision':
      return numberAt(version, at)
    case 'letter':
      return { value: version.charCodeAt(at), length: 1 }
    case 'suffix':
      return suffixOf(version.slice(at))
    case 'invalid':
    case 'end':
      return invalid
  }
}

/** The longest number apk reads; a longer one makes the version invalid. */
const mostDigits = 17

/** Numbers of as many digits are exact in a double. */
const exactDigits = 15

function numberAt(version: string, at: number): Token {
  const length = runLength(/[0-9]*/y, version, at)
  if (length > mostDigits) return invalid
  const digits = version.slice(at, at + length)
  return { value: length > exactDigits ? BigInt(digits) : Number(digits), length }
}

function runLength(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0].length ?? 0
}

/** Every suffix in its order: those before the release itself are negative. */
const suffixes: readonly (readonly [string, number])[] = [
  ['alpha', -4],
  ['beta', -3],
  ['pre', -2],
  ['rc', -1],
  ['cvs', 0],
  ['svn', 1],
  ['git', 2],
  ['hg', 3],
  ['p', 4],
]

function suffixOf(rest: string): Token {
  const found = suffixes.find(([name]) => rest.startsWith(name))
  if (found === undefined) return invalid
  return { value: found[1], length: found[0].length }
}

interface Following {
  readonly kind: Kind
  /** characters that only announce it */
  readonly skip: number
}

/** What follows a token of some kind; kinds come in one order, some may come again. */
function kindAfter(kind: Kind, version: string, at: number): Following {
  const following = announced(kind, version, at)
  const again =
    (following.kind === 'part' && kind === 'number') ||
    (following.kind === 'suffix' && kind === 'suffix-number') ||
    (following.kind === 'number' && kind === 'letter')
  return again || ranks[following.kind] >= ranks[kind] ? following : { kind: 'invalid', skip: 0 }
}

function announced(kind: Kind, version: string, at: number): Following {
  const character = version[at] ?? ''
  if ((kind === 'number' || kind === 'part') && /[a-z]/.test(character))
    return { kind: 'letter', skip: 0 }
  if (/[0-9]/.test(character)) {
    if (kind === 'letter') return { kind: 'number', skip: 0 }
    if (kind === 'suffix') return { kind: 'suffix-number', skip: 0 }
  }
  if (character === '.') return { kind: 'part', skip: 1 }
  if (character === '_') return { kind: 'suffix', skip: 1 }
  if (version.startsWith('-r', at)) return { kind: 'revision', skip: 2 }
  return { kind: 'invalid', skip: 0 }
}
