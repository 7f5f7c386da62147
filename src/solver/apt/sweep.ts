import { compareVersions } from '../../deb/version.ts'
import {
  isNegative,
  matches,
  suggestions,
  type Dependency,
  type Package,
  type Version,
} from './cache.ts'
import type { Mark, Marks } from './marks.ts'

/**
 * Drops what nobody needs after all: packages that were taken for the sake of another one which was given up
 * later. Needed is what was asked for, what cannot be removed, and whatever these lead to, recommendations and
 * suggestions among it: what is going to be there and is suggested stays (apt's MarkAndSweep).
 */
export function sweep(marks: Marks): void {
  const needed = new Set<Package>()
  /** names all of whose providers are needed */
  const explored = new Set<Package>()
  const present = [...new Set([...marks.inPlace(), ...marks.touched()])].filter(
    (pkg) => marks.mark(pkg).target !== undefined,
  )
  const pending = present.filter((pkg) => isRoot(pkg, marks.mark(pkg)))
  for (let pkg = pending.pop(); pkg !== undefined; pkg = pending.pop()) {
    if (needed.has(pkg)) continue
    needed.add(pkg)
    for (const dependency of asksFor(marks, marks.mark(pkg).target!)) {
      if (explored.has(dependency.target)) continue
      const { solutions, complete } = solutionsOf(marks, dependency)
      if (complete) explored.add(dependency.target)
      for (const solution of solutions) pending.push(solution.package)
    }
  }
  for (const pkg of present) {
    if (needed.has(pkg) || marks.mark(pkg).installed !== undefined) continue
    marks.change(pkg, { mode: 'keep', target: undefined })
  }
}

function isRoot(pkg: Package, mark: Mark): boolean {
  return !mark.automatic || mark.fixed || pkg.essential || pkg.protected
}

function asksFor({ cache }: Marks, version: Version): readonly Dependency[] {
  const groups = cache.dependencies(version).filter(({ field }) => !isNegative(field))
  return [...groups.flatMap(({ members }) => members), ...suggestions(cache, version)]
}

/** What is there and meets a dependency; `complete` when nothing of that name is there that does not. */
function solutionsOf(
  marks: Marks,
  dependency: Dependency,
): { readonly solutions: readonly Version[]; readonly complete: boolean } {
  const { target } = dependency
  const own = marks.mark(target).target
  const there = [
    ...(own === undefined ? [] : [{ owner: own, version: own.text }]),
    ...marks.cache
      .providers(target)
      .filter(({ owner }) => marks.mark(owner.package).target === owner),
  ]
  const good = there.filter(({ version }) => matches(dependency, version)).map(({ owner }) => owner)
  return { solutions: newestBySource(good), complete: good.length === there.length }
}

/** Of several versions of one source package's work only the newest counts. */
function newestBySource(versions: readonly Version[]): readonly Version[] {
  return versions.filter(({ record: { source } }) =>
    versions.every(
      ({ record: other }) =>
        other.source.name !== source.name ||
        compareVersions(other.source.version, source.version) <= 0,
    ),
  )
}
