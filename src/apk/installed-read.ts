import { printable } from '../archive/path.ts'
import { PlinthError } from '../errors.ts'
import {
  brokenFlags,
  usualAccess,
  type Broken,
  type InstalledAccess,
  type InstalledDirectory,
  type InstalledFile,
  type InstalledPackage,
} from './installed.ts'

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }
type OpenFile = Writable<InstalledFile>
type OpenDirectory = Writable<Omit<InstalledDirectory, 'files'>> & { files: OpenFile[] }

/**
 * Reads `lib/apk/db/installed`. As apk does it refuses the whole of it for a line it does not understand:
 * `INDEX_INVALID`, naming `file` and the line.
 */
export function parseInstalled(text: string, file: string): InstalledPackage[] {
  const packages: InstalledPackage[] = []
  let current: PackageReader | undefined
  let number = 0
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const line = text.slice(start, end)
    start = end + 1
    number++
    const invalid = (why: string) => notADatabase(file, number, why)
    if (line === '') {
      if (current) packages.push(current.finish(invalid))
      current = undefined
    } else {
      if (line[1] !== ':') throw invalid(`'${printable(line.slice(0, 60))}' is no field`)
      current ??= new PackageReader()
      current.take(line[0]!, line.slice(2), invalid)
    }
  }
  if (current) packages.push(current.finish((why) => notADatabase(file, number, why)))
  return packages
}

type Invalid = (why: string) => PlinthError

/** One package, line by line. */
class PackageReader {
  readonly #fields = new Map<string, string>()
  readonly #directories: OpenDirectory[] = []
  #file: OpenFile | undefined

  take(letter: string, value: string, invalid: Invalid): void {
    const directory = this.#directories.at(-1)
    switch (letter) {
      case 'F':
        this.#directories.push({ path: value, ...usualAccess.directory, files: [] })
        this.#file = undefined
        return
      case 'M':
        if (!directory) throw invalid('M before any F')
        Object.assign(directory, access(value, invalid))
        return
      case 'R':
        if (!directory) throw invalid('R before any F')
        this.#file = { name: value, ...usualAccess.file }
        directory.files.push(this.#file)
        return
      case 'a':
        if (!this.#file) throw invalid('a before any R')
        Object.assign(this.#file, access(value, invalid))
        return
      case 'Z':
        if (!this.#file) throw invalid('Z before any R')
        this.#file.checksum = value
        return
      default:
        if (!'CPVASITULomtckDpirqsf'.includes(letter))
          throw invalid(`field '${printable(letter)}' is not known: a newer apk wrote it`)
        if (this.#fields.has(letter)) throw invalid(`field '${letter}' is given twice`)
        this.#fields.set(letter, value)
    }
  }

  finish(invalid: Invalid): InstalledPackage {
    const text = (letter: string) => this.#fields.get(letter)
    const required = (letter: string) => {
      const value = text(letter)
      if (value === undefined || value === '')
        throw invalid(`the package above has no field '${letter}'`)
      return value
    }
    const number = (letter: string) => digits(text(letter) ?? '0', 10, invalid)
    const list = (letter: string) => (text(letter) ?? '').split(' ').filter((word) => word !== '')
    return {
      identity: required('C'),
      name: required('P'),
      version: required('V'),
      architecture: text('A'),
      size: number('S'),
      installedSize: number('I'),
      description: text('T') ?? '',
      url: text('U') ?? '',
      license: text('L') ?? '',
      origin: text('o'),
      maintainer: text('m'),
      commit: text('c'),
      buildDate: number('t'),
      providerPriority: number('k'),
      depends: list('D'),
      provides: list('p'),
      installIf: list('i'),
      replaces: list('r'),
      replacesPriority: number('q'),
      repositoryTag: text('s'),
      broken: broken(text('f') ?? '', invalid),
      directories: this.#directories,
    }
  }
}

function broken(flags: string, invalid: Invalid): readonly Broken[] {
  return flags.split('').map((letter) => {
    const known = brokenFlags.find((flag) => flag === letter)
    if (known === undefined) throw invalid(`flag '${printable(letter)}' is not known`)
    return known
  })
}

/** `uid:gid:mode`, in octal the last, and a checksum where there are extended attributes. */
function access(value: string, invalid: Invalid): InstalledAccess {
  const [uid, gid, mode, xattrs, ...more] = value.split(':')
  if (mode === undefined || more.length > 0)
    throw invalid(`'${printable(value)}' is not uid:gid:mode`)
  return {
    uid: digits(uid!, 10, invalid),
    gid: digits(gid!, 10, invalid),
    mode: digits(mode, 8, invalid),
    xattrs,
  }
}

function digits(text: string, radix: 8 | 10, invalid: Invalid): number {
  const value = Number.parseInt(text, radix)
  if (!(radix === 8 ? /^[0-7]+$/ : /^\d+$/).test(text) || !Number.isSafeInteger(value))
    throw invalid(`'${printable(text)}' is not a number`)
  return value
}

function notADatabase(file: string, line: number, why: string): PlinthError {
  return new PlinthError('INDEX_INVALID', `cannot use ${file}: line ${line}: ${why}`, {
    hint: "the image's package database is damaged, or of an apk that plinth does not know",
    facts: { file, line },
  })
}
