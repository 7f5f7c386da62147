import type { Priority } from '../../deb/package-record.ts'
import type { Reason } from '../explain.ts'
import type { Cache, Package } from './cache.ts'
import { candidateOf, type Asked } from './request.ts'
import type { IndexSource } from './universe.ts'

/** Package sets of a bootstrap, named as mmdebstrap names them; `minbase` is its `required`. */
export type Variant =
  | 'custom'
  | 'essential'
  | 'apt'
  | 'minbase'
  | 'buildd'
  | 'important'
  | 'standard'

/** `essential` is unpacked at once, before anything can run; `rest` is chosen on top of it. */
export type StageName = 'essential' | 'rest'

/** Something a stage asks for, and why. */
export interface Wanted {
  readonly asked: Asked
  readonly reason: Reason
}

export interface StagePlan {
  readonly name: StageName
  /** in the order they were asked for */
  readonly wanted: readonly Wanted[]
  /** asked for all at once, by what they are; after the others */
  readonly marked: readonly Wanted[]
}

/**
 * The stages of a variant: first the essential packages (for `apt` with apt among them, for `custom`
 * what was asked for instead), then packages by priority, apt, and what was asked for. What is to be
 * left out is left out of both.
 */
export function planStages(
  cache: Cache,
  request: {
    readonly variant: Variant
    readonly include: readonly Asked[]
    readonly suite?: string | undefined
  },
): readonly StagePlan[] {
  const { variant, include } = request
  const leftOut = new Set(include.filter((one) => one.remove).map((one) => one.version.package))
  if (variant === 'custom')
    return [{ name: 'essential', wanted: include.map(askedFor), marked: [] }]

  const suite = request.suite ?? cache.universe.indexes[0]?.source.suite
  const take = (packages: Iterable<Package>, reason: Reason): readonly Wanted[] =>
    [...packages].flatMap((pkg) => {
      const version = candidateOf(pkg)
      return version === undefined || leftOut.has(pkg)
        ? []
        : [{ asked: { text: pkg.name, version, remove: false }, reason }]
    })
  const named = (name: string): readonly Wanted[] =>
    take([cache.package(name, cache.universe.architecture)], { kind: 'variant', variant })
  const byPriority = prioritiesOf(variant).flatMap((priority) =>
    take(
      [...marked(cache, suite, priority)].filter((pkg) => !pkg.essential),
      { kind: 'priority', priority },
    ),
  )

  const essential: StagePlan = {
    name: 'essential',
    wanted: include.filter((one) => one.remove).map(askedFor),
    marked: [
      ...take(marked(cache, suite, 'essential'), { kind: 'essential' }),
      ...(variant === 'apt' ? named('apt') : []),
    ],
  }
  const rest: StagePlan = {
    name: 'rest',
    wanted: [...include.map(askedFor), ...(variant === 'buildd' ? named('build-essential') : [])],
    marked: [...(variant === 'essential' || variant === 'apt' ? [] : named('apt')), ...byPriority],
  }
  return [...rest.wanted, ...rest.marked].every((one) => one.asked.remove)
    ? [essential]
    : [essential, rest]
}

function askedFor(one: Asked): Wanted {
  return { asked: one, reason: { kind: 'asked', request: one.text } }
}

type CountedPriority = Exclude<Priority, 'optional' | 'extra'>

function prioritiesOf(variant: Exclude<Variant, 'custom'>): readonly CountedPriority[] {
  switch (variant) {
    case 'essential':
    case 'apt':
    case 'buildd':
      return []
    case 'minbase':
      return ['required']
    case 'important':
      return ['required', 'important']
    case 'standard':
      return ['required', 'important', 'standard']
  }
}

/** Native packages that the suite's own indexes mark so. */
function marked(
  cache: Cache,
  suite: string | undefined,
  as: 'essential' | CountedPriority,
): ReadonlySet<Package> {
  const found = new Set<Package>()
  const { universe } = cache
  for (const { packages, source } of universe.indexes) {
    if (suite !== undefined && !isSuite(source, suite)) continue
    for (const number of as === 'essential' ? packages.essential() : packages.withPriority(as)) {
      const { name, architecture } = packages.record(number)
      if (architecture === 'all' || architecture === universe.architecture)
        found.add(cache.package(name, universe.architecture))
    }
  }
  return found
}

function isSuite(source: IndexSource, suite: string): boolean {
  return source.suite === suite || source.archive === suite || source.codename === suite
}
