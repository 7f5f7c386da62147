import { parseDigest, type Digest } from '../digest.ts'
import { PlinthError } from '../errors.ts'
import { parseRelations, type RelationGroup } from './relation.ts'

/** Debian policy 2.5, most needed first. */
export const priorities = ['required', 'important', 'standard', 'optional', 'extra'] as const
export type Priority = (typeof priorities)[number]

/** deb-control(5), Multi-Arch. */
export type MultiArch = 'no' | 'same' | 'foreign' | 'allowed'

/** Fields that relate packages to each other. */
export type RelationField =
  | 'Pre-Depends'
  | 'Depends'
  | 'Recommends'
  | 'Suggests'
  | 'Conflicts'
  | 'Breaks'
  | 'Replaces'
  | 'Provides'

/** One package of an index: what the solver, the lock and the fetcher need of its stanza. */
export interface PackageRecord {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly multiArch: MultiArch
  readonly essential: boolean
  /** `Protected: yes`, or the older `Important: yes` */
  readonly protected: boolean
  readonly priority: Priority
  readonly section: string | undefined
  readonly source: { readonly name: string; readonly version: string }
  /** KiB */
  readonly installedSize: number
  /** path under the archive's root */
  readonly filename: string
  /** bytes of the .deb */
  readonly size: number
  readonly sha256: Digest
  /** A relationship field, parsed; empty when the stanza lacks it. Throws `INDEX_INVALID`. */
  relations(field: RelationField): readonly RelationGroup[]
  /** The stanza as the index has it, without the blank line after it. */
  stanza(): string
}

/** Where a stanza stands, for messages. */
export interface StanzaPlace {
  readonly file: string
  /** line of its first field, from 1; asked only when something is wrong */
  line(): number
}

/** Reads a stanza into a record. Throws `INDEX_INVALID`, naming the file and line. */
export function parsePackageRecord(text: string, place: StanzaPlace): PackageRecord {
  const fields = readFields(text, place)
  const optional = (name: string): string | undefined => fields.get(name)
  const required = (name: string): string => {
    const value = fields.get(name.toLowerCase())
    if (value === undefined || value === '') throw invalid(place, `a package without ${name}`)
    return value
  }
  const number = (name: string, value: string): number => {
    if (!/^\d{1,15}$/.test(value)) throw invalid(place, `${name} '${value}' is not a number`)
    return Number(value)
  }
  const name = required('Package').toLowerCase()
  if (!/^[a-z0-9][a-z0-9+.\-_]*$/.test(name))
    throw invalid(place, `'${name}' is not a package name`)
  const version = required('Version')
  if (!/^[A-Za-z0-9.+:~_-]+$/.test(version)) throw invalid(place, `'${version}' is not a version`)
  const architecture = required('Architecture')
  const sha256 = required('SHA256').toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw invalid(place, `SHA256 '${sha256}' is not a digest`)
  const parsed = new Map<RelationField, readonly RelationGroup[]>()
  return {
    name,
    version,
    architecture,
    multiArch: multiArchOf(optional('multi-arch'), architecture),
    essential: optional('essential') === 'yes',
    protected: optional('protected') === 'yes' || optional('important') === 'yes',
    priority: priorityOf(optional('priority')),
    section: optional('section'),
    source: sourceOf(optional('source'), name, version),
    installedSize: number('Installed-Size', optional('installed-size') ?? '0'),
    filename: required('Filename'),
    size: number('Size', required('Size')),
    sha256: parseDigest(`sha256:${sha256}`),
    relations(field) {
      let groups = parsed.get(field)
      if (groups === undefined) {
        const value = optional(field.toLowerCase())
        groups = value === undefined ? [] : readRelations(value, field, name, place)
        parsed.set(field, groups)
      }
      return groups
    },
    stanza: () => text,
  }
}

function readRelations(
  value: string,
  field: string,
  name: string,
  place: StanzaPlace,
): readonly RelationGroup[] {
  try {
    return parseRelations(value)
  } catch (error) {
    const why = error instanceof PlinthError ? error.message : String(error)
    throw invalid(place, `${field} of ${name}: ${why}`, error)
  }
}

/** Field names in lower case; continuation lines stay in the value. */
function readFields(text: string, place: StanzaPlace): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  let last: string | undefined
  for (let start = 0, count = 0; start < text.length; count++) {
    const end = text.indexOf('\n', start)
    const line = text.slice(start, end < 0 ? text.length : end)
    start = end < 0 ? text.length : end + 1
    if (line.startsWith('#')) continue
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (last === undefined)
        throw invalid(lineOf(place, count), 'a continuation line without a field')
      fields.set(last, `${fields.get(last)}\n${line}`)
      continue
    }
    const colon = line.indexOf(':')
    if (colon <= 0)
      throw invalid(lineOf(place, count), `'${line}' is neither a field nor its continuation`)
    last = line.slice(0, colon).toLowerCase()
    if (fields.has(last))
      throw invalid(lineOf(place, count), `field '${line.slice(0, colon)}' is given twice`)
    fields.set(last, line.slice(colon + 1).trim())
  }
  return fields
}

function lineOf(place: StanzaPlace, count: number): StanzaPlace {
  return { file: place.file, line: () => place.line() + count }
}

function invalid(place: StanzaPlace, why: string, cause?: unknown): PlinthError {
  return new PlinthError(
    'INDEX_INVALID',
    `cannot use ${place.file}: line ${place.line()}: ${why}`,
    {
      cause,
      hint: 'the index is broken at its source; try another mirror or snapshot',
      facts: { file: place.file, line: place.line() },
    },
  )
}

/** apt takes `same` on an `all` package for a mistake: such a package has one file for every architecture. */
function multiArchOf(value: string | undefined, architecture: string): MultiArch {
  if (value === 'foreign' || value === 'allowed') return value
  return value === 'same' && architecture !== 'all' ? 'same' : 'no'
}

function priorityOf(value: string | undefined): Priority {
  const lower = value?.toLowerCase()
  return priorities.find((priority) => priority === lower) ?? 'extra'
}

/** `Source: glibc (2.36-9)`: name and version default to the package's own. */
function sourceOf(
  value: string | undefined,
  name: string,
  version: string,
): PackageRecord['source'] {
  const match = /^(\S+)(?:\s+\(([^()]+)\))?/.exec(value ?? '')
  return { name: match?.[1] ?? name, version: match?.[2] ?? version }
}
