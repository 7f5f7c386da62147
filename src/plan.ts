import type { Digest } from './digest.ts'
import type { Platform } from './platform.ts'

/** Why a package is part of a plan, for people: `asked for`, `dpkg depends on it (Pre-Depends: tar)`. */
export type Reason =
  | { readonly kind: 'essential' }
  | { readonly kind: 'priority'; readonly priority: string }
  | { readonly kind: 'variant'; readonly variant: string }
  | { readonly kind: 'asked'; readonly request: string }
  | {
      readonly kind: 'dependency'
      readonly of: string
      readonly field: string
      readonly relation: string
    }

/** One package of a plan: what is needed to get it and to say why. */
export interface PlannedPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** bytes of the package file */
  readonly size: number
  /** bytes it takes when unpacked, as the index says */
  readonly installedSize: number
  /** where it is below each of its repository's addresses */
  readonly path: string
  /** number of its source in the plan's `sources` */
  readonly source: number
  readonly reasons: readonly Reason[]
}

/** A Debian package. */
export interface PlannedDeb extends PlannedPackage {
  /** of the package file */
  readonly digest: Digest
  /** not asked for, only needed by others: what `apt-mark showauto` lists */
  readonly automatic: boolean
  /** part of the system's core, configured from its unpacked state; others may be unpacked by dpkg */
  readonly core: boolean
  /** what dpkg configures before it unpacks this one, in order, as its command line takes it */
  readonly configureFirst: readonly string[]
}

/** A package of apk; one of `installedSize` 0 is never fetched, it is what its record says and nothing else. */
export interface PlannedApk extends PlannedPackage {
  /** `Q1…` of the control part: no index of apk v2 says more of the file than this and its size */
  readonly identity: string
  /** of the repository it is pinned to, without the sign */
  readonly tag: string | undefined
  /** its record in the index, as lines (apk-v2(5)): apk's database repeats it */
  readonly record: string
}

/** A verified index the plan was made from. */
interface PlannedSource {
  /** addresses, in the order they are tried */
  readonly uris: readonly string[]
  readonly architecture: string
  /** of the package index, as it was verified */
  readonly digest: Digest
  /** of the trusted keys that signed: fingerprints, or names of files for apk */
  readonly signers: readonly string[]
}

/** An index of a Debian suite; its digest is of the decompressed index. */
export interface PlannedDebSource extends PlannedSource {
  readonly suite: string
  readonly codename: string | undefined
  readonly component: string
  /** of the signed release file */
  readonly release: Digest
  /** seconds since 1970 */
  readonly date: number
}

/** The index of a repository of apk; its digest is of the signed file. */
export interface PlannedApkSource extends PlannedSource {
  /** of a pinned repository, without the sign */
  readonly tag: string | undefined
  /** what the index calls itself */
  readonly description: string
}

interface PlanCommon {
  readonly recipe: string
  readonly platform: Platform
  /** as the distribution calls it */
  readonly architecture: string
  /** seconds since 1970: nothing in the image is younger */
  readonly epoch: number
  /** checks that were skipped by name */
  readonly skipped: readonly string[]
}

/** A Debian system. The epoch is the time of the newest release file. */
export interface DebPlan extends PlanCommon {
  readonly distribution: 'deb'
  readonly variant: string
  readonly sources: readonly PlannedDebSource[]
  /** in the order they are unpacked: the core first, then the others as apt would */
  readonly packages: readonly PlannedDeb[]
  /** text of the apt source lists the image gets, by path */
  readonly files: Readonly<Record<string, string>>
}

/** A system of apk. The epoch is when the newest of its packages was built. */
export interface ApkPlan extends PlanCommon {
  readonly distribution: 'apk'
  /** `alpine v3.20` */
  readonly release: string
  readonly sources: readonly PlannedApkSource[]
  /** in the order apk installs them */
  readonly packages: readonly PlannedApk[]
  readonly scripts: 'run' | 'off'
  /** lines of etc/apk/world */
  readonly world: readonly string[]
  /** lines of etc/apk/repositories */
  readonly repositories: readonly string[]
  /** trusted keys as PEM, by the names of their files */
  readonly keys: Readonly<Record<string, string>>
}

/** A recipe resolved for one platform against verified indexes. Prints as JSON. */
export type Plan = DebPlan | ApkPlan
