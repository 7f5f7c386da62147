import type { Priority } from '../../deb/package-record.ts'
import { targetsOf, type Cache, type Dependency, type Package, type Version } from './cache.ts'

/** What apt is about to install, and what it finds in place. */
export interface Transaction {
  readonly installed: ReadonlyMap<Package, Version>
  /** not among the installed ones */
  readonly fresh: readonly Version[]
}

/** What a pass looks at before it adds a package. */
type Consideration =
  /** Pre-Depends, each followed by all it needs to be configured */
  | 'pre-depends'
  /** Pre-Depends and Depends: the package is configured at once */
  | 'configurable'
  /** Pre-Depends; of what those need, Depends as well */
  | 'needs-of-pre-depends'

/**
 * The order in which apt unpacks packages onto a system where others are in place already: sorted by
 * weight, then moved about in four passes, each of which puts before a package what it needs, as far as it
 * looks. Nothing is upgraded or removed, so that only dependencies matter.
 */
export function unpackList(cache: Cache, transaction: Transaction): readonly Version[] {
  const immediate = immediatePackages(cache, transaction)
  const weights = new Map(
    transaction.fresh.map((version) => [version, weightOf(cache, version, immediate)]),
  )
  let list: readonly Version[] = transaction.fresh.toSorted(
    (a, b) => weights.get(b)! - weights.get(a)! || compareNames(a.package.name, b.package.name),
  )
  const pass = (consideration: Consideration, depends: boolean) => {
    list = new Pass(cache, transaction, immediate, depends).run(list, consideration)
  }
  pass('pre-depends', true)
  pass('pre-depends', false)
  pass('pre-depends', false)
  pass('needs-of-pre-depends', false)
  return list
}

/** Essential packages and all they speak of are configured as soon as they are unpacked. */
export function immediatePackages(
  cache: Cache,
  { installed, fresh }: Transaction,
): ReadonlySet<Package> {
  const versions = new Map([...installed, ...fresh.map((one) => [one.package, one] as const)])
  const found = new Set<Package>()
  const pending = [...versions.keys()].filter((pkg) => pkg.essential)
  for (const pkg of pending) found.add(pkg)
  for (let pkg = pending.pop(); pkg !== undefined; pkg = pending.pop()) {
    const version = versions.get(pkg)
    if (version === undefined) continue
    for (const group of cache.dependencies(version)) {
      if (group.field !== 'Depends' && group.field !== 'Pre-Depends') continue
      for (const { target } of group.members) {
        if (found.has(target)) continue
        found.add(target)
        pending.push(target)
      }
    }
  }
  return found
}

const priorityWeights: Readonly<Record<Priority, number>> = {
  required: 5,
  important: 4,
  standard: 3,
  optional: 1,
  extra: 0,
}

function weightOf(cache: Cache, version: Version, immediate: ReadonlySet<Package>): number {
  const hasPreDepends = cache.dependencies(version).some(({ field }) => field === 'Pre-Depends')
  return (
    (version.package.essential ? 200 : 0) +
    (immediate.has(version.package) ? 10 : 0) +
    (hasPreDepends ? 50 : 0) +
    priorityWeights[version.record.priority]
  )
}

function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** One walk over the list, which builds the next one. */
class Pass {
  readonly #cache: Cache
  readonly #installed: ReadonlyMap<Package, Version>
  readonly #fresh: ReadonlyMap<Package, Version>
  readonly #immediate: ReadonlySet<Package>
  /** whether Depends are put before a package too, once what must be has been */
  readonly #depends: boolean
  readonly #added = new Set<Package>()
  /** on the way from the list's package to the one looked at */
  readonly #pending = new Set<Package>()
  readonly #list: Version[] = []

  constructor(
    cache: Cache,
    { installed, fresh }: Transaction,
    immediate: ReadonlySet<Package>,
    depends: boolean,
  ) {
    this.#cache = cache
    this.#installed = installed
    this.#fresh = new Map(fresh.map((version) => [version.package, version]))
    this.#immediate = immediate
    this.#depends = depends
  }

  run(list: readonly Version[], consideration: Consideration): readonly Version[] {
    for (const version of list) this.#visit(version, consideration)
    return this.#list
  }

  #visit(version: Version, inherited: Consideration): void {
    const pkg = version.package
    if (this.#added.has(pkg) || this.#pending.has(pkg)) return
    this.#pending.add(pkg)
    const own =
      this.#immediate.has(pkg) && inherited !== 'needs-of-pre-depends' ? 'configurable' : inherited
    this.#consider(version, own)
    if (this.#depends) {
      for (const group of this.#cache.dependencies(version)) {
        if (group.field !== 'Depends') continue
        for (const member of group.members) this.#visitTargets(member, own)
      }
    }
    this.#pending.delete(pkg)
    this.#added.add(pkg)
    this.#list.push(version)
  }

  #consider(version: Version, consideration: Consideration): void {
    for (const group of this.#cache.dependencies(version)) {
      if (!this.#isConsidered(group.field, version, consideration)) continue
      for (const member of group.members) {
        const { target } = member
        const loops = this.#pending.has(target)
        const counts = consideration === 'needs-of-pre-depends' || group.field === 'Pre-Depends'
        if (this.#isMet(member) && !(loops && counts)) continue
        if (loops || this.#added.has(target)) continue
        this.#visitTargets(member, consideration === 'pre-depends' ? 'configurable' : consideration)
      }
    }
  }

  #isConsidered(field: string, version: Version, consideration: Consideration): boolean {
    if (field === 'Pre-Depends') return true
    if (field !== 'Depends') return false
    switch (consideration) {
      case 'pre-depends':
        return false
      case 'configurable':
        return true
      case 'needs-of-pre-depends':
        return this.#pending.size > 1 || this.#immediate.has(version.package)
    }
  }

  #isMet(member: Dependency): boolean {
    return targetsOf(this.#cache, member).some((target) =>
      this.#added.has(target.package)
        ? this.#fresh.get(target.package) === target
        : this.#installed.get(target.package) === target,
    )
  }

  #visitTargets(member: Dependency, consideration: Consideration): void {
    for (const target of targetsOf(this.#cache, member)) {
      if (this.#fresh.get(target.package) === target) this.#visit(target, consideration)
    }
  }
}
