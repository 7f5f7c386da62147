import { PlinthError } from '../errors.ts'
import type { Release } from './release.ts'

/** Checks that may be skipped by naming them; what was skipped is recorded. */
export type SkippableCheck = 'check/valid-until' | 'check/date' | 'check/suite'

/** What a Release is judged by. */
export interface ReleaseRequest {
  /** the suite or codename that was asked for */
  readonly suite: string
  readonly now: Date
  readonly skip: readonly SkippableCheck[]
  /** for messages */
  readonly name: string
}

/** A mirror's clock and ours may differ by this much. */
const clockTolerance = 24 * 3600 * 1000

/**
 * Whether a verified Release may be used now, for the suite that was asked for. Returns the checks that
 * failed and were skipped because `skip` names them. `RELEASE_EXPIRED`, `RELEASE_INVALID` otherwise.
 */
export function checkRelease(release: Release, request: ReleaseRequest): readonly SkippableCheck[] {
  const failures: [SkippableCheck, PlinthError][] = []
  const { now, name, suite } = request
  const { validUntil, date } = release

  if (validUntil !== undefined && validUntil < now) {
    const days = Math.floor((now.getTime() - validUntil.getTime()) / 86_400_000)
    failures.push([
      'check/valid-until',
      new PlinthError(
        'RELEASE_EXPIRED',
        `cannot use ${name}: it was valid until ${validUntil.toISOString()}, ${days === 0 ? 'less than a day' : `${days} days`} ago`,
        {
          hint: 'the mirror is out of date or someone holds updates back: use another mirror, or accept an old one with --skip check/valid-until',
          facts: { validUntil: validUntil.toISOString() },
        },
      ),
    ])
  }
  if (date !== undefined && date.getTime() > now.getTime() + clockTolerance) {
    failures.push([
      'check/date',
      new PlinthError(
        'RELEASE_INVALID',
        `cannot use ${name}: it was made on ${date.toISOString()}, which is in the future`,
        {
          hint: "check this machine's clock; --skip check/date accepts it",
        },
      ),
    ])
  }
  if (!isSuite(release, suite)) {
    const is = [release.suite, release.codename].filter((text) => text !== undefined)
    failures.push([
      'check/suite',
      new PlinthError(
        'RELEASE_INVALID',
        `cannot use ${name}: '${suite}' was asked for, and this is ${is.map((text) => `'${text}'`).join(' or ')}`,
        {
          hint: 'ask for the suite by one of its own names, or use another mirror; --skip check/suite accepts it',
          facts: { suite: release.suite, codename: release.codename },
        },
      ),
    ])
  }
  for (const [check, error] of failures) if (!request.skip.includes(check)) throw error
  return failures.map(([check]) => check)
}

/** A repository that does not name itself can be any suite; a flat one is not a suite. */
function isSuite({ suite, codename }: Release, asked: string): boolean {
  if (asked.endsWith('/') || (suite === undefined && codename === undefined)) return true
  // `bookworm/updates` is how security suites were once spelled
  const [first] = asked.split('/')
  return [suite, codename].some((name) => name === asked || name === first)
}
