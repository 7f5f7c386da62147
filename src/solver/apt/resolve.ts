import {
  isCritical,
  isNegative,
  targetsOf,
  type Dependency,
  type DependencyGroup,
  type Package,
  type Version,
} from './cache.ts'
import type { Marker } from './install.ts'
import type { Marks } from './marks.ts'
import { hashOrder } from './hash-order.ts'
import { scorePackages } from './scores.ts'

const mostRounds = 20

/**
 * Repairs what marking left broken, as apt's problem resolver does: the packages that matter most go
 * first; each broken one is fixed by dropping what stands in its way when that matters less, or is
 * itself given up. What was asked for is never given up, so a set that needs that stays broken.
 * Says whether nothing is broken at the end.
 */
export function resolveProblems(
  marks: Marks,
  marker: Marker,
  asked: ReadonlySet<Package>,
): boolean {
  if (marks.brokenCount() === 0) return true
  const scores = scorePackages(marks, present(marks), asked)
  // the order is that of the scores before any repair; a package taken later keeps its place in it
  const initial = new Map(scores)
  const byHash = hashOrder(marks.cache.universe)
  const order = (a: Package, b: Package): number =>
    (initial.get(b) ?? 0) - (initial.get(a) ?? 0) || byHash(a, b)
  const repair = new Repair(marks, marker, scores, asked)
  for (let round = 0, changed = true; changed && round < mostRounds; round++) {
    changed = false
    let pkg = nextBroken(marks, order)
    while (pkg !== undefined) {
      if (repair.fix(pkg, round)) changed = true
      pkg = nextBroken(marks, order, pkg)
    }
  }
  return marks.brokenCount() === 0
}

function present(marks: Marks): readonly Package[] {
  const packages = new Set([...marks.inPlace(), ...marks.touched()])
  return [...packages].filter((pkg) => marks.mark(pkg).target !== undefined)
}

function nextBroken(
  marks: Marks,
  order: (a: Package, b: Package) => number,
  after?: Package,
): Package | undefined {
  let next: Package | undefined
  for (const pkg of present(marks)) {
    if (after !== undefined && order(after, pkg) >= 0) continue
    if ((next === undefined || order(pkg, next) < 0) && marks.broken(pkg)) next = pkg
  }
  return next
}

interface Kill {
  readonly pkg: Package
  readonly by: Dependency
}

class Repair {
  readonly #marks: Marks
  readonly #marker: Marker
  readonly #scores: Map<Package, number>
  readonly #asked: ReadonlySet<Package>
  /** tried once each */
  readonly #upgraded = new Set<Package>()

  constructor(
    marks: Marks,
    marker: Marker,
    scores: Map<Package, number>,
    asked: ReadonlySet<Package>,
  ) {
    this.#marks = marks
    this.#marker = marker
    this.#scores = scores
    this.#asked = asked
  }

