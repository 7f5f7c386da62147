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

/** One package of a plan: everything that is needed to get it and to say why. */
export interface PlannedPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** of the package file */
  readonly digest: Digest
  /** bytes of the package file */
  readonly size: number
  /** bytes it takes when unpacked, as the index says */
  readonly installedSize: number
  /** where it is below each of its repository's addresses */
  readonly path: string
  /** number of its source in `Plan.sources` */
  readonly source: number
  /** not asked for, only needed by others: what `apt-mark showauto` lists */
  readonly automatic: boolean
  /** part of the system's core, configured from its unpacked state; others may be unpacked by dpkg */
  readonly core: boolean
  /** what dpkg configures before it unpacks this one, in order, as its command line takes it */
  readonly configureFirst: readonly string[]
  readonly reasons: readonly Reason[]
}

/** A verified index the plan was made from. */
export interface PlannedSource {
  /** addresses, in the order they are tried */
  readonly uris: readonly string[]
  readonly suite: string
  readonly codename: string | undefined
  readonly component: string
  readonly architecture: string
  /** of the package index, decompressed */
  readonly digest: Digest
  /** of the signed release file */
  readonly release: Digest
  /** seconds since 1970 */
  readonly date: number
  /** fingerprints of the trusted keys that signed */
  readonly signers: readonly string[]
}

/** A recipe resolved for one platform against verified indexes. Prints as JSON. */
export interface Plan {
  readonly recipe: string
  readonly platform: Platform
  readonly distribution: 'deb'
  readonly variant: string
  readonly architecture: string
  readonly sources: readonly PlannedSource[]
  /** in the order they are unpacked: the core first, then the others as apt would */
  readonly packages: readonly PlannedPackage[]
  /** the time of the snapshot, seconds since 1970: nothing in the image is younger */
  readonly epoch: number
  /** checks that were skipped by name */
  readonly skipped: readonly string[]
  /** text of the apt source lists the image gets, by path */
  readonly files: Readonly<Record<string, string>>
}
