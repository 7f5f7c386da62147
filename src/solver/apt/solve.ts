import type { PackageRecord } from '../../deb/package-record.ts'
import { formatRelation } from '../../deb/relation.ts'
import type { Reason } from '../explain.ts'
import { orderByNeeds } from '../order.ts'
import {
  isNegative,
  matches,
  openCache,
  type Cache,
  type DependencyGroup,
  type Package,
  type Version,
} from './cache.ts'
import { installSteps } from './install-order.ts'
import type { Marks } from './marks.ts'
import { parseRequest } from './request.ts'
import { solveStage } from './stage.ts'
import type { IndexSource, Universe } from './universe.ts'
import type { Transaction } from './unpack-list.ts'
import { planStages, type StageName, type Variant } from './variants.ts'

/** What a root filesystem is to hold. */
export interface SolveRequest {
  readonly variant: Variant
  /** `pkg`, `pkg=version`, `pkg/suite`, `pkg:arch`, and `pkg-` to leave one out of every stage */
  readonly include: readonly string[]
  /** also what packages recommend; default no */
  readonly recommends?: boolean | undefined
  /** the suite whose essential flags and priorities make the variant; default that of the first index */
  readonly suite?: string | undefined
}

/** A package that goes in. */
export interface SelectedPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly record: PackageRecord
  /** every index that offers it, in source order */
  readonly sources: readonly IndexSource[]
  /** why; the one that brought it in first */
  readonly reasons: readonly Reason[]
  /** for apt's extended_states: nobody asked for it, and no bootstrap needed it */
  readonly automatic: boolean
  readonly stage: StageName
  /** what is configured before it is unpacked, in order: it cannot be unpacked without */
  readonly configureFirst: readonly string[]
}

export interface Solution {
  /**
   * in the order they are unpacked: the essential stage, each after what it depends on wherever that is
   * possible, then the others in apt's order
   */
  readonly packages: readonly SelectedPackage[]
  /** the same in the steps of a bootstrap: `essential` is there before the others are chosen */
  readonly stages: readonly {
    readonly name: StageName
    readonly packages: readonly SelectedPackage[]
  }[]
}

/**
 * Chooses the packages of a root filesystem exactly as mmdebstrap with apt does: the essential set by
 * itself, then on top of it what the variant and the request add. Throws `PACKAGE_NOT_FOUND`,
 * `VERSION_NOT_FOUND`, `UNSATISFIABLE` and `INDEX_INVALID`.
 */
export function solve(universe: Universe, request: SolveRequest): Solution {
  // apt counts itself essential where nobody tells it not to, as mmdebstrap does for most variants
  const forced = request.variant === 'apt' || request.variant === 'custom' ? ['apt'] : []
  const cache = openCache(universe, forced)
  const include = request.include.flatMap((text) => parseRequest(cache, text) ?? [])
  const stages: { name: StageName; packages: readonly SelectedPackage[] }[] = []
  let installed: ReadonlyMap<Package, Version> = new Map()
  for (const plan of planStages(cache, { ...request, include })) {
    const marks = solveStage(cache, {
      installed,
      asked: plan.wanted.map((one) => one.asked),
      marked: plan.marked.map((one) => one.asked),
      recommends: request.recommends ?? false,
    })
    const now = chosen(marks)
    const reasons = new Map<Package, Reason[]>()
    for (const { asked, reason } of [...plan.wanted, ...plan.marked]) {
      const pkg = asked.version.package
      reasons.set(pkg, [...(reasons.get(pkg) ?? []), reason])
    }
    const fresh = [...now.values()].filter((version) => installed.get(version.package) !== version)
    const selected = select(cache, marks, fresh, now, reasons, plan.name)
    // a later stage may replace or remove what an earlier one took
    const kept = new Set([...now.values()].map((version) => version.record))
    for (const stage of stages) {
      stage.packages = stage.packages.filter((one) => kept.has(one.record))
    }
    const packages =
      plan.name === 'rest' ? inSteps(cache, { installed, fresh }, selected) : order(selected)
    stages.push({ name: plan.name, packages })
    installed = now
  }
  return { packages: stages.flatMap((stage) => stage.packages), stages }
}

