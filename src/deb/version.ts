/** How a relation compares versions (deb-control(5)): `<<` and `>>` are strict. */
export type VersionOperator = '<<' | '<=' | '=' | '>=' | '>>'

/**
 * Orders two versions as dpkg does (deb-version(7)): negative, zero or positive. Any string has a
 * place in the order, so indexes with odd versions still sort.
 */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0
  const left = splitVersion(a)
  const right = splitVersion(b)
  return (
    left.epoch - right.epoch ||
    comparePart(left.upstream, right.upstream) ||
    comparePart(left.revision, right.revision)
  )
}

/** Whether `version` stands in `operator` to `wanted`. */
export function satisfiesVersion(
  version: string,
  operator: VersionOperator,
  wanted: string,
): boolean {
  const order = compareVersions(version, wanted)
  switch (operator) {
    case '<<':
      return order < 0
    case '<=':
      return order <= 0
    case '=':
      return order === 0
    case '>=':
      return order >= 0
    case '>>':
      return order > 0
  }
}

interface SplitVersion {
  readonly epoch: number
  readonly upstream: string
  readonly revision: string
}

/** The epoch ends at the first colon, the revision starts after the last hyphen; both may be missing. */
function splitVersion(version: string): SplitVersion {
  const colon = version.indexOf(':')
  const hyphen = version.lastIndexOf('-')
  const end = hyphen > colon ? hyphen : version.length
  return {
    epoch: colon < 0 ? 0 : Number.parseInt(version.slice(0, colon), 10) || 0,
    upstream: version.slice(colon + 1, end),
    revision: version.slice(end + 1),
  }
}

const zero = 48
const nine = 57

function isDigit(code: number): boolean {
  return code >= zero && code <= nine
}

/** A character's weight among non-digits: `~` before the end, the end before letters, letters before the rest. */
function weight(text: string, at: number): number {
  if (at >= text.length) return 0
  const code = text.charCodeAt(at)
  if (isDigit(code)) return 0
  if ((code >= 65 && code <= 90) || (code >= 97 && code <= 122)) return code
  return code === 126 ? -1 : code + 256
}

/** Non-digit and digit runs in turn; numbers of any length, so without converting them. */
function comparePart(a: string, b: string): number {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    while (
      (i < a.length && !isDigit(a.charCodeAt(i))) ||
      (j < b.length && !isDigit(b.charCodeAt(j)))
    ) {
      const order = weight(a, i) - weight(b, j)
      if (order !== 0) return order
      i++
      j++
    }
    while (a.charCodeAt(i) === zero) i++
    while (b.charCodeAt(j) === zero) j++
    let first = 0
    while (isDigit(a.charCodeAt(i)) && isDigit(b.charCodeAt(j))) {
      first ||= a.charCodeAt(i) - b.charCodeAt(j)
      i++
      j++
    }
    if (isDigit(a.charCodeAt(i))) return 1
    if (isDigit(b.charCodeAt(j))) return -1
    if (first !== 0) return first
  }
  return 0
}
