import type { MultiArch, PackageRecord } from '../../deb/package-record.ts'
import type { Relation } from '../../deb/relation.ts'
import { compareVersions, satisfiesVersion, type VersionOperator } from '../../deb/version.ts'
import { pinOf, type Offer, type IndexSource, type Universe } from './universe.ts'

/** The fields that bind, in the order apt looks at them. */
export const dependencyFields = [
  'Pre-Depends',
  'Depends',
  'Conflicts',
  'Breaks',
  'Recommends',
] as const
/** Suggestions bind nobody; they only keep what is there anyway. */
export type DependencyField = (typeof dependencyFields)[number] | 'Suggests'

/** A name in one architecture: real, virtual, both, or only spoken of. */
export interface Package {
  readonly name: string
  /** an architecture, or `any` for the names that a qualified relation makes (`perl:any`) */
  readonly architecture: string
  /** highest first */
  readonly versions: readonly Version[]
  readonly essential: boolean
  readonly protected: boolean
}

/** One version of a package. */
export interface Version extends Offer {
  readonly package: Package
  readonly text: string
  readonly multiArch: MultiArch
}

/** A version standing in for a package of another name, or of its own name elsewhere. */
export interface Provision {
  readonly owner: Version
  /** the version it is provided as; none satisfies no versioned relation */
  readonly version: string | undefined
  /** follows from Multi-Arch, not from a Provides field */
  readonly implicit: boolean
}

/** One member of a dependency. */
export interface Dependency {
  readonly parent: Version
  readonly field: DependencyField
  readonly target: Package
  readonly operator?: VersionOperator | undefined
  readonly version?: string | undefined
  /** a rule of Multi-Arch, not of a field */
  readonly implicit: boolean
  /** as the stanza writes it; none for an implicit one */
  readonly relation?: Relation | undefined
}

/** Members of which one suffices; those of a negative field always stand alone. */
export interface DependencyGroup {
  readonly parent: Version
  readonly field: DependencyField
  readonly members: readonly Dependency[]
}

/** Whether a field forbids rather than asks. */
export function isNegative(field: DependencyField): boolean {
  return field === 'Conflicts' || field === 'Breaks'
}

/** Whether a package is broken while this field is not met. */
export function isCritical(field: DependencyField): boolean {
  return field !== 'Recommends' && field !== 'Suggests'
}

/**
 * The packages of a universe as a graph, grown from the names that are asked for. Each name, version
 * and dependency is one object, so that they can be compared and be keys.
 */
export interface Cache {
  readonly universe: Universe
  package(name: string, architecture: string): Package
  /** The same name in every architecture of the universe that has a version of it. */
  siblings(pkg: Package): readonly Package[]
  /** What else stands in for it, the latest first in index order. */
  providers(pkg: Package): readonly Provision[]
  dependencies(version: Version): readonly DependencyGroup[]
  /** The packages a version stands in for. */
  provided(version: Version): readonly Package[]
}

/** Opens a universe. `essential` names packages to treat as essential though their stanza does not say so. */
export function openCache(universe: Universe, essential: readonly string[] = []): Cache {
  const packages = new Map<string, Package>()
  const providers = new Map<Package, readonly Provision[]>()
  const dependencies = new Map<Version, readonly DependencyGroup[]>()
  const provided = new Map<Version, readonly Package[]>()
  const architectures = [universe.architecture, ...universe.foreign]

  const cache: Cache = {
    universe,
    package(name, architecture) {
      const key = `${name}/${architecture}`
      let pkg = packages.get(key)
      if (pkg === undefined) {
        pkg = makePackage(universe, name, architecture, essential)
        packages.set(key, pkg)
      }
      return pkg
    },
    siblings(pkg) {
      if (pkg.architecture === 'any') return [pkg]
      return architectures
        .map((architecture) => cache.package(pkg.name, architecture))
        .filter((one) => one.versions.length > 0)
    },
    providers: (pkg) => memo(providers, pkg, () => findProviders(cache, architectures, pkg)),
    dependencies: (version) => memo(dependencies, version, () => readDependencies(cache, version)),
    provided: (version) =>
      memo(provided, version, () => findProvided(cache, architectures, version)),
  }
  return cache
}

function memo<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

function makePackage(
  universe: Universe,
  name: string,
  architecture: string,
  essential: readonly string[],
): Package {
  const offers = architecture === 'any' ? [] : offersOf(universe, name, architecture)
  const versions: Version[] = []
  const forced = essential.includes(name)
  const pkg: Package = {
    name,
    architecture,
    versions,
    essential: forced || offers.some((offer) => offer.record.essential),
    protected: forced || offers.some((offer) => offer.record.protected),
  }
  for (const offer of offers) {
    versions.push({
      ...offer,
      package: pkg,
      text: offer.record.version,
      multiArch: offer.record.multiArch,
    })
  }
  return pkg
}