function chosen(marks: Marks): ReadonlyMap<Package, Version> {
  const found = new Map<Package, Version>()
  for (const pkg of new Set([...marks.inPlace(), ...marks.touched()])) {
    const { target } = marks.mark(pkg)
    if (target !== undefined) found.set(pkg, target)
  }
  return found
}

function select(
  cache: Cache,
  marks: Marks,
  fresh: readonly Version[],
  all: ReadonlyMap<Package, Version>,
  direct: ReadonlyMap<Package, readonly Reason[]>,
  stage: StageName,
): readonly SelectedPackage[] {
  const dependents = reverse(cache, all)
  return fresh.map((version) => {
    const pkg = version.package
    const mark = marks.mark(pkg)
    const groups = [
      ...new Set([
        ...(mark.cause === undefined ? [] : [mark.cause]),
        ...(dependents.get(pkg) ?? []),
      ]),
    ]
    const asked = direct.get(pkg) ?? []
    return {
      name: pkg.name,
      version: version.text,
      architecture: version.record.architecture,
      record: version.record,
      sources: version.sources,
      reasons: [...asked, ...groups.map((group) => dependencyReason(group))],
      automatic: stage === 'rest' && mark.automatic,
      stage,
      configureFirst: [],
    }
  })
}

function inSteps(
  cache: Cache,
  transaction: Transaction,
  packages: readonly SelectedPackage[],
): readonly SelectedPackage[] {
  const byRecord = new Map(packages.map((one) => [one.record, one]))
  return installSteps(cache, transaction).map(({ version, configureFirst }) => ({
    ...byRecord.get(version.record)!,
    configureFirst: configureFirst.map(qualifiedName),
  }))
}

/** As dpkg's command line takes it. */
function qualifiedName({ package: pkg, record }: Version): string {
  return record.architecture === 'all' ? pkg.name : `${pkg.name}:${record.architecture}`
}

function dependencyReason(group: DependencyGroup): Reason {
  const relations = group.members.flatMap((member) =>
    member.relation === undefined ? [] : [formatRelation(member.relation)],
  )
  return {
    kind: 'dependency',
    of: group.parent.package.name,
    field: group.field,
    relation: relations.join(' | '),
  }
}

/** Which dependencies each chosen package meets. */
function reverse(
  cache: Cache,
  all: ReadonlyMap<Package, Version>,
): ReadonlyMap<Package, readonly DependencyGroup[]> {
  const found = new Map<Package, DependencyGroup[]>()
  const add = (pkg: Package, group: DependencyGroup): void => {
    const groups = found.get(pkg)
    if (groups === undefined) found.set(pkg, [group])
    else if (groups.at(-1) !== group) groups.push(group)
  }
  for (const version of all.values()) {
    for (const group of cache.dependencies(version)) {
      if (isNegative(group.field)) continue
      for (const member of group.members) {
        const own = all.get(member.target)
        if (own !== undefined && matches(member, own.text)) add(member.target, group)
        for (const { owner, version: provided } of cache.providers(member.target)) {
          if (all.get(owner.package) === owner && matches(member, provided))
            add(owner.package, group)
        }
      }
    }
  }
  return found
}

function order(packages: readonly SelectedPackage[]): readonly SelectedPackage[] {
  const key = (one: SelectedPackage): string => `${one.name}:${one.architecture}`
  const needs = new Map(
    packages.map((one) => [key(one), { before: [] as string[], strictly: [] as string[] }]),
  )
  const keysOf = new Map<string, string[]>()
  for (const one of packages) keysOf.set(one.name, [...(keysOf.get(one.name) ?? []), key(one)])
  for (const one of packages) {
    for (const reason of one.reasons) {
      if (reason.kind !== 'dependency' || reason.field === 'Recommends') continue
      for (const dependent of keysOf.get(reason.of) ?? []) {
        const list = reason.field === 'Pre-Depends' ? 'strictly' : 'before'
        needs.get(dependent)?.[list].push(key(one))
      }
    }
  }
  const items = packages.map((one) => ({
    name: key(one),
    one,
    ...(needs.get(key(one)) ?? { before: [], strictly: [] }),
  }))
  return orderByNeeds(items).map((item) => item.one)
}