  #score(pkg: Package): number {
    return this.#scores.get(pkg) ?? 0
  }

  /** Works through the dependencies of a broken package; says whether anything changed. */
  fix(pkg: Package, round: number): boolean {
    const marks = this.#marks
    const mark = marks.mark(pkg)
    if (mark.target === undefined) return false
    const kills: Kill[] = []
    let changed = false
    for (const group of marks.cache.dependencies(mark.target)) {
      if (!isCritical(group.field)) continue
      const outcome = this.#fixGroup(pkg, group, round, kills)
      changed ||= outcome.changed
      if (outcome.stop) break
    }
    return this.#apply(pkg, kills, round) || changed
  }

  /** One dependency; `stop` leaves the package's other dependencies for the next round. */
  #fixGroup(
    pkg: Package,
    group: DependencyGroup,
    round: number,
    kills: Kill[],
  ): { changed: boolean; stop: boolean } {
    const marks = this.#marks
    const alternatives = group.members.length > 1
    const before = kills.length
    let changed = false
    let giveUp: 'remove' | 'keep' = 'remove'
    let open = false
    for (const member of group.members) {
      open = !marks.metGroup(group, 'target')
      if (!open) continue
      const targets = targetsOf(marks.cache, member)
      const negative = isNegative(group.field)
      if (
        targets.length === 0 &&
        !marks.mark(pkg).fixed &&
        !negative &&
        !this.#brokenInPlace(pkg)
      ) {
        if (alternatives) continue
        this.#marker.keep(pkg)
        return { changed: true, stop: true }
      }
      const outcome = this.#fixMember(pkg, member, targets, round, kills, alternatives)
      changed ||= outcome.changed
      if (outcome.kept) giveUp = 'keep'
      if (!alternatives && outcome.changed && outcome.done) return { changed, stop: true }
    }
    if (alternatives && open && kills.length === before) {
      if (giveUp === 'keep') {
        this.#marker.keep(pkg)
        changed = true
      } else if (!marks.mark(pkg).fixed) {
        this.#marker.remove(pkg)
        changed = true
      }
    }
    return { changed, stop: false }
  }

  #brokenInPlace(pkg: Package): boolean {
    const { installed } = this.#marks.mark(pkg)
    if (installed === undefined) return false
    return this.#marks.cache
      .dependencies(installed)
      .some((group) => isCritical(group.field) && !this.#marks.metGroup(group, 'installed'))
  }

  #fixMember(
    pkg: Package,
    member: Dependency,
    targets: readonly Version[],
    round: number,
    kills: Kill[],
    alternatives: boolean,
  ): { changed: boolean; done: boolean; kept: boolean } {
    const marks = this.#marks
    const mark = marks.mark(pkg)
    const negative = isNegative(member.field)
    let kept = false
    for (const version of targets) {
      const other = version.package
      if (negative && marks.mark(other).target !== version) continue
      const rather =
        this.#score(pkg) <= this.#score(other) || (!negative && !marks.met(member, 'installed'))
      if (!rather) {
        if (member.field === 'Breaks' && marks.met(member, 'candidate')) {
          this.#marker.install(other, false)
          continue
        }
        const theirs = marks.mark(other)
        if (theirs.fixed && theirs.mode !== 'delete') continue
        kills.push({ pkg: other, by: member })
        if (!negative) break
        continue
      }
      if (mark.fixed) {
        if (this.#upgrade(other)) {
          if (this.#score(other) > this.#score(pkg)) this.#scores.set(other, this.#score(pkg))
          break
        }
        continue
      }
      const wasChosen = mark.mode === 'install'
      this.#marker.keep(pkg)
      if (!marks.broken(pkg)) {
        kept = true
        if (alternatives && wasChosen) this.#marker.install(pkg, false)
      } else if (!this.#upgrade(pkg)) {
        if (!alternatives) {
          this.#marker.remove(pkg)
          if (round > 1 && this.#score(other) > this.#score(pkg))
            this.#scores.set(pkg, this.#score(other))
        } else this.#tryInstalling(member.target)
      }
      return { changed: true, done: true, kept }
    }
    return { changed: false, done: false, kept }
  }

  /** An alternative that was dropped, or never tried, may do after all. */
  #tryInstalling(pkg: Package): void {
    const marks = this.#marks
    const mark = marks.mark(pkg)
    if (
      mark.installed !== undefined ||
      mark.mode === 'delete' ||
      mark.candidate === undefined ||
      mark.held
    )
      return
    const before = marks.brokenCount()
    this.#marker.install(pkg, true, { depth: 1 })
    if (marks.broken(pkg) || marks.brokenCount() > before) this.#marker.remove(pkg, { depth: 1 })
  }

  /** Takes a package's candidate if that mends it, once. */
  #upgrade(pkg: Package): boolean {
    const marks = this.#marks
    const mark = marks.mark(pkg)
    if (
      this.#upgraded.has(pkg) ||
      mark.candidate === undefined ||
      mark.candidate === mark.installed
    )
      return false
    if (this.#asked.has(pkg)) return false
    this.#upgraded.add(pkg)
    const wasKept = mark.mode === 'keep'
    if (!this.#marker.install(pkg, false)) return false
    if (mark.target === undefined) return false
    for (const group of marks.cache.dependencies(mark.target)) {
      if (!isCritical(group.field) || this.#upgradeFor(group)) continue
      if (wasKept) this.#marker.keep(pkg)
      else this.#marker.remove(pkg)
      return false
    }
    return true
  }

  #upgradeFor(group: DependencyGroup): boolean {
    const marks = this.#marks
    let well = true
    for (const member of group.members) {
      if (marks.metGroup(group, 'target')) return well
      const pkg = likelyTarget(marks, member)
      if (marks.mark(pkg).fixed) well = false
      else if (marks.met(member, 'candidate')) {
        if (this.#upgrade(pkg)) return true
        well = false
      } else if (isNegative(group.field)) return well
      else well = false
    }
    return well
  }

  /** Drops what stands in the way. */
  #apply(pkg: Package, kills: readonly Kill[], round: number): boolean {
    const marks = this.#marks
    if (marks.mark(pkg).target === undefined) return false
    let changed = false
    for (const { pkg: other, by } of kills) {
      const inPlaceToo = !marks.met(by, 'installed')
      const dropped = inPlaceToo
        ? isNegative(by.field) && this.#marker.remove(other)
        : this.#marker.keep(other)
      if ((!dropped || round > 1) && this.#score(pkg) > this.#score(other)) {
        this.#scores.set(other, this.#score(pkg))
        changed = true
      }
      if (dropped) changed = true
    }
    return changed
  }
}

/** The package a dependency is most likely about: the named one if it exists, else its first provider. */
function likelyTarget(marks: Marks, member: Dependency): Package {
  const { target } = member
  if (target.versions.length > 0) return target
  const provider = marks.cache
    .providers(target)
    .find(({ owner }) => owner.package !== member.parent.package)
  return provider?.owner.package ?? target
}
