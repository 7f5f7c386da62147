import type { Universe } from '../../src/solver/apt/universe.ts'

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What sets are like. */
export interface DrawOptions {
  /** packages in a set, at most; default 30 */
  readonly size?: number
  /** how many sets (0 to 1) name versions, suites, what is only provided or to be left out; default 0.4 */
  readonly spice?: number
}

/**
 * Draws one request of 1 to 30 packages from an index: mostly plain names, small sets more often than
 * large ones; some with a version or a suite, some to leave out, some that are only provided.
 */
export function drawSet(
  universe: Universe,
  names: Names,
  random: () => number,
  { size: largest = 30, spice: share = 0.4 }: DrawOptions = {},
): readonly string[] {
  const pick = <T>(list: readonly T[]): T => {
    const found = list[Math.floor(random() * list.length)]
    if (found === undefined) throw new RangeError('nothing to draw from')
    return found
  }
  const size = 1 + Math.floor(largest * random() ** 2)
  const spice = random() < share
  const set: string[] = []
  while (set.length < size) {
    const name = pick(names.real)
    const kind = spice ? random() : 1
    if (kind < 0.1) set.push(`${name}=${pick(versionsOf(universe, name))}`)
    else if (kind < 0.18) set.push(`${name}/${pick(universe.indexes).source.suite}`)
    else if (kind < 0.24) set.push(`${name}/${pick(suitesOf(universe, name))}`)
    else if (kind < 0.3) set.push(pick(names.provided))
    else if (kind < 0.4) set.push(`${pick(dependenciesOf(universe, name))}-`, name)
    else set.push(name)
  }
  return [...new Set(set)]
}

/** The names to draw from. */
export interface Names {
  readonly real: readonly string[]
  readonly provided: readonly string[]
}

/** Every name of a universe, sorted, so that a seed means the same everywhere. */
export function namesOf(universe: Universe): Names {
  const real = new Set(universe.indexes.flatMap(({ packages }) => [...packages.names()]))
  const provided = new Set(
    universe.indexes.flatMap(({ packages }) => [...packages.providedNames()]),
  )
  return {
    real: [...real].toSorted(),
    provided: [...provided].filter((name) => !real.has(name)).toSorted(),
  }
}

function versionsOf(universe: Universe, name: string): readonly string[] {
  return universe.indexes.flatMap(({ packages }) =>
    packages.find(name).map((number) => packages.record(number).version),
  )
}

function suitesOf(universe: Universe, name: string): readonly string[] {
  return universe.indexes
    .filter(({ packages }) => packages.find(name).length > 0)
    .map(({ source }) => source.suite)
}

/** What a package may need, so that leaving it out has an effect; the package itself when it needs nothing. */
function dependenciesOf(universe: Universe, name: string): readonly string[] {
  for (const { packages } of universe.indexes) {
    const [number] = packages.find(name)
    if (number === undefined) continue
    const names = packages
      .record(number)
      .relations('Depends')
      .flat()
      .map((relation) => relation.name)
    if (names.length > 0) return names
  }
  return [name]
}
