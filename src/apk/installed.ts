import { compareNames } from './name-order.ts'

/** Owner and permissions of a path, as the database has them. */
export interface InstalledAccess {
  readonly uid: number
  readonly gid: number
  readonly mode: number
  /** `Q1…` over the extended attributes, if there are any */
  readonly xattrs?: string | undefined
}

export interface InstalledFile extends InstalledAccess {
  readonly name: string
  /** `Q1…`; undefined for what has no content and where the package gave none */
  readonly checksum?: string | undefined
}

export interface InstalledDirectory extends InstalledAccess {
  /** empty for the root */
  readonly path: string
  readonly files: readonly InstalledFile[]
}

/** What went wrong while a package was installed, by the letter of its flag. */
export type Broken = 'f' | 's' | 'x'

/** One package of `lib/apk/db/installed` (apk-tools, database.c). */
export interface InstalledPackage {
  /** digest of the control part: `Q1…` */
  readonly identity: string
  readonly name: string
  readonly version: string
  readonly architecture?: string | undefined
  /** bytes of the .apk */
  readonly size: number
  readonly installedSize: number
  readonly description: string
  readonly url: string
  readonly license: string
  /** these may be given and empty, which the database tells from not given */
  readonly origin?: string | undefined
  readonly maintainer?: string | undefined
  readonly commit?: string | undefined
  /** seconds since 1970; 0 for unknown */
  readonly buildDate: number
  readonly providerPriority: number
  /** constraints in apk's own spelling */
  readonly depends: readonly string[]
  readonly provides: readonly string[]
  readonly installIf: readonly string[]
  readonly replaces: readonly string[]
  readonly replacesPriority: number
  /** tag of the repository it came from, without `@` */
  readonly repositoryTag?: string | undefined
  /** `f` a file, `s` a script, `x` an extended attribute failed */
  readonly broken: readonly Broken[]
  readonly directories: readonly InstalledDirectory[]
}

/** What is not written: what nearly every directory and file has. */
export const usualAccess = {
  directory: { uid: 0, gid: 0, mode: 0o755 },
  file: { uid: 0, gid: 0, mode: 0o644 },
} as const satisfies Record<string, InstalledAccess>

/** The order apk writes flags in. */
export const brokenFlags: readonly Broken[] = ['f', 's', 'x']

/** The database of these packages, byte for byte as apk-tools 2.14 writes it: packages in the order of names. */
export function formatInstalled(packages: Iterable<InstalledPackage>): string {
  return [...packages]
    .toSorted((a, b) => compareNames(a.name, b.name))
    .map((one) => `${header(one)}${one.directories.map(directoryLines).join('')}\n`)
    .join('')
}

function header(one: InstalledPackage): string {
  const line = (letter: string, value: string | number | undefined) =>
    value === undefined ? '' : `${letter}:${value}\n`
  const list = (letter: string, values: readonly string[]) =>
    line(letter, values.length === 0 ? undefined : values.join(' '))
  const flags = brokenFlags.filter((flag) => one.broken.includes(flag))
  return [
    line('C', one.identity),
    line('P', one.name),
    line('V', one.version),
    line('A', one.architecture),
    line('S', one.size),
    line('I', one.installedSize),
    line('T', one.description),
    line('U', one.url),
    line('L', one.license),
    line('o', one.origin),
    line('m', one.maintainer),
    line('t', one.buildDate || undefined),
    line('c', one.commit),
    line('k', one.providerPriority || undefined),
    list('D', one.depends),
    list('p', one.provides),
    list('i', one.installIf),
    list('r', one.replaces),
    line('q', one.replacesPriority || undefined),
    line('s', one.repositoryTag),
    line('f', flags.length === 0 ? undefined : flags.join('')),
  ].join('')
}

function directoryLines(directory: InstalledDirectory): string {
  return [
    `F:${directory.path}\n`,
    accessLine('M', directory, usualAccess.directory),
    ...directory.files.map(
      (file) =>
        `R:${file.name}\n${accessLine('a', file, usualAccess.file)}${
          file.checksum === undefined ? '' : `Z:${file.checksum}\n`
        }`,
    ),
  ].join('')
}

function accessLine(letter: string, access: InstalledAccess, usual: InstalledAccess): string {
  const { uid, gid, mode, xattrs } = access
  if (uid === usual.uid && gid === usual.gid && mode === usual.mode && xattrs === undefined)
    return ''
  return `${letter}:${uid}:${gid}:${mode.toString(8)}${xattrs === undefined ? '' : `:${xattrs}`}\n`
}
