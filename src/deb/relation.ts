import { PlinthError } from '../errors.ts'
import type { VersionOperator } from './version.ts'

/** One package a relation names: `libc6:any (>= 2.36)`. */
export interface Relation {
  readonly name: string
  /** after the colon: an architecture, `any` or `native` */
  readonly architecture?: string | undefined
  readonly operator?: VersionOperator | undefined
  readonly version?: string | undefined
}

/** Alternatives: the group holds when one of them does. Never empty. */
export type RelationGroup = readonly Relation[]

/**
 * Parses a relationship field of a binary package (deb-control(5), Debian policy 7.1). The obsolete
 * `<` and `>` mean `<=` and `>=`, as they do to dpkg. Throws `CONTROL_INVALID`.
 */
export function parseRelations(text: string): readonly RelationGroup[] {
  const groups: RelationGroup[] = []
  for (const group of text.split(',')) {
    if (group.trim() === '') continue
    groups.push(group.split('|').map(parseRelation))
  }
  return groups
}

const form =
  /^\s*([^\s()|,:[\]<>]+)(?::([a-z0-9-]+))?\s*(?:\(\s*(<<|<=|>=|>>|=|<|>)?\s*([^\s()<>=|,]+)\s*\))?\s*$/

function parseRelation(text: string): Relation {
  const match = form.exec(text)
  if (!match?.[1]) {
    throw new PlinthError('CONTROL_INVALID', `'${text.trim()}' is not a relation to a package`, {
      hint: 'a relation is a name with an optional version: libc6 (>= 2.36)',
    })
  }
  const [, name, architecture, operator, version] = match
  return {
    name,
    ...(architecture !== undefined && { architecture }),
    ...(version !== undefined && { operator: operators[operator ?? '='] ?? '=', version }),
  }
}

const operators: Readonly<Record<string, VersionOperator>> = {
  '<<': '<<',
  '<=': '<=',
  '<': '<=',
  '=': '=',
  '>=': '>=',
  '>': '>=',
  '>>': '>>',
}

/** A group as a control file writes it: `exim4 | mail-transport-agent`. */
export function formatRelations(group: RelationGroup): string {
  return group.map(formatRelation).join(' | ')
}

/** One relation as a control file writes it. */
export function formatRelation(relation: Relation): string {
  const { name, architecture, operator, version } = relation
  const qualified = architecture === undefined ? name : `${name}:${architecture}`
  return version === undefined ? qualified : `${qualified} (${operator ?? '='} ${version})`
}
