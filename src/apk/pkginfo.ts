import { printable } from '../archive/path.ts'
import { PlinthError } from '../errors.ts'

/** What a package says of itself in `.PKGINFO` (apk-package(5)); dependencies as they are written. */
export interface PackageInfo {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly url: string
  readonly license: string
  /** these may be given and empty, which apk's database tells from not given */
  readonly architecture: string | undefined
  readonly origin: string | undefined
  readonly maintainer: string | undefined
  readonly commit: string | undefined
  /** bytes */
  readonly installedSize: number
  /** seconds since 1970; 0 when it is not said */
  readonly buildDate: number
  readonly depends: readonly string[]
  readonly provides: readonly string[]
  readonly installIf: readonly string[]
  readonly replaces: readonly string[]
  readonly providerPriority: number
  readonly replacesPriority: number
  /** patterns of directories whose changes run the trigger script */
  readonly triggers: readonly string[]
  /** SHA-256 of the compressed data part, lower-case hex */
  readonly dataHash: string
}

/**
 * Reads `.PKGINFO` as apk does: `key = value`, split at the first ` = `; lines that begin with `#`, lines
 * without ` = ` and unknown keys say nothing; nothing is quoted, and a `#` or `;` within a value belongs to it.
 * Lists add up over their lines, of anything else the last line counts. Throws `CONTROL_INVALID` naming
 * `archive` when name, version or datahash are missing or malformed.
 */
export function parsePkginfo(text: string, archive: string): PackageInfo {
  const values = new Map<string, string>()
  const lists = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue
    const split = line.indexOf(' = ')
    if (split < 0) continue
    const key = line.slice(0, split)
    const value = line.slice(split + 3)
    values.set(key, value)
    const words = value.split(/[ \n]+/).filter((word) => word !== '')
    lists.set(key, [...(lists.get(key) ?? []), ...words])
  }
  const string = (key: string) => values.get(key) ?? ''
  const list = (key: string) => lists.get(key) ?? []
  const number = (key: string) => {
    // what follows the digits says nothing, and no digits are 0
    const parsed = Number(/^[0-9]*/.exec(string(key))![0])
    if (!Number.isSafeInteger(parsed)) throw invalid(archive, key, string(key))
    return parsed
  }
  const shaped = (key: string, shape: RegExp) => {
    const value = string(key)
    if (!shape.test(value)) throw invalid(archive, key, values.get(key))
    return value
  }
  return {
    name: shaped('pkgname', /^[^\s/\p{Cc}]+$/u),
    version: shaped('pkgver', /^[^\s/\p{Cc}]+$/u),
    architecture: values.get('arch'),
    description: string('pkgdesc'),
    url: string('url'),
    license: string('license'),
    origin: values.get('origin'),
    maintainer: values.get('maintainer'),
    commit: values.get('commit'),
    installedSize: number('size'),
    buildDate: number('builddate'),
    depends: list('depend'),
    provides: list('provides'),
    installIf: list('install_if'),
    replaces: list('replaces'),
    providerPriority: number('provider_priority'),
    replacesPriority: number('replaces_priority'),
    triggers: list('triggers'),
    dataHash: shaped('datahash', /^[0-9a-fA-F]{64}$/).toLowerCase(),
  }
}

function invalid(archive: string, key: string, value: string | undefined): PlinthError {
  const what = value === undefined ? `names no ${key}` : `gives '${printable(value)}' as its ${key}`
  return new PlinthError('CONTROL_INVALID', `cannot use ${archive}: its .PKGINFO ${what}`, {
    hint: 'the package is malformed: report it to its publisher',
    facts: { archive, key },
  })
}
