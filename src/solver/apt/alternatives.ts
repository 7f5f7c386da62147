import {
  ignoresPackage,
  ignoresProvision,
  isNegative,
  matches,
  type Dependency,
  type DependencyGroup,
  type Package,
  type Version,
} from './cache.ts'
import type { Marks } from './marks.ts'
import { priorities } from '../../deb/package-record.ts'

/** Orders packages by where the indexes first speak of them: negative when `a` comes first. */
export type RankOrder = (a: Package, b: Package) => number

/**
 * The candidates that meet a group, best first: those whose package is already in place, then
 * alternative by alternative as written; within one, real packages and providers by `preferred`.
 */
export function candidateSolutions(
  marks: Marks,
  order: RankOrder,
  group: DependencyGroup,
): readonly Version[] {
  const view = (pkg: Package): Version | undefined => marks.mark(pkg).candidate
  return sorted(marks, order, group, standing(marks), (member) =>
    // what was known to have no candidate is not looked at again, even if that has changed
    marks.met(member, 'candidate') === isNegative(member.field)
      ? []
      : solutions(marks, member, view),
  )
}

/**
 * What would come first for a group were nothing decided yet but what is in place and what is left
 * out: the choice that does not depend on what happened to be chosen before.
 */
export function firstSolution(
  marks: Marks,
  order: RankOrder,
  group: DependencyGroup,
  candidate: (pkg: Package) => Version | undefined,
): Version | undefined {
  const undecided: Standing = {
    installed: (pkg) => marks.mark(pkg).installed,
    fixed: () => false,
    barred: (pkg) => marks.mark(pkg).held,
  }
  const members = group.members.map((member) => solutions(marks, member, candidate))
  // one candidate needs no order, and to find the order can mean to search the indexes
  const [only, ...others] = new Set(members.flat())
  if (others.length === 0) return only
  return sorted(marks, order, group, undecided, (member) => solutions(marks, member, candidate))[0]
}

/** The versions in place that meet a group, in the same order. */
export function installedSolutions(
  marks: Marks,
  order: RankOrder,
  group: DependencyGroup,
): readonly Version[] {
  return sorted(marks, order, group, standing(marks), (member) =>
    solutions(marks, member, (pkg) => marks.mark(pkg).installed),
  )
}

/** Every candidate and installed version that meets a group, in no order. */
export function everySolution(marks: Marks, group: DependencyGroup): readonly Version[] {
  const found = new Set<Version>()
  for (const member of group.members) {
    if (marks.met(member, 'candidate') !== isNegative(member.field)) {
      for (const version of solutions(marks, member, (pkg) => marks.mark(pkg).candidate))
        found.add(version)
    }
    for (const version of solutions(marks, member, (pkg) => marks.mark(pkg).installed))
      found.add(version)
  }
  return [...found].filter((version) => !standing(marks).barred(version.package))
}

function solutions(
  marks: Marks,
  member: Dependency,
  view: (pkg: Package) => Version | undefined,
): readonly Version[] {
  const found: Version[] = []
  const own = view(member.target)
  if (own !== undefined && !ignoresPackage(member, member.target) && matches(member, own.text))
    found.push(own)
  for (const provision of marks.cache.providers(member.target)) {
    if (ignoresProvision(member, provision) || view(provision.owner.package) !== provision.owner)
      continue
    if (matches(member, provision.version)) found.push(provision.owner)
  }
  return found
}

/** What the preference among solutions looks at. */
interface Standing {
  installed(pkg: Package): Version | undefined
  /** decided and not to be changed */
  fixed(pkg: Package): boolean
  /** decided for good not to be there */
  barred(pkg: Package): boolean
}

function standing(marks: Marks): Standing {
  return {
    installed: (pkg) => marks.mark(pkg).installed,
    fixed: (pkg) => marks.mark(pkg).fixed,
    barred(pkg) {
      const { fixed, mode, installed } = marks.mark(pkg)
      return fixed && (mode === 'delete' || (mode === 'keep' && installed === undefined))
    },
  }
}

function sorted(
  marks: Marks,
  order: RankOrder,
  group: DependencyGroup,
  now: Standing,
  of: (member: Dependency) => readonly Version[],
): readonly Version[] {
  const inPlace: Version[] = []
  const fresh: Version[] = []
  for (const member of group.members) {
    const versions = of(member).toSorted((a, b) =>
      preferred(marks, order, now, member.target, a, b),
    )
    for (const version of versions) {
      const list = now.installed(version.package) === undefined ? fresh : inPlace
      list.push(version)
    }
  }
  const all = [...inPlace, ...fresh].filter((version, index, list) => version !== list[index - 1])
  return isNegative(group.field) ? all : all.filter((version) => !now.barred(version.package))
}

/**
 * apt's preference among packages that meet one relation: decided before undecided, in place before
 * not, the real package before others, essential, protected, native, needed by priority. When all
 * is equal the indexes decide: whichever they speak of last.
 */
function preferred(
  marks: Marks,
  order: RankOrder,
  now: Standing,
  target: Package,
  a: Version,
  b: Version,
): number {
  const [left, right] = [a.package, b.package]
  if (left === right) return 0
  const { architecture, foreign } = marks.cache.universe
  const distance = (pkg: Package): number =>
    pkg.architecture === architecture ? -1 : foreign.indexOf(pkg.architecture)
  return (
    yes(now.fixed(left), now.fixed(right)) ||
    yes(sameElsewhere(marks, now, a), sameElsewhere(marks, now, b)) ||
    yes(now.installed(left) !== undefined, now.installed(right) !== undefined) ||
    yes(left.name === target.name, right.name === target.name) ||
    yes(left.essential, right.essential) ||
    yes(left.protected, right.protected) ||
    distance(left) - distance(right) ||
    priorities.indexOf(a.record.priority) - priorities.indexOf(b.record.priority) ||
    order(right, left)
  )
}

/** Puts what holds before what does not. */
function yes(first: boolean, second: boolean): number {
  return Number(second) - Number(first)
}

/** Whether another architecture of a co-installable package is in place. */
function sameElsewhere(marks: Marks, now: Standing, version: Version): boolean {
  return (
    version.multiArch === 'same' &&
    marks.cache.siblings(version.package).some((sibling) => now.installed(sibling) !== undefined)
  )
}
