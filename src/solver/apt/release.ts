import {
  isCritical,
  isNegative,
  matches,
  type Dependency,
  type DependencyGroup,
  type Package,
  type Version,
} from './cache.ts'
import type { Marks } from './marks.ts'
import { isOfRelease, type Asked } from './request.ts'

/**
 * Takes the dependencies of what was asked for with `pkg/suite` from that suite too, where they are
 * versioned and need it, as apt does: it looks at each dependency in turn and stops at the first that
 * neither stands as it is nor can be mended so.
 */
export function switchReleases(marks: Marks, asked: readonly Asked[]): void {
  const released = asked.filter((one) => one.release !== undefined && !one.remove)
  for (const { version } of released) setCandidate(marks, version)
  const changed: Version[] = []
  for (const { version, release = '' } of released) {
    changed.push(version)
    switchRelease(marks, version, release, changed)
  }
}

/** Makes a version the candidate of its package; what is chosen already moves with it. */
export function setCandidate(marks: Marks, version: Version): void {
  const pkg = version.package
  const mark = marks.mark(pkg)
  if (mark.candidate === version) return
  const chosen = mark.mode === 'install' && mark.target === mark.candidate
  marks.change(pkg, chosen ? { candidate: version, target: version } : { candidate: version })
}

function switchRelease(
  marks: Marks,
  version: Version,
  release: string,
  changed: Version[],
): boolean {
  setCandidate(marks, version)
  if (release === 'candidate') return true
  const kept = changed.length
  for (const group of marks.cache.dependencies(version)) {
    if (isNegative(group.field) || !marks.important(group)) continue
    if (group.members.some((member) => standsAsItIs(marks, member))) continue
    if (switchOne(marks, group, release, changed) || !isCritical(group.field)) continue
    changed.length = kept
    return false
  }
  return true
}

/** Met by what is in place, or by a candidate that lacks nothing as things stand. */
function standsAsItIs(marks: Marks, member: Dependency): boolean {
  const { target } = member
  const { installed, candidate } = marks.mark(target)
  if (installed !== undefined && matches(member, installed.text)) return true
  const providers = marks.cache.providers(target)
  if (member.version === undefined && providers.length > 0) {
    return providers.some(
      ({ owner }) => marks.mark(owner.package).candidate === owner && complete(marks, owner),
    )
  }
  return candidate !== undefined && matches(member, candidate.text) && complete(marks, candidate)
}

function complete(marks: Marks, version: Version): boolean {
  return marks.cache
    .dependencies(version)
    .every((group) => !isCritical(group.field) || marks.metGroup(group, 'target'))
}

/** Takes the first versioned alternative that the release can meet, and what that needs in turn. */
function switchOne(
  marks: Marks,
  group: DependencyGroup,
  release: string,
  changed: Version[],
): boolean {
  for (const [index, member] of group.members.entries()) {
    const version = member.version === undefined ? undefined : ofRelease(member.target, release)
    if (version === undefined || !matches(member, version.text)) continue
    const pkg = version.package
    const { candidate } = marks.mark(pkg)
    if (version === candidate && changed.some((one) => one.package === pkg)) return true
    changed.push(version)
    if (switchRelease(marks, version, release, changed)) return true
    if (index === group.members.length - 1) return false
    if (candidate !== undefined) setCandidate(marks, candidate)
    changed.pop()
  }
  return false
}

function ofRelease(pkg: Package, release: string): Version | undefined {
  return release === 'newest'
    ? pkg.versions[0]
    : pkg.versions.find((version) => isOfRelease(version, release))
}
