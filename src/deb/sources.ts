import { PlinthError } from '../errors.ts'
import { parseStanzas, words, type Stanza } from './deb822.ts'
import type { Keyring } from './openpgp.ts'

/** One apt source: where packages come from and whom it trusts (sources.list(5)). */
export interface DebSource {
  /** mirrors of the same archive, best first; `http:`, `https:` or `file:`, no `/` at the end */
  readonly uris: readonly string[]
  /** suites or codenames; one that ends with `/` is the directory of a flat repository */
  readonly suites: readonly string[]
  /** empty for flat repositories only */
  readonly components: readonly string[]
  /** restricts the source to these; undefined for whatever is built */
  readonly architectures?: readonly string[] | undefined
  readonly signedBy: Keyring
  /** where the keys are inside the image, for its own sources file */
  readonly keyringPath?: string | undefined
  /** indexes by digest: as the Release says (default), never, or always */
  readonly byHash?: 'yes' | 'no' | 'force' | undefined
  /** false spells out the skip of `check/valid-until` for this source */
  readonly checkValidUntil?: boolean | undefined
}

/** Whether a suite is the directory of a flat repository (no `dists/`, no components). */
export function isFlat(suite: string): boolean {
  return suite.endsWith('/')
}

/** The directory of a suite's Release below a mirror, with `/` at the end. */
export function suiteUrl(uri: string, suite: string): string {
  const directory = suite.replace(/^(?:\.?\/)+/, '')
  if (!isFlat(suite)) return `${uri}/dists/${directory}/`
  return directory === '' ? `${uri}/` : `${uri}/${directory}`
}

/** How a parsed file's `Signed-By` becomes keys: the content of a keyring file, by its path. */
export type ReadKeyring = (path: string) => Promise<Uint8Array>

/** What parsing needs besides the text. */
export interface SourcesDeps {
  readonly readKeyring: ReadKeyring
  /** trusted where a source names no keys */
  readonly defaultKeyring?: Keyring | undefined
  /** for messages */
  readonly name: string
}

/**
 * Parses a deb822 `.sources` file or a one-line-style `.list` file (told apart by content). Sources of type
 * `deb-src` and disabled ones are left out. `RELEASE_INVALID` is never thrown here: what cannot be
 * understood is `USAGE`, as is `trusted=yes`, which has no equivalent: a check is skipped by naming it.
 */
export async function parseSources(text: string, deps: SourcesDeps): Promise<readonly DebSource[]> {
  const content = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))
  const oneLine = content[0] !== undefined && /^\s*deb(?:-src)?\s/.test(content[0])
  const stanzas = oneLine
    ? content.map((line) => parseLine(line, deps.name))
    : parseDeb822(text, deps.name)
  const sources = await Promise.all(stanzas.map((stanza) => toSource(stanza, deps)))
  return sources.filter((source) => source !== undefined)
}

/** Renders sources as a deb822 file for an image's `/etc/apt/sources.list.d`. */
export function renderSources(sources: readonly DebSource[]): string {
  const stanza = (source: DebSource): string =>
    [
      'Types: deb',
      `URIs: ${source.uris.join(' ')}`,
      `Suites: ${source.suites.join(' ')}`,
      source.components.length > 0 && `Components: ${source.components.join(' ')}`,
      source.architectures !== undefined && `Architectures: ${source.architectures.join(' ')}`,
      source.byHash !== undefined && `By-Hash: ${source.byHash}`,
      source.checkValidUntil === false && 'Check-Valid-Until: no',
      source.keyringPath !== undefined && `Signed-By: ${source.keyringPath}`,
    ]
      .filter((line) => line !== false)
      .join('\n')
  return sources.map((source) => `${stanza(source)}\n`).join('\n')
}

function parseDeb822(text: string, name: string): readonly Stanza[] {
  try {
    return parseStanzas(text)
  } catch (cause) {
    throw invalid(name, cause instanceof Error ? cause.message : 'it is not deb822', cause)
  }
}

/** Option names of one-line style and the fields they stand for. */
const optionFields: Readonly<Record<string, string>> = {
  arch: 'architectures',
  'signed-by': 'signed-by',
  'check-valid-until': 'check-valid-until',
  'by-hash': 'by-hash',
  trusted: 'trusted',
}

