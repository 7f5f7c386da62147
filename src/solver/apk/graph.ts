import { isNamedBy, type Dependency } from '../../apk/dependency.ts'
import type { IndexRecord } from '../../apk/index-record.ts'
import { sortNames } from './name-table.ts'
import type { Repository, Universe } from './universe.ts'

/** A package of the universe, once, whatever number of repositories carry it. */
export interface Package {
  readonly name: Name
  readonly record: IndexRecord
  /** where in the indexes it was first seen */
  readonly position: number
  /** that carry it, in the order of the universe */
  readonly repositories: readonly Repository[]
  /** number of the first of them */
  readonly firstRepository: number
  /** bits of the tags of its repositories */
  readonly tags: number
  readonly depends: readonly Need[]
  readonly provides: readonly Provision[]
  readonly installIf: readonly Need[]
  readonly state: PackageState
}

/** A name packages have or provide. */
export interface Name {
  readonly text: string
  readonly providers: readonly Provider[]
  /** names of packages that may come by themselves when this is there, in the order of apk's name table */
  readonly triggers: readonly Name[]
  readonly state: NameState
}

/** A package that has a name: its own, or one it provides. */
export interface Provider {
  readonly package: Package
  /** undefined where it is provided without one: it meets no demand for a version, and surprises nobody by being chosen */
  readonly version: string | undefined
}

/** A dependency, its name found. */
export interface Need {
  readonly dependency: Dependency
  readonly name: Name
}

interface Provision {
  readonly name: Name
  readonly version: string | undefined
}

/** What the solver comes to know of a package. */
export interface PackageState {
  seen: boolean
  /** how long the longest chain of needs below it is */
  depth: number
  /** can still be chosen */
  selectable: boolean
  /** demands on its names it does not meet */
  conflicts: number
  /** bits of tags it may come from, because whoever needs it may */
  allowedTags: number
  /** comes from a repository its own pin, or the lack of one, names */
  tagPreferred: boolean
  tagAllowed: boolean
  /** everything it is to be installed with is there */
  triggered: boolean
  /** something it is to be installed with will not be there */
  untriggerable: boolean
  /** takes part in the merging of needs that goes on */
  merging: boolean
  /** a need that all that could stand for it share was handed down to it, and its name not looked at since */
  merged: boolean
  ordered: boolean
  /** why it fell, the first reason */
  fallen: Fallen | undefined
}

/** Why a package is out. */
export type Fallen =
  | { readonly kind: 'demand'; readonly by: Package | undefined; readonly need: Need }
  | { readonly kind: 'chosen'; readonly name: Name; readonly package: Package | undefined }
  | { readonly kind: 'need'; readonly need: Need }
  | { readonly kind: 'not-all'; readonly name: Name }

/** What the solver comes to know of a name. */
export interface NameState {
  seen: boolean
  /** found with a package that has it, if perhaps not looked up */
  atHand: boolean
  /** who has it: packages of that name alone, others as well, others alone */
  kind: 'real' | 'mixed' | 'virtual'
  /** how long the longest chain of needs below it is */
  depth: number
  /** asked for by itself on the command line */
  asked: boolean
  /** demands for it, other than to keep it away */
  demands: number
  settled: boolean
  chosen: Provider | undefined
  /** everybody who may need it is settled and it leaves no choice: it is next */
  urgent: boolean
  recheckNeeds: boolean
  recheckTriggers: boolean
  hasTriggered: boolean
  noTriggerable: boolean
  sharedNeed: number
  sharedProvision: number
  ordered: boolean
  /** names of packages that need it */
  dependents: Name[]
}

/** Whether what a provider is meets a need: is there when wanted, is not when to be kept away. */
export function meets({ dependency }: Need, provider: Provider | undefined): boolean {
  if (provider === undefined) return dependency.conflict
  const named = isNamedBy(dependency, provider.version, provider.package.record.checksum)
  return named !== dependency.conflict
}

/** The names and packages of a universe, with the state one solution needs. */
export interface Graph {
  readonly tagBits: ReadonlyMap<string, number>
  find(text: string): Name
  need(dependency: Dependency): Need
  names(): Iterable<string>
}

/** Bit of the repositories without a tag. */
export const untagged = 1

type Open<T> = {
  -readonly [Key in keyof T]: T[Key] extends readonly (infer Item)[] ? Item[] : T[Key]
}

interface OpenName extends Open<Name> {
  readonly triggered: Set<Name>
}

/** Joins the indexes to a graph. */
export function openGraph({ repositories }: Universe): Graph {
  const names = new Map<string, OpenName>()
  const tagBits = new Map<string, number>()
  const find = (text: string): OpenName => {
    let name = names.get(text)
    if (name === undefined) {
      const triggered = new Set<Name>()
      let triggers: Name[] | undefined
      name = {
        text,
        providers: [],
        triggered,
        get triggers() {
          return (triggers ??= sortNames(triggered))
        },
        state: freshName(),
      }
      names.set(text, name)
    }
    return name
  }
  const need = (dependency: Dependency): Need => ({ dependency, name: find(dependency.name) })
  const packages = new Map<string, Open<Package>>()
  for (const [number, repository] of repositories.entries()) {
    const bit = repository.tag === undefined ? untagged : bitOf(tagBits, repository.tag)
    for (const record of repository.records) {
      const known = packages.get(record.checksum)
      if (known !== undefined) {
        if (known.repositories.at(-1) !== repository) known.repositories.push(repository)
        known.tags |= bit
        continue
      }
      const name = find(record.name)
      let depends: readonly Need[] | undefined
      const pkg: Open<Package> = {
        name,
        record,
        position: packages.size,
        repositories: [repository],
        firstRepository: number,
        tags: bit,
        // most packages are never looked at
        get depends() {
          return (depends ??= record.depends.map(need)) as Need[]
        },
        provides: record.provides.map((one) => ({ name: find(one.name), version: one.version })),
        installIf: record.installIf.map(need),
        state: freshPackage(),
      }
      packages.set(record.checksum, pkg)
      name.providers.push({ package: pkg, version: record.version })
      for (const one of pkg.provides)
        find(one.name.text).providers.push({ package: pkg, version: one.version })
      for (const one of pkg.installIf) {
        const { triggered } = find(one.name.text)
        triggered.add(name)
        for (const provision of pkg.provides) triggered.add(provision.name)
      }
    }
  }
  return { tagBits, find, need, names: () => names.keys() }
}

function bitOf(tagBits: Map<string, number>, tag: string): number {
  const bit = tagBits.get(tag) ?? untagged << (tagBits.size + 1)
  tagBits.set(tag, bit)
  return bit
}

function freshName(): NameState {
  return {
    seen: false,
    atHand: false,
    kind: 'real',
    depth: 0,
    asked: false,
    demands: 0,
    settled: false,
    chosen: undefined,
    urgent: false,
    recheckNeeds: false,
    recheckTriggers: false,
    hasTriggered: false,
    noTriggerable: false,
    sharedNeed: 0,
    sharedProvision: 0,
    ordered: false,
    dependents: [],
  }
}

function freshPackage(): PackageState {
  return {
    seen: false,
    depth: 0,
    selectable: true,
    conflicts: 0,
    allowedTags: untagged,
    tagPreferred: false,
    tagAllowed: false,
    triggered: false,
    untriggerable: false,
    merging: false,
    merged: false,
    ordered: false,
    fallen: undefined,
  }
}
