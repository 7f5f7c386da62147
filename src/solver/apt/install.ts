import {
  isCritical,
  isNegative,
  matches,
  type DependencyGroup,
  type Package,
  type Version,
} from './cache.ts'
import {
  candidateSolutions,
  everySolution,
  installedSolutions,
  type RankOrder,
} from './alternatives.ts'
import type { Mark, Marks, Mode } from './marks.ts'

/** How a package comes to be marked. */
export interface Marking {
  /** the person asked: what was decided before does not stand in the way */
  readonly asked?: boolean | undefined
  /** how deep in the recursion; a guard, not a rule */
  readonly depth?: number | undefined
  /** what needs it */
  readonly cause?: DependencyGroup | undefined
}

/** The three decisions about a package, as apt takes them. Each says whether it could be taken. */
export interface Marker {
  /** Chooses the candidate; with `dependencies` also what it needs, and drops what it cannot live with. */
  install(pkg: Package, dependencies: boolean, marking?: Marking): boolean
  /** Leaves the package as the stage found it. */
  keep(pkg: Package, marking?: Marking): boolean
  remove(pkg: Package, marking?: Marking): boolean
}

const deepest = 3000

/**
 * Marks as apt does (apt's MarkInstall and its kin), so that the same request leads to the same set:
 * conflicts of a package are dealt with before its dependencies, those in the order of its fields;
 * a dependency takes the first solution that can be installed with everything it needs in turn; a
 * package for which that fails is given up, unless somebody asked for it. What an asked package needs
 * and only one package can give is as good as asked.
 */
