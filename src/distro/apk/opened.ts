import { formatDependency, parseDependencies } from '../../apk/dependency.ts'
import type { PackagedFile } from '../../apk/data-files.ts'
import { installedDirectories } from '../../apk/installed-files.ts'
import type { InstalledPackage } from '../../apk/installed.ts'
import type { PackageScript } from '../../apk/package-file.ts'
import type { ContentReader } from '../../store/content.ts'
import type { ApkPart } from './assemble.ts'
import type { ApkPackage, ApkSystem } from './system.ts'

/** A package that is about to be installed. */
export interface OpenedApk {
  readonly pkg: ApkPackage
  readonly part: ApkPart
  /** in the package's order */
  readonly files: readonly PackagedFile[]
  readonly scripts: readonly PackageScript[]
  readonly triggers: readonly string[]
}

/** What there is to install, all of it at hand. */
export interface InstallWork {
  readonly system: ApkSystem
  readonly packages: readonly OpenedApk[]
  readonly contents: ContentReader
}

/** Waits for what is in a package. Of one that takes no space apk knows what the index says, and no more. */
export async function openPackage(pkg: ApkPackage): Promise<OpenedApk> {
  const { record } = pkg
  const apk = await pkg.apk
  const part: ApkPart = {
    name: record.name,
    version: record.version,
    identity: record.checksum,
    origin: record.origin,
    replaces: apk?.info.replaces ?? [],
    replacesPriority: apk?.info.replacesPriority ?? 0,
  }
  return {
    pkg,
    part,
    files: apk?.files ?? [],
    scripts: apk?.scripts ?? [],
    triggers: apk?.info.triggers ?? [],
  }
}

/** A package as the database has it, with the files that are its own in the end. */
export function installedPackage(
  { pkg, part, files: given }: OpenedApk,
  files: readonly PackagedFile[],
): InstalledPackage {
  const { record, tag } = pkg
  const broken = given.some(
    ({ entry, checksum }) => entry.type !== 'directory' && checksum === undefined,
  )
  const said = (letter: string, value: string) =>
    value === '' && !record.emptyFields.includes(letter) ? undefined : value
  return {
    identity: record.checksum,
    name: record.name,
    version: record.version,
    architecture: said('A', record.architecture),
    size: record.size,
    installedSize: record.installedSize,
    description: record.description,
    url: record.url,
    license: record.license,
    origin: said('o', record.origin),
    maintainer: said('m', record.maintainer),
    commit: said('c', record.commit),
    buildDate: record.buildTime ?? 0,
    providerPriority: record.providerPriority,
    depends: record.depends.map(formatDependency),
    provides: record.provides.map(formatDependency),
    installIf: record.installIf.map(formatDependency),
    replaces: parseDependencies(part.replaces.join(' ')).map(formatDependency),
    replacesPriority: part.replacesPriority,
    // apk takes what is broken for not installed from there
    repositoryTag: broken ? undefined : tag,
    broken: broken ? ['f'] : [],
    directories: installedDirectories(files),
  }
}
