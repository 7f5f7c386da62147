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
  return sorted(marks, order, group, (member) =>
    // what was known to have no candidate is not looked at again, even if that has changed
    marks.met(member, 'candidate') === isNegative(member.field)
      ? []
      : solutions(marks, member, view),
  )
}

/** The versions in place that meet a group, in the same order. */
export function installedSolutions(
  marks: Marks,
  order: RankOrder,
  group: DependencyGroup,
): readonly Version[] {
  return sorted(marks, order, group, (member) =>
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
  return [...found].filter((version) => possible(marks, version.package))
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

function sorted(
  marks: Marks,
  order: RankOrder,
  group: DependencyGroup,
  of: (member: Dependency) => readonly Version[],
): readonly Version[] {
  const inPlace: Version[] = []
  const fresh: Version[] = []
  for (const member of group.members) {
    for (const version of of(member).toSorted((a, b) =>
      preferred(marks, order, member.target, a, b),
    )) {
      ;(marks.mark(version.package).installed === undefined ? fresh : inPlace).push(version)
    }
  }
  const all = [...inPlace, ...fresh].filter((version, index, list) => version !== list[index - 1])
  return isNegative(group.field) ? all : all.filter((version) => possible(marks, version.package))
}

/** Whether it was not decided for good that a package is not to be there. */
function possible(marks: Marks, pkg: Package): boolean {
  const { fixed, mode, installed } = marks.mark(pkg)
  return !(fixed && (mode === 'delete' || (mode === 'keep' && installed === undefined)))
}

/**
 * apt's preference among packages that meet one relation: decided before undecided, in place before
 * not, the real package before others, essential, protected, native, needed by priority. When all
 * is equal the indexes decide: whichever they speak of last.
 */
function preferred(
  marks: Marks,
  order: RankOrder,
  target: Package,
  a: Version,
  b: Version,
): number {
  const yes = (first: boolean, second: boolean): number => Number(second) - Number(first)
  const [left, right] = [a.package, b.package]
  if (left === right) return 0
  const { architecture, foreign } = marks.cache.universe
  const distance = (pkg: Package): number =>
    pkg.architecture === architecture ? -1 : foreign.indexOf(pkg.architecture)
  return (
    yes(marks.mark(left).fixed, marks.mark(right).fixed) ||
    yes(sameElsewhere(marks, a), sameElsewhere(marks, b)) ||
    yes(marks.mark(left).installed !== undefined, marks.mark(right).installed !== undefined) ||
    yes(left.name === target.name, right.name === target.name) ||
    yes(left.essential, right.essential) ||
    yes(left.protected, right.protected) ||
    distance(left) - distance(right) ||
    priorities.indexOf(a.record.priority) - priorities.indexOf(b.record.priority) ||
    order(right, left)
  )
}

/** Whether another architecture of a co-installable package is in place. */
function sameElsewhere(marks: Marks, version: Version): boolean {
  return (
    version.multiArch === 'same' &&
    marks.cache
      .siblings(version.package)
      .some((sibling) => marks.mark(sibling).installed !== undefined)
  )
}