/** Highest version first; the same file in several indexes once; equal versions of different content in source order. */
function offersOf(universe: Universe, name: string, architecture: string): readonly Offer[] {
  const offers: { record: PackageRecord; sources: IndexSource[]; pin: number }[] = []
  for (const { packages, source } of universe.indexes) {
    for (const number of packages.find(name)) {
      const record = packages.record(number)
      if (nativeOf(universe, record) !== architecture) continue
      const pin = pinOf(source)
      const same = offers.find(
        (offer) => offer.record.sha256 === record.sha256 && offer.record.version === record.version,
      )
      if (same === undefined) offers.push({ record, sources: [source], pin })
      else {
        same.sources.push(source)
        same.pin = Math.max(same.pin, pin)
      }
    }
  }
  return offers.toSorted((a, b) => compareVersions(b.record.version, a.record.version))
}

function nativeOf(universe: Universe, record: PackageRecord): string {
  return record.architecture === 'all' ? universe.architecture : record.architecture
}

/** Whether a version can be what a dependency asks for, or is what it forbids. */
export function matches(dependency: Dependency, version: string | undefined): boolean {
  if (dependency.operator === undefined || dependency.version === undefined) return true
  return version !== undefined && satisfiesVersion(version, dependency.operator, dependency.version)
}

/** A package never stands in its own way, and a co-installable one not in that of its siblings. */
export function ignoresPackage(dependency: Dependency, target: Package): boolean {
  const parent = dependency.parent.package
  if (!isNegative(dependency.field) || parent.name !== target.name) return false
  return parent === target || (dependency.parent.multiArch === 'same' && !dependency.implicit)
}

/** The same for what others provide. */
export function ignoresProvision(dependency: Dependency, provision: Provision): boolean {
  return (
    isNegative(dependency.field) &&
    (dependency.implicit || provision.owner.package.name === dependency.parent.package.name)
  )
}

/** Every version that would meet a dependency, whether it can be had or not: those of its own name first. */
export function targetsOf(cache: Cache, dependency: Dependency): readonly Version[] {
  const { target } = dependency
  const own = ignoresPackage(dependency, target)
    ? []
    : target.versions.filter((version) => matches(dependency, version.text))
  const provided = cache
    .providers(target)
    .filter((one) => !ignoresProvision(dependency, one) && matches(dependency, one.version))
    .map((one) => one.owner)
  return [...new Set([...own, ...provided])]
}

function readDependencies(cache: Cache, version: Version): readonly DependencyGroup[] {
  const groups: DependencyGroup[] = []
  for (const field of dependencyFields) {
    for (const relations of version.record.relations(field)) {
      const members = relations.flatMap((relation) =>
        dependenciesOf(cache, version, field, relation),
      )
      if (isNegative(field)) {
        for (const member of members) groups.push({ parent: version, field, members: [member] })
      } else groups.push({ parent: version, field, members })
    }
  }
  for (const sibling of cache.siblings(version.package)) {
    if (sibling !== version.package) groups.push(...betweenSiblings(version, sibling))
  }
  return groups
}

/** What a version suggests, in order. */
export function suggestions(cache: Cache, version: Version): readonly Dependency[] {
  return version.record
    .relations('Suggests')
    .flat()
    .flatMap((relation) => dependenciesOf(cache, version, 'Suggests', relation))
}

function dependenciesOf(
  cache: Cache,
  parent: Version,
  field: DependencyField,
  relation: Relation,
): readonly Dependency[] {
  const { operator, version } = relation
  return namedBy(cache, parent, field, relation).map((target) => ({
    parent,
    field,
    target,
    operator,
    version,
    relation,
    implicit: false,
  }))
}

/** A bare name means the parent's own architecture; forbidding it means every architecture. */
function namedBy(
  cache: Cache,
  parent: Version,
  field: DependencyField,
  relation: Relation,
): readonly Package[] {
  const { name, architecture } = relation
  if (architecture === 'any') return [cache.package(`${name}:any`, 'any')]
  if (architecture !== undefined) {
    const one = architecture === 'native' ? cache.universe.architecture : architecture
    return [cache.package(`${name}:${one}`, 'any')]
  }
  const own = cache.package(name, parent.package.architecture)
  if (!isNegative(field) || cache.universe.foreign.length === 0) return [own]
  const siblings = cache.siblings(own)
  return siblings.length === 0 ? [own] : siblings
}