export function createMarker(marks: Marks, order: RankOrder): Marker {
  const { cache } = marks

  function mayChange(pkg: Package, mode: Mode, { asked = false, depth = 0 }: Marking): boolean {
    if (depth > deepest || pkg.versions.length === 0) return false
    if (asked) return true
    const mark = marks.mark(pkg)
    if (mark.mode === mode) return true
    if (mark.fixed) return false
    if (mark.held && mode !== 'keep') return false
    return !(mode === 'delete' && (pkg.essential || pkg.protected))
  }

  function keep(pkg: Package, marking: Marking = {}): boolean {
    if (!mayChange(pkg, 'keep', marking)) return false
    const mark = marks.mark(pkg)
    if (mark.mode === 'keep') return true
    marks.disturb()
    marks.change(pkg, { mode: 'keep', target: mark.installed })
    return true
  }

  function remove(pkg: Package, marking: Marking = {}): boolean {
    if (!mayChange(pkg, 'delete', marking)) return false
    const mark = marks.mark(pkg)
    if (mark.mode === 'delete' || mark.target === undefined) return true
    marks.disturb()
    if (!mayRemove(mark, marking)) return false
    marks.change(pkg, { mode: mark.installed === undefined ? 'keep' : 'delete', target: undefined })
    return true
  }

  function install(pkg: Package, dependencies: boolean, marking: Marking = {}): boolean {
    const well = tryInstall(pkg, dependencies, marking)
    if (!well) marks.disturb()
    return well
  }

  function tryInstall(pkg: Package, dependencies: boolean, marking: Marking): boolean {
    const { asked = false, depth = 0 } = marking
    const mark = marks.mark(pkg)
    const stays =
      mark.fixed &&
      mark.mode === 'keep' &&
      mark.candidate !== undefined &&
      mark.candidate === mark.installed
    if (!stays && !mayChange(pkg, 'install', marking)) return false
    const { candidate } = mark
    if (candidate === undefined) return false
    if (!mark.fixed && !lacksAnything(pkg)) {
      if (candidate === mark.installed)
        return mark.target === undefined ? keep(pkg, { asked, depth: depth + 1 }) : true
      if (mark.mode === 'install') return true
    }
    if (!inStep(pkg, candidate, asked) || (dependencies && !satisfiable(pkg))) return false
    if (asked) choose(pkg, marking)

    const giveUp = !mark.fixed && !asked
    const work = new Work(giveUp)
    const toInstall: DependencyGroup[] = []
    const toRemove: DependencyGroup[] = []
    const toUpgrade: Package[] = []
    const toRemoveLater: Package[] = []
    if (dependencies) {
      for (const group of cache.dependencies(candidate)) {
        if (marks.metGroup(group, 'target') && !mark.fixed) continue
        if (marks.important(group)) (isNegative(group.field) ? toRemove : toInstall).push(group)
      }
      if (
        !work.did(
          dropConflicts(toRemove, { fixed: mark.fixed, asked, depth, toUpgrade, toRemoveLater }),
        )
      )
        return false
      addStranded(pkg, candidate, toUpgrade, toRemoveLater)
    }
    if (!asked) choose(pkg, marking)
    if (!dependencies) return !work.failed

    // whatever happens below must not undo this choice; only what was fixed before passes it on
    const fixed = mark.fixed
    mark.fixed = true
    try {
      if (!work.did(upgrade(toUpgrade, { fixed, asked, depth }))) return withdraw(pkg)
      if (!work.did(installDependencies(pkg, toInstall, { fixed, asked, depth })))
        return withdraw(pkg)
      for (const one of toRemoveLater) if (!work.did(remove(one, { depth }))) return withdraw(pkg)
      return !work.failed
    } finally {
      if (!fixed) mark.fixed = false
    }
  }

  function lacksAnything(pkg: Package): boolean {
    const { target } = marks.mark(pkg)
    return (
      target !== undefined &&
      cache
        .dependencies(target)
        .some((group) => marks.important(group) && !marks.metGroup(group, 'target'))
    )
  }

  /** Co-installable packages must be of one version in every architecture. */
  function inStep(pkg: Package, candidate: Version, asked: boolean): boolean {
    const mark = marks.mark(pkg)
    if (asked || (mark.mode === 'install' && mark.target === candidate)) return true
    if (candidate === mark.installed || candidate.multiArch !== 'same') return true
    return cache.siblings(pkg).every((sibling) => {
      const other = marks.mark(sibling)
      if (sibling === pkg || other.installed === undefined || other.candidate === undefined)
        return true
      return other.candidate.text === candidate.text || other.candidate.multiArch !== 'same'
    })
  }

  /** A dependency that no candidate can meet takes the candidate out of the game. */
  function satisfiable(pkg: Package): boolean {
    const mark = marks.mark(pkg)
    const { candidate } = mark
    if (candidate === undefined || candidate === mark.installed) return true
    for (const group of cache.dependencies(candidate)) {
      if (!isCritical(group.field) || isNegative(group.field)) continue
      if (marks.metGroup(group, 'target') || marks.metGroup(group, 'candidate')) continue
      if (!mark.fixed) {
        if (mark.installed === undefined) marks.discard(pkg, undefined)
        else marks.change(pkg, { candidate: mark.installed })
        if (mark.mode !== 'delete') mark.mode = 'keep'
      }
      return false
    }
    return true
  }

  function choose(pkg: Package, { asked = false, cause }: Marking): void {
    const mark = marks.mark(pkg)
    if (mark.fixed && mark.target === mark.candidate) return
    if (mark.installed === undefined) mark.automatic = !asked
    else if (asked) mark.automatic = false
    mark.cause = asked ? undefined : cause
    marks.change(pkg, {
      target: mark.candidate,
      mode: mark.candidate === mark.installed ? 'keep' : 'install',
    })
  }

  /** Takes a choice back, and with it the candidate: it will not be tried again. */
  function withdraw(pkg: Package): false {
    const mark = marks.mark(pkg)
    if (mark.mode === 'keep' && mark.target === mark.candidate && mark.candidate === mark.installed)
      return false
    marks.change(pkg, { mode: 'keep', target: mark.installed })
    marks.discard(pkg, mark.target)
    return false
  }

  interface Step {
    readonly fixed: boolean
    readonly asked: boolean
    readonly depth: number
  }

  /** What must go for a package: what is only chosen is dropped, what is in place upgraded or removed. */
  function dropConflicts(
    groups: readonly DependencyGroup[],
    step: Step & { readonly toUpgrade: Package[]; readonly toRemoveLater: Package[] },
  ): boolean {
    const { fixed, asked, depth, toUpgrade, toRemoveLater } = step
    const work = new Work(!fixed && !asked)
    const bad = new Set<Package>()
    for (const group of groups) {
      for (const version of candidateSolutions(marks, order, group)) {
        const pkg = version.package
        const mark = marks.mark(pkg)
        if (mark.candidate !== version) continue
        if (mark.installed === version) {
          if (!work.did(removeInPlace(pkg, step, toRemoveLater))) return false
        } else if (mark.mode === 'install' && !keep(pkg, { depth })) {
          if (!work.did(false)) return false
        } else if (fixed) {
          marks.discard(pkg, mark.target)
          if (mark.installed === undefined) mark.fixed = true
        } else bad.add(pkg)
      }
      for (const version of installedSolutions(marks, order, group)) {
        const pkg = version.package
        const { candidate, installed } = marks.mark(pkg)
        if (candidate !== version && candidate !== undefined && !bad.has(pkg)) toUpgrade.push(pkg)
        else if (candidate === installed) continue
        else if (!work.did(removeInPlace(pkg, step, toRemoveLater))) return false
      }
    }
    return !work.failed
  }

  function removeInPlace(pkg: Package, { fixed, depth }: Step, later: Package[]): boolean {
    const mark = marks.mark(pkg)
    if (!fixed) {
      if (mark.mode === 'delete') return true
      if (!mayChange(pkg, 'delete', { depth }) || !mayRemove(mark, {})) return false
      later.push(pkg)
      return true
    }
    if (mark.mode !== 'delete' && !remove(pkg, { depth: depth + 1 })) return false
    marks.discard(pkg, mark.target)
    mark.fixed = true
    return true
  }

  /** Packages in place whose dependency the new version would no longer meet have to move with it. */
  function addStranded(
    pkg: Package,
    candidate: Version,
    toUpgrade: Package[],
    leaving: readonly Package[],
  ): void {
    const { installed } = marks.mark(pkg)
    if (installed === undefined || installed === candidate) return
    for (const other of marks.inPlace()) {
      const mark = marks.mark(other)
      if (mark.installed === undefined || mark.mode === 'install' || mark.mode === 'delete')
        continue
      if (toUpgrade.includes(other) || leaving.includes(other)) continue
      const stranded = cache
        .dependencies(mark.installed)
        .some(
          (group) =>
            marks.important(group) &&
            !isNegative(group.field) &&
            group.members.some(
              (member) =>
                member.target === pkg &&
                matches(member, installed.text) &&
                !matches(member, candidate.text),
            ),
        )
      if (stranded) toUpgrade.push(other)
    }
  }

  function upgrade(packages: readonly Package[], { fixed, asked, depth }: Step): boolean {
    const work = new Work(!fixed && !asked)
    for (const pkg of packages) {
      if (marks.mark(pkg).mode === 'install' || install(pkg, true, { depth: depth + 1 })) continue
      if (!remove(pkg, { depth: depth + 1 })) {
        if (!work.did(false)) return false
      } else if (fixed) marks.mark(pkg).fixed = true
    }
    return !work.failed
  }

  function installDependencies(
    pkg: Package,
    groups: readonly DependencyGroup[],
    { fixed, asked, depth }: Step,
  ): boolean {
    const work = new Work(!fixed && !asked)
    for (const group of groups) {
      const met = marks.metGroup(group, 'target')
      const critical = isCritical(group.field)
      if (met) {
        if (fixed && critical && !fixOnly(group, depth)) work.did(false)
      } else if (
        (critical || !oldDisappointment(pkg, group)) &&
        !installOne(group, { fixed, asked, depth }) &&
        critical
      ) {
        if (!work.did(false)) return false
      }
    }
    return !work.failed
  }

  /** A met dependency with one solution only makes that solution as fixed as the package that needs it. */
  function fixOnly(group: DependencyGroup, depth: number): boolean {
    const [only, ...others] = everySolution(marks, group)
    if (only === undefined || others.length > 0 || marks.mark(only.package).fixed) return true
    marks.mark(only.package).fixed = true
    return install(only.package, true, { depth: depth + 1, cause: group })
  }

  function installOne(group: DependencyGroup, { fixed, depth }: Step): boolean {
    const solutions = candidateSolutions(marks, order, group)
    const marking: Marking = { depth: depth + 1, cause: group }
    for (const version of solutions) {
      const pkg = version.package
      if (marks.mark(pkg).candidate !== version) continue
      if (fixed && isCritical(group.field) && solutions.length === 1) {
        if (!install(pkg, false, marking)) continue
        marks.mark(pkg).fixed = true
      }
      if (install(pkg, true, marking)) return true
    }
    return false
  }

  /** A recommendation the installed version already had and nobody heeded is not heeded now. */
  function oldDisappointment(pkg: Package, group: DependencyGroup): boolean {
    const { installed } = marks.mark(pkg)
    if (installed === undefined) return false
    const same = cache
      .dependencies(installed)
      .filter((old) => !isCritical(old.field) && marks.important(old))
      .filter((old) => old.members.some((member) => member.target === group.members[0]?.target))
    return same.length > 0 && !same.some((old) => marks.metGroup(old, 'installed'))
  }

  return { install, keep, remove }
}

/** What was asked for and is not there yet cannot be removed again. */
function mayRemove(mark: Mark, { asked = false }: Marking): boolean {
  return asked || mark.installed !== undefined || mark.target === undefined || mark.automatic
}

/** Whether a list of steps went well; `did` says whether to go on after one. */
class Work {
  failed = false
  readonly #giveUp: boolean

  constructor(giveUp: boolean) {
    this.#giveUp = giveUp
  }

  did(well: boolean): boolean {
    if (!well) this.failed = true
    return well || !this.#giveUp
  }
}
