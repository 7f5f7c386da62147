import { parseDigest, type Digest } from '../digest.ts'
import { PlinthError } from '../errors.ts'
import { parseStanzas, words, type Stanza } from './deb822.ts'

/** A file a Release vouches for. At least one of the digests is there. */
export interface ReleaseFile {
  /** relative to the Release's own directory */
  readonly path: string
  readonly size: number
  readonly sha256: Digest | undefined
  /** lower-case hex */
  readonly sha512: string | undefined
}

/** What a suite's `Release` says (Debian repository format; apt-secure(8)). */
export interface Release {
  readonly origin: string | undefined
  readonly label: string | undefined
  readonly suite: string | undefined
  readonly codename: string | undefined
  readonly version: string | undefined
  readonly description: string | undefined
  readonly date: Date | undefined
  readonly validUntil: Date | undefined
  readonly architectures: readonly string[]
  readonly components: readonly string[]
  /** indexes are also found by digest, which survives a mirror that is just changing */
  readonly acquireByHash: boolean
  /** `Architecture: all` packages are listed with each architecture, not apart in `binary-all` */
  readonly allWithEach: boolean
  readonly notAutomatic: boolean
  readonly butAutomaticUpgrades: boolean
  /** fingerprints of the keys that may sign the next Release, when it says */
  readonly signedBy: readonly string[]
  readonly snapshots: string | undefined
  /** by path */
  readonly files: ReadonlyMap<string, ReleaseFile>
}

/**
 * Parses a Release file that was verified before; `name` is for messages. `RELEASE_INVALID` when it is not
 * one, `SIGNATURE_WEAK` when it lists its files by MD5 or SHA-1 only.
 */
export function parseRelease(text: string, name: string): Release {
  const stanza = onlyStanza(text, name)
  const architectures = words(stanza.get('architectures'))
  const files = parseFiles(stanza, name)
  const date = parseDate(stanza, 'date', name)
  return {
    origin: stanza.get('origin'),
    label: stanza.get('label'),
    suite: stanza.get('suite'),
    codename: stanza.get('codename'),
    version: stanza.get('version'),
    description: stanza.get('description'),
    date,
    validUntil: parseDate(stanza, 'valid-until', name),
    architectures,
    components: words(stanza.get('components')),
    acquireByHash: isYes(stanza.get('acquire-by-hash')),
    allWithEach:
      !architectures.includes('all') ||
      words(stanza.get('no-support-for-architecture-all')).includes('Packages'),
    notAutomatic: isYes(stanza.get('notautomatic')),
    butAutomaticUpgrades: isYes(stanza.get('butautomaticupgrades')),
    signedBy:
      stanza
        .get('signed-by')
        ?.split(/[\s,]+/)
        .filter((word) => word !== '') ?? [],
    snapshots: stanza.get('snapshots'),
    files,
  }
}

function onlyStanza(text: string, name: string): Stanza {
  let stanzas: readonly Stanza[]
  try {
    stanzas = parseStanzas(text)
  } catch (cause) {
    throw invalid(name, cause instanceof Error ? cause.message : 'it is not a deb822 file', cause)
  }
  const [stanza] = stanzas
  if (stanza === undefined) throw invalid(name, 'it is empty')
  if (stanzas.length > 1) throw invalid(name, `it has ${stanzas.length} stanzas instead of one`)
  return stanza
}

function parseFiles(stanza: Stanza, name: string): ReadonlyMap<string, ReleaseFile> {
  const files = new Map<string, ReleaseFile>()
  for (const field of ['sha256', 'sha512'] as const) {
    for (const line of stanza.get(field)?.split('\n') ?? []) {
      if (line === '') continue
      const match = /^([0-9a-fA-F]+)[ \t]+([0-9]{1,15})[ \t]+(\S+)$/.exec(line)
      const [, digits = '', size = '', path = ''] = match ?? []
      if (digits.length !== (field === 'sha256' ? 64 : 128))
        throw invalid(name, `bad ${field} line '${line.slice(0, 120)}'`)
      const file: ReleaseFile = {
        path: path.replace(/^(?:\.\/)+/, ''),
        size: Number(size),
        sha256: field === 'sha256' ? parseDigest(`sha256:${digits.toLowerCase()}`) : undefined,
        sha512: field === 'sha512' ? digits.toLowerCase() : undefined,
      }
      if (file.path.split('/').some((part) => part === '..' || part === '')) {
        throw invalid(name, `the path '${path.slice(0, 120)}' leaves its directory`)
      }
      files.set(file.path, join(files.get(file.path), file, name))
    }
  }
  if (files.size === 0) {
    const weak = ['md5sum', 'sha1'].filter((field) => stanza.has(field))
    if (weak.length === 0) throw invalid(name, 'it lists no files with SHA-256 or SHA-512 digests')
    throw new PlinthError(
      'SIGNATURE_WEAK',
      `cannot trust ${name}: it lists its files by ${weak.join(' and ')} only, which can be forged`,
      {
        hint: 'ask the publisher to add SHA256 to the Release file',
      },
    )
  }
  return files
}

/** One file listed twice must be the same file. */
function join(known: ReleaseFile | undefined, next: ReleaseFile, name: string): ReleaseFile {
  if (known === undefined) return next
  const differs =
    known.size !== next.size ||
    (known.sha256 !== undefined && next.sha256 !== undefined && known.sha256 !== next.sha256) ||
    (known.sha512 !== undefined && next.sha512 !== undefined && known.sha512 !== next.sha512)
  if (differs) throw invalid(name, `'${next.path}' is listed twice, differently`)
  return { ...known, sha256: known.sha256 ?? next.sha256, sha512: known.sha512 ?? next.sha512 }
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Sat, 11 Jul 2026 10:16:37 UTC`: always UTC, as apt insists. */
function parseDate(stanza: Stanza, field: string, name: string): Date | undefined {
  const text = stanza.get(field)
  if (text === undefined) return undefined
  const match =
    /^(?:[A-Z][a-z]{2},\s+)?(\d{1,2})\s+([A-Z][a-z]{2})\s+(\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})\s+(?:UTC|GMT|Z|[+-]0000)$/.exec(
      text,
    )
  const month = months.indexOf(match?.[2] ?? '')
  const [, day, , year, hour, minute, second] = (match ?? []).map(Number)
  const date = new Date(Date.UTC(year ?? NaN, month, day, hour, minute, second))
  // Date carries 31 Jun over into July; a date that did not survive was none
  if (
    month < 0 ||
    Number.isNaN(date.getTime()) ||
    date.getUTCDate() !== day ||
    date.getUTCHours() !== hour
  ) {
    throw invalid(name, `'${text}' in ${field} is not a date in UTC`)
  }
  return date
}

function isYes(value: string | undefined): boolean {
  return value?.toLowerCase() === 'yes'
}

function invalid(name: string, why: string, cause?: unknown): PlinthError {
  return new PlinthError('RELEASE_INVALID', `cannot use ${name}: ${why}`, {
    cause,
    hint: 'the publisher made a bad file, or the address is not a repository',
  })
}