/** One architecture of a name at a time, unless both are `same` and of one version. */
function betweenSiblings(version: Version, sibling: Package): readonly DependencyGroup[] {
  const rule = (field: 'Conflicts' | 'Breaks', operator?: VersionOperator): DependencyGroup => ({
    parent: version,
    field,
    members: [
      { parent: version, field, target: sibling, operator, version: version.text, implicit: true },
    ],
  })
  return version.multiArch === 'same'
    ? [rule('Breaks', '<<'), rule('Breaks', '>>')]
    : [rule('Conflicts')]
}

/** Splits `perl:any` into its parts; a name without a colon has none. */
function qualifier(pkg: Package): { readonly name: string; readonly of: string } | undefined {
  const colon = pkg.architecture === 'any' ? pkg.name.lastIndexOf(':') : -1
  return colon < 0 ? undefined : { name: pkg.name.slice(0, colon), of: pkg.name.slice(colon + 1) }
}

function findProviders(
  cache: Cache,
  architectures: readonly string[],
  pkg: Package,
): readonly Provision[] {
  const qualified = qualifier(pkg)
  const name = qualified?.name ?? pkg.name
  const found: Provision[] = []
  for (const owner of namedVersions(cache, architectures, name)) {
    const provision = providesItself(owner, pkg, qualified)
    if (provision) found.push(provision)
  }
  for (const owner of providingVersions(cache, name)) {
    for (const group of owner.record.relations('Provides')) {
      for (const relation of group) {
        if (relation.name === name && provides(owner, relation, pkg, qualified)) {
          found.push({
            owner,
            version: relation.version,
            implicit: qualified !== undefined && relation.architecture === undefined,
          })
        }
      }
    }
  }
  return found.toReversed()
}

function namedVersions(
  cache: Cache,
  architectures: readonly string[],
  name: string,
): readonly Version[] {
  return architectures.flatMap((architecture) => cache.package(name, architecture).versions)
}

/** Each version once, in index order. */
function providingVersions(cache: Cache, name: string): readonly Version[] {
  const found = new Set<Version>()
  for (const { packages } of cache.universe.indexes) {
    for (const number of packages.providersOf(name)) {
      const record = packages.record(number)
      const owner = cache
        .package(record.name, nativeOf(cache.universe, record))
        .versions.find(
          (version) => version.record.sha256 === record.sha256 && version.text === record.version,
        )
      if (owner !== undefined) found.add(owner)
    }
  }
  return [...found]
}

/** By Multi-Arch a version also stands for its name elsewhere, and for its qualified names. */
function providesItself(
  owner: Version,
  pkg: Package,
  qualified: ReturnType<typeof qualifier>,
): Provision | undefined {
  const provision: Provision = { owner, version: owner.text, implicit: true }
  if (qualified === undefined) {
    return owner.multiArch === 'foreign' && owner.package !== pkg ? provision : undefined
  }
  if (qualified.of !== 'any')
    return owner.package.architecture === qualified.of ? provision : undefined
  return owner.multiArch === 'allowed' ? provision : undefined
}

function provides(
  owner: Version,
  relation: Relation,
  pkg: Package,
  qualified: ReturnType<typeof qualifier>,
): boolean {
  if (relation.operator !== undefined && relation.operator !== '=') return false
  if (owner.package === pkg && (relation.version === undefined || relation.version === owner.text))
    return false
  const own = owner.package.architecture
  if (qualified === undefined) {
    const as = relation.architecture
    if (as !== undefined) return as === pkg.architecture
    return own === pkg.architecture || owner.multiArch === 'foreign'
  }
  if (relation.architecture !== undefined) return relation.architecture === qualified.of
  return qualified.of === 'any' ? owner.multiArch === 'allowed' : qualified.of === own
}

function findProvided(
  cache: Cache,
  architectures: readonly string[],
  version: Version,
): readonly Package[] {
  const found = new Set<Package>()
  const own = version.package
  const add = (name: string): void => {
    for (const architecture of version.multiArch === 'foreign'
      ? architectures
      : [own.architecture]) {
      found.add(cache.package(name, architecture))
    }
    if (version.multiArch === 'allowed') found.add(cache.package(`${name}:any`, 'any'))
    found.add(cache.package(`${name}:${own.architecture}`, 'any'))
  }
  add(own.name)
  for (const group of version.record.relations('Provides')) {
    for (const { name, architecture } of group) {
      if (architecture === undefined) add(name)
      else
        found.add(
          cache.package(
            architecture === 'any' ? `${name}:any` : name,
            architecture === 'any' ? 'any' : architecture,
          ),
        )
    }
  }
  found.delete(own)
  return [...found]
}
