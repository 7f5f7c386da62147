import { formatRelation } from '../../deb/relation.ts'
import { PlinthError } from '../../errors.ts'
import { explainUnmet, type Rejected, type Unmet } from '../explain.ts'
import {
  isCritical,
  isNegative,
  targetsOf,
  type Cache,
  type DependencyGroup,
  type Package,
  type Version,
} from './cache.ts'
import type { Marks } from './marks.ts'
import { candidateOf, type Asked } from './request.ts'

/** how far down an explanation follows what is missing */
const deepest = 4
/** how many candidates of one requirement it lists */
const mostShown = 12

/**
 * Explains what is broken: `UNSATISFIABLE` with every requirement that is not met. `asked` is what a
 * person asked for, `marked` what the variant adds.
 */
export function refuse(
  marks: Marks,
  asked: readonly Asked[],
  marked: readonly Asked[],
): PlinthError {
  const byVariant = new Set(marked.map((one) => one.version.package))
  for (const one of asked) byVariant.delete(one.version.package)
  const unmet: Unmet[] = []
  for (const pkg of new Set([...marks.inPlace(), ...marks.touched()])) {
    const { target } = marks.mark(pkg)
    if (target === undefined) continue
    for (const group of marks.cache.dependencies(target)) {
      if (isCritical(group.field) && !marks.metGroup(group, 'target')) {
        unmet.push(describe({ marks, byVariant }, group))
      }
    }
  }
  const names = asked.filter((one) => !one.remove).map((one) => one.text)
  const more = names.length > 8 ? ` and ${names.length - 8} more` : ''
  const what = names.length === 0 ? 'the packages of the variant' : names.slice(0, 8).join(' ')
  return new PlinthError(
    'UNSATISFIABLE',
    `cannot install ${what}${more}:\n${explainUnmet(unmet)}`,
    {
      hint: 'leave out one of the packages that are at odds, or take a version or suite that has what is missing',
      facts: { asked: asked.map((one) => one.text), unmet },
    },
  )
}

/** What an explanation looks at. */
interface Scene {
  readonly marks: Marks
  /** nobody asked for these: they are in the variant */
  readonly byVariant: ReadonlySet<Package>
}

function describe(scene: Scene, group: DependencyGroup): Unmet {
  return {
    chain: chainTo(scene.marks, group.parent),
    field: group.field,
    relation: relationOf(group),
    rejected: isNegative(group.field) ? standing(scene, group) : rejections(scene, group, 0),
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
function standing(scene: Scene, group: DependencyGroup): readonly Rejected[] {
  const { marks } = scene
  return group.members.flatMap((member) =>
    targetsOf(marks.cache, member)
      .filter((version) => marks.mark(version.package).target === version)
      .map((version) => ({ candidate: label(version), why: because(scene, version) })),
  )
}

/** Why a package is chosen. */
function because({ marks, byVariant }: Scene, version: Version): string {
  const chain = chainTo(marks, version).slice(0, -1)
  if (chain.length > 0) return `needed by ${chain.toReversed().join(', for ')}`
  if (byVariant.has(version.package)) return 'part of the variant'
  return marks.mark(version.package).installed === version
    ? 'part of the essential set'
    : 'asked for'
}

/** Why nothing that could meet a dependency does. */
function rejections(scene: Scene, group: DependencyGroup, depth: number): readonly Rejected[] {
  const found: Rejected[] = []
  for (const member of group.members) {
    const possible = targetsOf(scene.marks.cache, member).slice(0, depth === 0 ? mostShown : 1)
    for (const version of possible) {
      found.push({ candidate: label(version), why: whyNot(scene, version, depth) })
    }
    if (possible.length > 0) continue
    for (const version of member.target.versions) {
      const wanted = `${member.operator ?? ''} ${member.version ?? ''}`.trim()
      found.push({ candidate: label(version), why: `is not ${wanted}` })
    }
  }
  return found
}

const notTaken = 'cannot be taken together with the rest'

function whyNot(scene: Scene, version: Version, depth: number): string {
  const { marks } = scene
  const mark = marks.mark(version.package)
  if (mark.held) return 'left out by request'
  if (mark.target !== undefined && mark.target !== version) {
    return `${mark.target.text} is chosen: ${because(scene, mark.target)}`
  }
  const enemy = opponent(scene, version)
  if (enemy !== undefined) return enemy
  if (candidateOf(version.package) !== version) {
    return 'its source does not offer it by itself: name its version or suite'
  }
  for (const group of marks.cache.dependencies(version)) {
    if (depth >= deepest || !isCritical(group.field) || isNegative(group.field)) continue
    if (marks.metGroup(group, 'target')) continue
    const inner = rejections(scene, group, depth + 1)
    const telling = inner.find((one) => one.why !== notTaken)
    if (inner.length === 0) return `needs ${relationOf(group)}, which no source has`
    if (telling !== undefined) {
      return `needs ${relationOf(group)}, but ${telling.candidate}: ${telling.why}`
    }
  }
  return notTaken
}

/** A chosen package that forbids a version, or that it forbids. */
function opponent(scene: Scene, version: Version): string | undefined {
  const { marks } = scene
  for (const pkg of new Set([...marks.inPlace(), ...marks.touched()])) {
    const { target } = marks.mark(pkg)
    if (target === undefined || pkg === version.package) continue
    if (forbids(marks.cache, target, version)) {
      return `${label(target)} (${because(scene, target)}) forbids it`
    }
    if (forbids(marks.cache, version, target)) {
      return `forbids ${label(target)} (${because(scene, target)})`
    }
  }
  return undefined
}

function forbids(cache: Cache, version: Version, other: Version): boolean {
  return cache
    .dependencies(version)
    .some(
      (group) =>
        isNegative(group.field) &&
        group.members.some((member) => targetsOf(cache, member).includes(other)),
    )
}
