import type { Cache, Package, Version } from './cache.ts'
import type { RankOrder } from './alternatives.ts'
import { createMarker } from './install.ts'
import { openMarks, type Marks } from './marks.ts'
import { mentionOrder } from './mention.ts'
import { refuse } from './refuse.ts'
import { switchReleases, setCandidate } from './release.ts'
import { candidateOf, type Asked } from './request.ts'
import { resolveProblems } from './resolve.ts'

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
  // apt takes what a property selects in the order of its own numbers
  const sorted = stage.marked.toSorted((a, b) => order(a.version.package, b.version.package))
  return solveInOrder(cache, { ...stage, asked: [...stage.asked, ...sorted] }, order)
}

function solveInOrder(
  cache: Cache,
  stage: {
    readonly installed: ReadonlyMap<Package, Version>
    readonly asked: readonly Asked[]
    readonly recommends: boolean
  },
  order: RankOrder,
): Marks {
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

  if (!resolveProblems(marks, marker, asked)) throw refuse(marks, stage.asked)
  return marks
}

/** What is in place is only left for something higher, unless a source insists (apt_preferences(5)). */
function candidateFor(pkg: Package, installed: Version | undefined): Version | undefined {
  const candidate = candidateOf(pkg)
  if (installed === undefined || candidate === undefined || candidate.pin >= 1000) return candidate
  return pkg.versions.indexOf(candidate) < pkg.versions.indexOf(installed) ? candidate : installed
}
