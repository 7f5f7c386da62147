import type { Name } from './graph.ts'

/** Names whose providers must be looked at again, in turn, and names that wait to be settled. */
export interface Queues {
  soil(name: Name): void
  nextDirty(): Name | undefined
  /** Lets a name wait when it matters, and no longer when it does not. */
  wait(name: Name): void
  nextWaiting(): Name | undefined
  drop(name: Name): void
}

/** A name's place among those that wait. */
interface Place {
  readonly selectable: boolean
  readonly number: number
}

export function createQueues(): Queues {
  const dirty = new Set<Name>()
  const waiting = new Map<Name, Place>()
  let count = 0
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
      const { settled, demands, hasTriggered, selectable } = name.state
      if (settled) return
      if (demands === 0 && !hasTriggered) waiting.delete(name)
      else if (waiting.get(name)?.selectable !== selectable)
        waiting.set(name, { selectable, number: ++count })
    },
    nextWaiting() {
      let first: Name | undefined
      let place: Place | undefined
      for (const [name, other] of waiting)
        if (first === undefined || place === undefined || compare(name, other, first, place) > 0) {
          first = name
          place = other
        }
      if (first !== undefined) waiting.delete(first)
      return first
    },
    drop(name) {
      dirty.delete(name)
      waiting.delete(name)
    },
  }
}

/** Positive when `a` is settled before `b`: of two alike, the one that came to wait later. */
function compare({ state: a }: Name, placeOfA: Place, { state: b }: Name, placeOfB: Place): number {
  return (
    Number(placeOfA.selectable) - Number(placeOfB.selectable) ||
    Number(a.asked) - Number(b.asked) ||
    Number(a.real) - Number(b.real) ||
    a.depth - b.depth ||
    placeOfA.number - placeOfB.number
  )
}
