import {
  ignoresPackage,
  ignoresProvision,
  isNegative,
  matches,
  type DependencyField,
  type Package,
} from './cache.ts'
import { hashOrder } from './hash-order.ts'
import type { Marks } from './marks.ts'
import type { Priority } from '../../deb/package-record.ts'

const priorityScores: Readonly<Record<Priority, number>> = {
  required: 3,
  important: 2,
  standard: 1,
  optional: -1,
  extra: -2,
}

function fieldScore(field: DependencyField): number {
  return isNegative(field) ? -1 : 1
}

/**
 * How much a package matters when something has to give, as apt scores it: essential and wanted by
 * priority, wanted by others, by important others, and above all what was asked for.
 */
export function scorePackages(
  marks: Marks,
  packages: readonly Package[],
  asked: ReadonlySet<Package>,
): Map<Package, number> {
  const { cache } = marks
  const scores = new Map<Package, number>()
  const add = (pkg: Package, points: number): void => {
    scores.set(pkg, (scores.get(pkg) ?? 0) + points)
  }
  const chosen = packages.flatMap((pkg) => {
    const { target } = marks.mark(pkg)
    return target === undefined ? [] : [{ pkg, target }]
  })

  for (const { pkg, target } of chosen) {
    add(pkg, (pkg.essential || pkg.protected ? 100 : 0) + priorityScores[target.record.priority])
    const mark = marks.mark(pkg)
    if (mark.installed !== undefined && mark.candidate !== undefined) add(pkg, 1)
    for (const { members } of cache.dependencies(target)) {
      for (const member of members) {
        if (!ignoresPackage(member, member.target)) {
          const theirs = marks.mark(member.target).target
          // a versioned relation to what is not there, or not so, speaks for nobody
          if (
            member.version !== undefined &&
            (theirs === undefined || !matches(member, theirs.text))
          )
            continue
          add(member.target, fieldScore(member.field))
        }
        const providers = new Set<Package>()
        for (const provision of cache.providers(member.target)) {
          const owner = provision.owner.package
          if (ignoresProvision(member, provision) || marks.mark(owner).target !== provision.owner)
            continue
          if (matches(member, provision.version)) providers.add(owner)
        }
        for (const owner of providers) add(owner, fieldScore(member.field))
      }
    }
  }

  // one level of inheritance: whoever is depended upon gets the score of whoever depends
  const before = new Map(scores)
  for (const { pkg, target } of chosen) {
    const points = before.get(pkg) ?? 0
    if (points <= 0) continue
    for (const { field, members } of cache.dependencies(target)) {
      if (isNegative(field)) continue
      for (const { target: wanted } of members) {
        if (marks.mark(wanted).target !== undefined) add(wanted, points)
      }
    }
  }
  // and whoever provides what gained that way
  for (const pkg of [...scores.keys()].toSorted(hashOrder(cache.universe))) {
    const gained = Math.abs((scores.get(pkg) ?? 0) - (before.get(pkg) ?? 0))
    if (gained === 0) continue
    const providers = new Set<Package>()
    for (const { owner, implicit } of cache.providers(pkg)) {
      if (!implicit && marks.mark(owner.package).target === owner) providers.add(owner.package)
    }
    for (const owner of providers) add(owner, gained)
  }
  for (const pkg of asked) add(pkg, 10_000)
  for (const pkg of new Set([...packages, ...scores.keys()]))
    if (pkg.essential || pkg.protected) add(pkg, 5000)
  return scores
}