/** `deb [arch=amd64 signed-by=/path] uri suite [component]…` as the stanza it stands for. */
function parseLine(line: string, name: string): Stanza {
  const match = /^\s*(deb|deb-src)\s+(?:\[\s*([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*?)(?:\s#.*)?$/.exec(
    line,
  )
  if (!match) throw invalid(name, `'${line.trim().slice(0, 120)}' is not a source`)
  const [, type = '', options = '', uri = '', suite = '', components = ''] = match
  const stanza = new Map([
    ['types', type],
    ['uris', uri],
    ['suites', suite],
    ['components', components],
  ])
  for (const option of words(options)) {
    const [, key = '', value = ''] = /^([a-z-]+)[+-]?=(.+)$/.exec(option) ?? []
    const field = optionFields[key]
    // what only concerns translations and the like does not change what is installed
    if (field !== undefined) stanza.set(field, value.replaceAll(',', ' '))
    else if (value === '') throw invalid(name, `'${option}' is not an option`)
  }
  return stanza
}

async function toSource(
  stanza: Stanza,
  { readKeyring, defaultKeyring, name }: SourcesDeps,
): Promise<DebSource | undefined> {
  const types = words(stanza.get('types'))
  if (!types.includes('deb') || isNo(stanza.get('enabled'))) {
    if (types.length === 0) throw invalid(name, 'a source has no Types')
    return undefined
  }
  if (isYes(stanza.get('trusted'))) {
    throw new PlinthError(
      'USAGE',
      `cannot use ${name}: 'trusted' would accept a repository without verifying it`,
      {
        hint: "name the publisher's key with Signed-By; single checks are skipped by name, as --skip check/valid-until",
      },
    )
  }
  const uris = words(stanza.get('uris')).map((uri) => sourceUri(uri, name))
  const suites = words(stanza.get('suites'))
  const components = words(stanza.get('components'))
  const architectures = words(stanza.get('architectures'))
  const byHash = stanza.get('by-hash')?.toLowerCase()
  if (uris.length === 0 || suites.length === 0)
    throw invalid(name, 'a source has no URIs or no Suites')
  if (byHash !== undefined && byHash !== 'yes' && byHash !== 'no' && byHash !== 'force') {
    throw invalid(name, `By-Hash is '${byHash}' instead of yes, no or force`)
  }
  for (const suite of suites) {
    if (isFlat(suite) !== (components.length === 0)) {
      throw invalid(
        name,
        isFlat(suite)
          ? `the flat suite '${suite}' has components`
          : `the suite '${suite}' has no components`,
      )
    }
  }
  const signedBy = stanza.get('signed-by')
  const keyring = await toKeyring(signedBy, { readKeyring, defaultKeyring, name })
  return {
    uris,
    suites,
    components,
    ...(architectures.length > 0 && { architectures }),
    signedBy: keyring,
    ...(signedBy?.startsWith('/') && { keyringPath: words(signedBy)[0] }),
    ...(byHash !== undefined && { byHash }),
    ...(isNo(stanza.get('check-valid-until')) && { checkValidUntil: false }),
  }
}

/** `Signed-By`: an armored key itself, absolute paths, or fingerprints among the default keys. */
async function toKeyring(
  signedBy: string | undefined,
  { readKeyring, defaultKeyring, name }: SourcesDeps,
): Promise<Keyring> {
  if (signedBy?.includes('-----BEGIN PGP')) {
    // deb822 writes an empty line as a dot
    return {
      keys: [
        signedBy
          .split('\n')
          .map((line) => (line === '.' ? '' : line))
          .join('\n'),
      ],
    }
  }
  const items = signedBy?.split(/[\s,]+/).filter((item) => item !== '') ?? []
  const paths = items.filter((item) => item.startsWith('/'))
  const fingerprints = items.filter((item) => !item.startsWith('/'))
  for (const fingerprint of fingerprints) {
    if (!/^(?:[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?$/.test(fingerprint)) {
      throw invalid(
        name,
        `Signed-By has '${fingerprint}', which is neither a path nor a fingerprint`,
      )
    }
  }
  const keys = paths.length > 0 ? await Promise.all(paths.map(readKeyring)) : defaultKeyring?.keys
  if (keys === undefined) {
    throw new PlinthError('USAGE', `cannot use ${name}: a source names no key to trust`, {
      hint: 'add Signed-By with the path of the keyring',
    })
  }
  return { keys, ...(fingerprints.length > 0 && { fingerprints }) }
}

function sourceUri(uri: string, name: string): string {
  const absolute = uri.startsWith('/') ? `file://${uri}` : uri
  if (!/^(?:https?:\/\/[^/]|file:\/)/.test(absolute) || !URL.canParse(absolute)) {
    throw invalid(name, `'${uri}' is not an http, https or file address`)
  }
  return absolute.replace(/\/+$/, '')
}

function isYes(value: string | undefined): boolean {
  return ['yes', 'true', 'with', 'on', 'enable', '1'].includes(value?.toLowerCase() ?? '')
}

function isNo(value: string | undefined): boolean {
  return ['no', 'false', 'without', 'off', 'disable', '0'].includes(value?.toLowerCase() ?? '')
}

function invalid(name: string, why: string, cause?: unknown): PlinthError {
  return new PlinthError('USAGE', `cannot use ${name}: ${why}`, {
    cause,
    hint: 'see sources.list(5)',
  })
}
