import type { IndexRecord } from '../../apk/index-record.ts'
import type { UnpackedApk } from './unpack.ts'

/** An Alpine system to make: what apk would be told and given to make the same. */
export interface ApkSystem {
  /** as apk calls it: `x86_64` */
  readonly architecture: string
  /** in the order apk installs them */
  readonly packages: readonly ApkPackage[]
  /** what was asked for, as lines of etc/apk/world: `musl`, `busybox>1.36`, `foo@edge`; in any order */
  readonly world: readonly string[]
  /** lines of etc/apk/repositories */
  readonly repositories: readonly string[]
  /** trusted keys as PEM, by the names of their files in etc/apk/keys */
  readonly keys: Readonly<Record<string, string>>
  /** seconds since 1970: the time of what no package gives one */
  readonly epoch: number
  /** whether the packages' own scripts run; without them nothing is run at all */
  readonly scripts: 'run' | 'off'
}

/** A package to install. */
export interface ApkPackage {
  /** what the verified index says: apk's database repeats this, not what the package says of itself */
  readonly record: IndexRecord
  /** tag of the repository it is taken from, without the `@` */
  readonly tag?: string | undefined
  /** what is in it, now or as soon as it is there; undefined where the index says that it takes no space */
  readonly apk: UnpackedApk | Promise<UnpackedApk> | undefined
}
