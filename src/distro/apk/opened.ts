import { formatDependency, parseDependencies } from '../../apk/dependency.ts'
import type { PackagedFile } from '../../apk/data-files.ts'
import { installedDirectories } from '../../apk/installed-files.ts'
import type { InstalledPackage } from '../../apk/installed.ts'
import type { PackageScript } from '../../apk/package-file.ts'
import type { ContentReader } from '../../store/content.ts'
import type { ApkPart } from './assemble.ts'
import type { ApkPackage, ApkSystem } from './system.ts'
import type { UnpackedApk } from './unpack.ts'

/** A package that is about to be installed. */
export interface OpenedApk {
  readonly pkg: ApkPackage
  readonly apk: UnpackedApk | undefined
  readonly part: ApkPart
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
    files: apk?.files ?? [],
  }
  return { pkg, apk, part, scripts: apk?.scripts ?? [], triggers: apk?.info.triggers ?? [] }
}

/** A package as the database has it, with the files that are its own in the end. */
export function installedPackage(
  { pkg, apk, part }: OpenedApk,
  files: readonly PackagedFile[],
): InstalledPackage {
  const { record, tag } = pkg
  const broken = part.files.some(
    ({ entry, checksum }) => entry.type !== 'directory' && checksum === undefined,
  )
  /** given and empty is something else than not given, which records do not tell apart */
  const given = (value: string, own: string | undefined) =>
    value === '' ? (own === '' ? '' : undefined) : value
  return {
    identity: record.checksum,
    name: record.name,
    version: record.version,
    architecture: given(record.architecture, apk?.info.architecture),
    size: record.size,
    installedSize: record.installedSize,
    description: record.description,
    url: record.url,
    license: record.license,
    origin: given(record.origin, apk?.info.origin),
    maintainer: given(record.maintainer, apk?.info.maintainer),
    commit: given(record.commit, apk?.info.commit),
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
