import type { Name, NameState } from './graph.ts'

/** Names whose providers must be looked at again, in turn, and names that wait to be settled. */
export interface Queues {
  soil(name: Name): void
  nextDirty(): Name | undefined
  /** Lets a name wait when it matters, and no longer when it does not. */
  wait(name: Name): void
  nextWaiting(): Name | undefined
  drop(name: Name): void
}

export function createQueues(): Queues {
  const dirty = new Set<Name>()
  const waiting = new Map<Name, number>()
  let count = 0
  const precedence = (one: Name, other: Name): number =>
    compare(one, other) || waiting.get(one)! - waiting.get(other)!
  return {
    soil(name) {
      const { state } = name
      if (state.settled || (state.demands === 0 && !state.recheckTriggers)) return
      dirty.add(name)
    },
    nextDirty() {
      for (const name of dirty) {
        dirty.delete(name)
        return name
      }
      return undefined
    },
    wait(name) {
      const { settled, demands, hasTriggered } = name.state
      if (settled) return
      if (demands === 0 && !hasTriggered) waiting.delete(name)
      else if (!waiting.has(name)) waiting.set(name, ++count)
    },
    nextWaiting() {
      let first: Name | undefined
      for (const name of waiting.keys())
        if (first === undefined || precedence(name, first) > 0) first = name
      if (first !== undefined) waiting.delete(first)
      return first
    },
    drop(name) {
      dirty.delete(name)
      waiting.delete(name)
    },
  }
}

const kinds: Readonly<Record<NameState['kind'], number>> = { virtual: 0, mixed: 1, real: 2 }

/**
 * Positive when `a` is settled before `b`: what is urgent, what is asked for, what packages of that name have,
 * what has the longer chain of needs below it, what is wanted and not only triggered. Of two alike, as all
 * that are urgent are, it is the one that came to wait later.
 */
function compare({ state: a }: Name, { state: b }: Name): number {
  if (a.urgent || b.urgent) return Number(a.urgent) - Number(b.urgent)
  return (
    Number(a.asked) - Number(b.asked) ||
    kinds[a.kind] - kinds[b.kind] ||
    a.depth - b.depth ||
    Number(a.demands > 0) - Number(b.demands > 0)
  )
}
