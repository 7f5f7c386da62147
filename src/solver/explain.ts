/** Why a package is in a solution. */
export type Reason =
  | { readonly kind: 'asked'; /** as it was written */ readonly request: string }
  | { readonly kind: 'essential' }
  | { readonly kind: 'priority'; readonly priority: string }
  | { readonly kind: 'variant'; readonly variant: string }
  | {
      readonly kind: 'dependency'
      /** the package that needs it */
      readonly of: string
      readonly field: string
      /** as its stanza writes it: `libc6 (>= 2.36)` */
      readonly relation: string
    }

/** A requirement that could not be met. */
export interface Unmet {
  /** who asks, from what was asked for down to the package that needs it */
  readonly chain: readonly string[]
  readonly field: string
  readonly relation: string
  /** what could have met it, and why it did not; empty when there is nothing of that name */
  readonly rejected: readonly Rejected[]
}

export interface Rejected {
  /** `exim4 4.96-15` */
  readonly candidate: string
  readonly why: string
}

const mostShown = 5

/** The requirements as people read them: a paragraph each, the nearest to what was asked for first. */
export function explainUnmet(unmet: readonly Unmet[]): string {
  const nearestFirst = unmet.toSorted((a, b) => a.chain.length - b.chain.length)
  const shown = nearestFirst.slice(0, mostShown).map(explainOne)
  const more = unmet.length - shown.length
  if (more > 0) shown.push(`  and ${more} more that cannot be met`)
  return shown.join('\n')
}

function explainOne({ chain, field, relation, rejected }: Unmet): string {
  const heads = chain.map(
    (name, depth) => `${'  '.repeat(depth + 1)}${depth === 0 ? name : `needs ${name}`}`,
  )
  const indent = '  '.repeat(chain.length + 1)
  const negative = field === 'Conflicts' || field === 'Breaks'
  const tail = rejected.map(({ candidate, why }) => `${indent}  ${candidate}: ${why}`)
  if (rejected.length === 0) tail.push(`${indent}  no package of that name in these sources`)
  return [
    ...heads,
    `${indent}${field.toLowerCase()} ${negative ? 'with' : 'on'} ${relation}`,
    ...tail,
  ].join('\n')
}

/** One reason in a few words: `depends of curl: libcurl4 (= 8.14.1-2)`. */
export function formatReason(reason: Reason): string {
  switch (reason.kind) {
    case 'asked':
      return `asked for: ${reason.request}`
    case 'essential':
      return 'essential'
    case 'priority':
      return `priority ${reason.priority}`
    case 'variant':
      return `variant ${reason.variant}`
    case 'dependency':
      return `${reason.field} of ${reason.of}: ${reason.relation}`
  }
}
