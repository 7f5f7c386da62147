import { isNegative, type Cache, type Package, type Version } from './cache.ts'
import { firstSolution, type RankOrder } from './alternatives.ts'
import { createMarker } from './install.ts'
import { openMarks, type Marks } from './marks.ts'
import { mentionOrder } from './mention.ts'
import { refuse } from './refuse.ts'
import { switchReleases, setCandidate } from './release.ts'
import { candidateOf, type Asked } from './request.ts'
import { resolveProblems } from './resolve.ts'
import { sweep } from './sweep.ts'

/**
 * One run of what `apt-get install` decides: from what is in place and what is asked for to the
 * versions that are to be there. Throws `UNSATISFIABLE`.
 */
export function solveStage(
  cache: Cache,
  stage: {
    readonly installed: ReadonlyMap<Package, Version>
    /** in the order of the request */
    readonly asked: readonly Asked[]
    /** asked for by a property, all at once */
    readonly marked: readonly Asked[]
    readonly recommends: boolean
  },
): Marks {
  const order = mentionOrder(cache.universe)
  if (stage.marked.length > 1) {
    // to know apt's order means to search the indexes; mostly the result does not depend on it
    const run = solveInOrder(cache, { ...stage, asked: [...stage.asked, ...stage.marked] }, order)
    if (run.solved && anyOrderWillDo(run.marks, stage.installed, order)) return run.marks
  }
  const sorted = stage.marked.toSorted((a, b) => order(a.version.package, b.version.package))
  const asked = [...stage.asked, ...sorted]
  const { marks, solved } = solveInOrder(cache, { ...stage, asked }, order)
  if (!solved) throw refuse(marks, stage.asked, stage.marked)
  return marks
}

/**
 * Whether the choices would be the same in any order: none failed, and each dependency got what it
 * prefers most. Then the first choice to differ in another order would have to be for something that is
 * preferred and yet not chosen, and there is none.
 */
function anyOrderWillDo(
  marks: Marks,
  installed: ReadonlyMap<Package, Version>,
  order: RankOrder,
): boolean {
  if (marks.disturbed) return false
  for (const pkg of marks.touched()) {
    const { target } = marks.mark(pkg)
    if (target === undefined) continue
    for (const group of marks.cache.dependencies(target)) {
      if (isNegative(group.field) || !marks.important(group)) continue
      const first = firstSolution(marks, order, group, (one) =>
        candidateFor(one, installed.get(one)),
      )
      if (first !== undefined && marks.mark(first.package).target !== first) return false
    }
  }
  return true
}

function solveInOrder(
  cache: Cache,
  stage: {
    readonly installed: ReadonlyMap<Package, Version>
    readonly asked: readonly Asked[]
    readonly recommends: boolean
  },
  order: RankOrder,
): { readonly marks: Marks; readonly solved: boolean } {
  const marks = openMarks(cache, {
    recommends: stage.recommends,
    installed: stage.installed,
    candidate: (pkg) => candidateFor(pkg, stage.installed.get(pkg)),
  })
  const marker = createMarker(marks, order)
  const asked = new Set(stage.asked.map((one) => one.version.package))

  for (const { version } of stage.asked.filter((one) => one.remove)) {
    const mark = marks.mark(version.package)
    mark.fixed = true
    if (mark.installed === undefined) mark.held = true
    else marker.remove(version.package, { asked: true })
  }
  const install = stage.asked.filter((one) => !one.remove).map((one) => one.version)
  for (const version of install) {
    setCandidate(marks, version)
    marks.mark(version.package).fixed = true
    marker.install(version.package, false, { asked: true })
  }
  switchReleases(marks, stage.asked)
  for (const version of install) marker.install(version.package, true, { asked: true })

  const solved = resolveProblems(marks, marker, asked)
  // where no choice failed everything is there for somebody
  if (solved && marks.disturbed) sweep(marks)
  return { marks, solved }
}

/** What is in place is only left for something higher, unless a source insists (apt_preferences(5)). */
function candidateFor(pkg: Package, installed: Version | undefined): Version | undefined {
  const candidate = candidateOf(pkg)
  if (installed === undefined || candidate === undefined || candidate.pin >= 1000) return candidate
  return pkg.versions.indexOf(candidate) < pkg.versions.indexOf(installed) ? candidate : installed
}
