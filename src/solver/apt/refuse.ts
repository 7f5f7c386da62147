import { formatRelation } from '../../deb/relation.ts'
import { PlinthError } from '../../errors.ts'
import { explainUnmet, type Rejected, type Unmet } from '../explain.ts'
import {
  ignoresPackage,
  ignoresProvision,
  isCritical,
  isNegative,
  matches,
  type Dependency,
  type DependencyGroup,
  type Package,
  type Version,
} from './cache.ts'
import type { Marks } from './marks.ts'
import type { Asked } from './request.ts'

const deepest = 4

/** Explains what is broken: `UNSATISFIABLE` with every requirement that is not met. */
export function refuse(marks: Marks, asked: readonly Asked[]): PlinthError {
  const unmet: Unmet[] = []
  for (const pkg of new Set([...marks.inPlace(), ...marks.touched()])) {
    const { target } = marks.mark(pkg)
    if (target === undefined) continue
    for (const group of marks.cache.dependencies(target)) {
      if (isCritical(group.field) && !marks.metGroup(group, 'target'))
        unmet.push(describe(marks, group))
    }
  }
  const names = asked.filter((one) => !one.remove).map((one) => one.text)
  const shown =
    names.length > 8
      ? `${names.slice(0, 8).join(' ')} and ${names.length - 8} more`
      : names.join(' ')
  return new PlinthError('UNSATISFIABLE', `cannot install ${shown}:\n${explainUnmet(unmet)}`, {
    hint: 'leave out one of the packages that are at odds, or take a version or suite that has what is missing',
    facts: { asked: asked.map((one) => one.text), unmet },
  })
}

function describe(marks: Marks, group: DependencyGroup): Unmet {
  return {
    chain: chainTo(marks, group.parent),
    field: group.field,
    relation: relationOf(group),
    rejected: isNegative(group.field) ? standing(marks, group) : rejections(marks, group, 0),
  }
}

function relationOf(group: DependencyGroup): string {
  return group.members
    .map((member) =>
      member.relation === undefined
        ? `other architectures of ${member.target.name}`
        : formatRelation(member.relation),
    )
    .join(' | ')
}

function label(version: Version): string {
  return `${version.package.name} ${version.text}`
}

/** Who needed it, from what was asked for. */
function chainTo(marks: Marks, version: Version): readonly string[] {
  const chain = [label(version)]
  const seen = new Set([version.package])
  let cause = marks.mark(version.package).cause
  while (cause !== undefined && !seen.has(cause.parent.package)) {
    chain.unshift(label(cause.parent))
    seen.add(cause.parent.package)
    cause = marks.mark(cause.parent.package).cause
  }
  return chain
}

/** What a negative dependency forbids and is there all the same. */
function standing(marks: Marks, group: DependencyGroup): readonly Rejected[] {
  return group.members.flatMap((member) =>
    targetsOf(marks, member)
      .filter((version) => marks.mark(version.package).target === version)
      .map((version) => ({ candidate: label(version), why: because(marks, version) })),
  )
}

function because(marks: Marks, version: Version): string {
  const chain = chainTo(marks, version).slice(0, -1)
  if (chain.length > 0) return `needed by ${chain.toReversed().join(', for ')}`
  return marks.mark(version.package).installed === version
    ? 'part of the essential set'
    : 'asked for'
}

/** Why nothing that could meet a dependency does. */
function rejections(marks: Marks, group: DependencyGroup, depth: number): readonly Rejected[] {
  const found: Rejected[] = []
  for (const member of group.members) {
    const possible = targetsOf(marks, member)
    for (const version of possible)
      found.push({ candidate: label(version), why: whyNot(marks, version, depth) })
    if (possible.length > 0) continue
    for (const version of member.target.versions) {
      found.push({
        candidate: label(version),
        why: `is not ${member.operator ?? ''} ${member.version ?? ''}`,
      })
    }
  }
  return found
}

function whyNot(marks: Marks, version: Version, depth: number): string {
  const mark = marks.mark(version.package)
  if (mark.held) return 'left out by request'
  if (mark.target !== undefined && mark.target !== version)
    return `${mark.target.text} is chosen: ${because(marks, mark.target)}`
  const enemy = opponent(marks, version)
  if (enemy !== undefined) return enemy
  if (version.pin <= 0) return 'its source is never used by itself'
  for (const group of marks.cache.dependencies(version)) {
    if (!isCritical(group.field) || isNegative(group.field) || marks.metGroup(group, 'target'))
      continue
    const inner = depth < deepest ? rejections(marks, group, depth + 1) : []
    if (inner.length === 0 && group.members.some((member) => targetsOf(marks, member).length > 0))
      continue
    const [first] = inner
    if (inner.every((one) => one.why === notTaken)) continue
    return first === undefined
      ? `needs ${relationOf(group)}, which no source has`
      : `needs ${relationOf(group)}, but ${first.candidate}: ${first.why}`
  }
  return notTaken
}

const notTaken = 'cannot be taken together with the rest'

/** A chosen package that forbids a version, or that it forbids. */
function opponent(marks: Marks, version: Version): string | undefined {
  for (const pkg of new Set([...marks.inPlace(), ...marks.touched()])) {
    const { target } = marks.mark(pkg)
    if (target === undefined || pkg === version.package) continue
    if (forbids(marks, target, version))
      return `${label(target)} (${because(marks, target)}) forbids it`
    if (forbids(marks, version, target))
      return `forbids ${label(target)} (${because(marks, target)})`
  }
  return undefined
}

function forbids(marks: Marks, version: Version, other: Version): boolean {
  return marks.cache
    .dependencies(version)
    .some(
      (group) =>
        isNegative(group.field) &&
        group.members.some((member) => targetsOf(marks, member).includes(other)),
    )
}

/** Versions that match a dependency, its own name's first. */
function targetsOf(marks: Marks, member: Dependency): readonly Version[] {
  const own = (pkg: Package): readonly Version[] =>
    ignoresPackage(member, pkg)
      ? []
      : pkg.versions.filter((version) => matches(member, version.text))
  const provided = marks.cache
    .providers(member.target)
    .filter(
      (provision) => !ignoresProvision(member, provision) && matches(member, provision.version),
    )
    .map((provision) => provision.owner)
  return [...new Set([...own(member.target), ...provided])]
}
