import { targetsOf, type Cache, type DependencyGroup, type Package, type Version } from './cache.ts'
import { immediatePackages, unpackList, type Transaction } from './unpack-list.ts'

/** A package to unpack, and what is configured right before: what it Pre-Depends on, and all that needs. */
export interface InstallStep {
  readonly version: Version
  readonly configureFirst: readonly Version[]
}

/**
 * The steps in which apt has dpkg install packages onto a system where others are in place already.
 * What no step configures is configured at the end, in dpkg's own order.
 */
export function installSteps(cache: Cache, transaction: Transaction): readonly InstallStep[] {
  const immediate = immediatePackages(cache, transaction)
  const planner = new Planner(cache, transaction)
  for (const version of unpackList(cache, transaction))
    planner.start(version, immediate.has(version.package))
  return planner.steps
}

/** Far beyond any real chain of dependencies; apt has the same limit. */
const maxRounds = 5000

/** Follows apt's way to each package of the list; circles of dependencies are broken where it breaks them. */
class Planner {
  readonly steps: InstallStep[] = []
  readonly #cache: Cache
  readonly #installed: ReadonlyMap<Package, Version>
  readonly #fresh: ReadonlyMap<Package, Version>
  readonly #states = new Map<Version, 'unpacked' | 'configured'>()
  /** packages something else is being done for */
  readonly #looping = new Set<Version>()
  /** since the last one that was unpacked */
  #configured: Version[] = []

  constructor(cache: Cache, { installed, fresh }: Transaction) {
    this.#cache = cache
    this.#installed = installed
    this.#fresh = new Map(fresh.map((version) => [version.package, version]))
  }

  start(version: Version, immediate: boolean): void {
    if (!this.#states.has(version)) this.#unpack(version, immediate)
  }

  #unpack(version: Version, immediate: boolean): void {
    const again = this.#looping.has(version)
    const groups = this.#groups(version).filter(({ field }) => field === 'Pre-Depends')
    this.#repeat(() =>
      groups.map((group) => !this.#isInPlace(group) && this.#prepare(version, group, again)),
    )
    if (again) return
    this.#states.set(version, 'unpacked')
    this.steps.push({ version, configureFirst: this.#configured })
    this.#configured = []
    if (immediate) this.#configure(version)
  }

  /** Brings one member of a Pre-Depends to be configured; true when that changed something. */
  #prepare(version: Version, group: DependencyGroup, again: boolean): boolean {
    for (const target of this.#candidates(group)) {
      const state = this.#states.get(target)
      if (state === 'configured') return false
      if (state === undefined && again && this.#looping.has(target)) continue
      this.#on(version, () =>
        state === undefined ? this.#unpack(target, true) : this.#configure(target),
      )
      return !this.#looping.has(target)
    }
    return false
  }

  #configure(version: Version): void {
    const again = this.#looping.has(version)
    const groups = this.#groups(version).filter((group) => !this.#isInPlace(group))
    const waiting: DependencyGroup[] = []
    this.#repeat(() =>
      groups.map((group) => {
        const missing = again
          ? undefined
          : this.#candidates(group).find((one) => !this.#states.has(one))
        if (missing === undefined) {
          waiting.push(group)
          return false
        }
        this.#on(version, () => this.#unpack(missing, true))
        return !this.#looping.has(missing)
      }),
    )
    this.#repeat(() =>
      waiting.map((group) => {
        const target = this.#candidates(group).find((one) => this.#states.has(one))
        if (target === undefined || this.#states.get(target) === 'configured') return false
        if (again && this.#looping.has(target)) return false
        this.#on(version, () => this.#configure(target))
        return !this.#looping.has(target)
      }),
    )
    if (again || this.#states.get(version) === 'configured') return
    this.#states.set(version, 'configured')
    this.#configured.push(version)
  }

  /** While a round changes anything. */
  #repeat(round: () => readonly boolean[]): void {
    for (let count = 0; count < maxRounds && round().includes(true); count++);
  }

  #on(version: Version, work: () => void): void {
    const outermost = !this.#looping.has(version)
    this.#looping.add(version)
    work()
    if (outermost) this.#looping.delete(version)
  }

  #groups(version: Version): readonly DependencyGroup[] {
    return this.#cache
      .dependencies(version)
      .filter(({ field }) => field === 'Pre-Depends' || field === 'Depends')
  }

  #targets(group: DependencyGroup): readonly Version[] {
    return group.members.flatMap((member) => targetsOf(this.#cache, member))
  }

  #isInPlace(group: DependencyGroup): boolean {
    return this.#targets(group).some((one) => this.#installed.get(one.package) === one)
  }

  #candidates(group: DependencyGroup): readonly Version[] {
    return this.#targets(group).filter((one) => this.#fresh.get(one.package) === one)
  }
}
