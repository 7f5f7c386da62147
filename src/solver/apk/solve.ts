import { formatDependency, type Dependency } from '../../apk/dependency.ts'
import type { IndexRecord } from '../../apk/index-record.ts'
import type { Reason } from '../explain.ts'
import { openGraph, untagged, type Graph, type Package } from './graph.ts'
import { orderPackages, type Ordered } from './order.ts'
import { refuse } from './refuse.ts'
import { findWorld, parseWorld } from './request.ts'
import { settleNames } from './settle.ts'
import type { Repository, Universe } from './universe.ts'

/** A package that goes in. */
export interface SelectedPackage {
  readonly record: IndexRecord
  /** that carry it, in the order of the universe */
  readonly repositories: readonly Repository[]
  /** it was taken for being pinned to this: what `s:` of the installed database says */
  readonly tag: string | undefined
  /** why; the one that brought it in first */
  readonly reasons: readonly Reason[]
}

export interface Solution {
  /** in the order apk installs them */
  readonly packages: readonly SelectedPackage[]
  /** what etc/apk/world is to say, in its order */
  readonly world: readonly Dependency[]
}

/**
 * Chooses what goes into an empty root exactly as apk 2.14's `apk add` does. A request is what `apk add`
 * takes: `name`, `name=1.2-r3`, `name~1.2`, `name@tag`, `!name`. Throws `PACKAGE_NOT_FOUND`,
 * `UNSATISFIABLE` and `PARAM_INVALID`.
 */
export function solve(universe: Universe, request: readonly string[]): Solution {
  const graph = openGraph(universe)
  const world = parseWorld(request)
  const needs = findWorld(graph, world)
  const failures = settleNames(graph, needs)
  const ordered = orderPackages(needs)
  if (failures.length + ordered.unmet.length > 0)
    throw refuse({ graph, ...ordered }, failures, request)
  return { packages: ordered.packages.map((pkg) => select(graph, ordered, pkg)), world }
}

function select(graph: Graph, ordered: Ordered, pkg: Package): SelectedPackage {
  const { record, repositories } = pkg
  return { record, repositories, tag: tagOf(graph, pkg), reasons: reasonsOf(ordered, pkg) }
}

function tagOf({ tagBits }: Graph, { tags, state }: Package): string | undefined {
  const usable = tags & state.allowedTags
  if ((usable & untagged) !== 0) return undefined
  return [...tagBits].find(([, bit]) => (usable & bit) !== 0)?.[0]
}

function reasonsOf({ demands, triggered }: Ordered, pkg: Package): readonly Reason[] {
  const reasons = (demands.get(pkg) ?? []).map(({ by, need }): Reason => {
    const relation = formatDependency(need.dependency)
    return by === undefined
      ? { kind: 'asked', request: relation }
      : { kind: 'dependency', of: by.name.text, field: 'depends', relation }
  })
  if (!triggered.has(pkg)) return reasons
  const [first] = pkg.installIf
  const relation = pkg.installIf.map((need) => formatDependency(need.dependency)).join(' ')
  const of = first?.name.state.chosen?.package.name.text ?? ''
  return [{ kind: 'dependency', of, field: 'install_if', relation }, ...reasons]
}
