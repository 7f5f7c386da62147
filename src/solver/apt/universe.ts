import type { PackageRecord } from '../../deb/package-record.ts'
import type { PackagesIndex } from '../../deb/packages.ts'

/** Where an index comes from, as its Release file and the sources entry say it. */
export interface IndexSource {
  /** the caller's own key for the place it was fetched from; the solver only hands it back */
  readonly id: string
  /** as the sources entry names it: `trixie-updates` */
  readonly suite: string
  /** Release `Suite`: `stable` */
  readonly archive?: string | undefined
  /** Release `Codename`: `trixie` */
  readonly codename?: string | undefined
  /** Release `Version`: `13.1` */
  readonly version?: string | undefined
  readonly origin?: string | undefined
  readonly label?: string | undefined
  readonly component?: string | undefined
  readonly notAutomatic?: boolean | undefined
  readonly butAutomaticUpgrades?: boolean | undefined
  /** overrides the priority that follows from the two above (apt_preferences(5)) */
  readonly pin?: number | undefined
}

/** One `Packages` file and where it is from. */
export interface UniverseIndex {
  readonly packages: PackagesIndex
  readonly source: IndexSource
}

/** Every package that can be chosen: indexes in the order of their sources. */
export interface Universe {
  /** what `all` packages and bare names count as */
  readonly architecture: string
  /** further architectures, most preferred first */
  readonly foreign: readonly string[]
  readonly indexes: readonly UniverseIndex[]
}

/** A stanza and the indexes that carry it. */
export interface Offer {
  readonly record: PackageRecord
  readonly sources: readonly IndexSource[]
  /** the highest of its sources */
  readonly pin: number
}

/** Joins indexes to a universe; records of other architectures than these do not exist in it. */
export function createUniverse(universe: {
  readonly architecture: string
  readonly foreign?: readonly string[] | undefined
  readonly indexes: readonly UniverseIndex[]
}): Universe {
  return { ...universe, foreign: universe.foreign ?? [] }
}

/**
 * What a source is worth (apt_preferences(5)): 1 for one that asks never to be used by itself, 100
 * when it at least wants to upgrade what was taken from it, 500 otherwise.
 */
export function pinOf(source: IndexSource): number {
  if (source.pin !== undefined) return source.pin
  if (source.notAutomatic !== true) return 500
  return source.butAutomaticUpgrades === true ? 100 : 1
}
