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

export function createQueues(): Queues {
  const dirty = new Set<Name>()
  const waiting = new Set<Name>()
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
      const { state } = name
      if (state.settled) return
      if (state.demands > 0 || state.hasTriggered) waiting.add(name)
      else waiting.delete(name)
    },
    nextWaiting() {
      let first: Name | undefined
      for (const name of waiting) if (first === undefined || comesBefore(name, first)) first = name
      if (first !== undefined) waiting.delete(first)
      return first
    },
    drop(name) {
      dirty.delete(name)
      waiting.delete(name)
    },
  }
}

function comesBefore({ state: a }: Name, { state: b }: Name): boolean {
  if (a.selectable !== b.selectable) return a.selectable
  const differing = a.order.findIndex((value, index) => value !== b.order[index])
  return differing !== -1 && a.order[differing]! > b.order[differing]!
}
