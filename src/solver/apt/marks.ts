import {
  ignoresPackage,
  ignoresProvision,
  isCritical,
  isNegative,
  matches,
  type Cache,
  type Dependency,
  type DependencyGroup,
  type Package,
  type Version,
} from './cache.ts'

/** Which of a package's versions a check looks at. */
export type View = 'installed' | 'target' | 'candidate'

export type Mode = 'keep' | 'install' | 'delete'

/** What is decided about a package so far. */
export interface Mark {
  /** the version of an earlier stage */
  readonly installed: Version | undefined
  /** the version it would get */
  candidate: Version | undefined
  /** the version it gets as things stand */
  target: Version | undefined
  mode: Mode
  /** not to be changed by what the solver finds; only by the person who asked */
  fixed: boolean
  /** never to be taken on the solver's own account */
  held: boolean
  /** taken for another package's sake */
  automatic: boolean
  /** what it was first taken for */
  cause: DependencyGroup | undefined
  /** the states it was in, latest last; empty while it is in its first */
  past: {
    readonly until: number
    readonly candidate: Version | undefined
    readonly target: Version | undefined
  }[]
}

/** The decisions about every package: apt's dependency cache. */
export interface Marks {
  readonly cache: Cache
  readonly recommends: boolean
  mark(pkg: Package): Mark
  /** Packages a decision was ever taken about, first decided first. */
  touched(): Iterable<Package>
  /** Packages an earlier stage put in place. */
  inPlace(): Iterable<Package>
  /** Changes a mark and tells the dependencies on it. */
  change(pkg: Package, change: Partial<Pick<Mark, 'target' | 'candidate' | 'mode'>>): void
  /** Changes a candidate and does not tell: dependencies still count on the old one until told. */
  discard(pkg: Package, candidate: Version | undefined): void
  /** Whether a dependency is met (a negative one: not violated). */
  met(dependency: Dependency, view: View): boolean
  metGroup(group: DependencyGroup, view: View): boolean
  /** Whether the version a package gets lacks something critical. */
  broken(pkg: Package): boolean
  /** Whether a field counts: recommendations do only when asked for. */
  important(group: DependencyGroup): boolean
  brokenCount(): number
  /** Notes that a choice failed or was taken back, so that the result may depend on the order of choices. */
  disturb(): void
  readonly disturbed: boolean
}

/**
 * Starts with nothing decided. `installed` are the versions an earlier stage put in place;
 * `candidate` picks what a package would get.
 */
export function openMarks(
  cache: Cache,
  options: {
    readonly recommends: boolean
    readonly installed: ReadonlyMap<Package, Version>
    readonly candidate: (pkg: Package) => Version | undefined
  },
): Marks {
  const marks = new Map<Package, Mark>()
  const touched = new Set<Package>()
  // apt keeps the state of each dependency and refreshes it only when a change is announced; a
  // discarded candidate is not. Instead of every state, this keeps when each target was last refreshed.
  const refreshed = new Map<Package, number>()
  const broken = new Map<Package, { readonly at: number; readonly is: boolean }>()
  let clock = 0
  let disturbed = false

  const self: Marks = {
    cache,
    recommends: options.recommends,
    mark(pkg) {
      let mark = marks.get(pkg)
      if (mark === undefined) {
        const installed = options.installed.get(pkg)
        mark = {
          installed,
          candidate: options.candidate(pkg),
          target: installed,
          mode: 'keep',
          fixed: false,
          held: false,
          automatic: false,
          cause: undefined,
          past: [],
        }
        marks.set(pkg, mark)
      }
      return mark
    },
    touched: () => touched,
    inPlace: () => options.installed.keys(),
    change(pkg, change) {
      remember(pkg)
      const mark = self.mark(pkg)
      Object.assign(mark, change)
      refreshed.set(pkg, clock)
      for (const version of new Set([mark.installed, mark.candidate])) {
        if (version !== undefined)
          for (const other of cache.provided(version)) refreshed.set(other, clock)
      }
    },
    discard(pkg, candidate) {
      remember(pkg)
      self.mark(pkg).candidate = candidate
    },
    met(dependency, view) {
      return found(dependency, view) !== isNegative(dependency.field)
    },
    metGroup: (group, view) => group.members.some((member) => self.met(member, view)),
    broken(pkg) {
      const known = broken.get(pkg)
      if (known?.at === clock) return known.is
      const is = lacks(pkg)
      broken.set(pkg, { at: clock, is })
      return is
    },
    important: (group) => isCritical(group.field) || options.recommends,
    brokenCount() {
      let count = 0
      for (const pkg of touched) if (self.broken(pkg)) count++
      return count
    },
    disturb() {
      disturbed = true
    },
    get disturbed() {
      return disturbed
    },
  }

  function lacks(pkg: Package): boolean {
    const { target } = self.mark(pkg)
    if (target === undefined) return false
    return cache
      .dependencies(target)
      .some((group) => isCritical(group.field) && !self.metGroup(group, 'target'))
  }

  function remember(pkg: Package): void {
    touched.add(pkg)
    const mark = self.mark(pkg)
    mark.past.push({ until: clock, candidate: mark.candidate, target: mark.target })
    clock++
  }

  /** The version a view shows of a package, as dependencies on `target` last saw it. */
  function seen(pkg: Package, view: View, target: Package): Version | undefined {
    const mark = self.mark(pkg)
    if (view === 'installed') return mark.installed
    if (mark.past.length > 0) {
      const at = refreshed.get(target) ?? 0
      const then = mark.past.find((state) => at <= state.until)
      if (then !== undefined) return view === 'target' ? then.target : then.candidate
    }
    return view === 'target' ? mark.target : mark.candidate
  }

  function found(dependency: Dependency, view: View): boolean {
    const { target } = dependency
    if (!ignoresPackage(dependency, target)) {
      const version = seen(target, view, target)
      if (version !== undefined && matches(dependency, version.text)) return true
    }
    return cache
      .providers(target)
      .some(
        (provision) =>
          !ignoresProvision(dependency, provision) &&
          seen(provision.owner.package, view, target) === provision.owner &&
          matches(dependency, provision.version),
      )
  }

  return self
}
