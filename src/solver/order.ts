/** What an ordering needs to know of one item: `before` must come first, `strictly` even within a cycle. */
export interface Ordered {
  readonly name: string
  readonly before: readonly string[]
  readonly strictly: readonly string[]
}

/**
 * Sorts so that everything comes after what it needs (Debian policy 7.2). Where needs run in a circle
 * the strict ones are kept as far as they can be; what remains is settled by name.
 */
export function orderByNeeds<T extends Ordered>(items: readonly T[]): readonly T[] {
  const byName = new Map(items.map((item) => [item.name, item]))
  const sorted = [...items].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return components(sorted, byName).flatMap((component) => untangle(component))
}

interface Visit {
  index: number
  low: number
  open: boolean
}

/** Tarjan's strongly connected components, in the order they can be placed. */
function components<T extends Ordered>(
  items: readonly T[],
  byName: ReadonlyMap<string, T>,
): readonly T[][] {
  const visits = new Map<T, Visit>()
  const stack: T[] = []
  const found: T[][] = []
  const visit = (item: T): Visit => {
    const own: Visit = { index: visits.size, low: visits.size, open: true }
    visits.set(item, own)
    stack.push(item)
    for (const name of [...item.strictly, ...item.before].toSorted()) {
      const next = byName.get(name)
      if (next === undefined) continue
      const seen = visits.get(next)
      if (seen === undefined) own.low = Math.min(own.low, visit(next).low)
      else if (seen.open) own.low = Math.min(own.low, seen.index)
    }
    if (own.low === own.index) {
      const component = stack.splice(stack.indexOf(item))
      for (const member of component) {
        const seen = visits.get(member)
        if (seen) seen.open = false
      }
      found.push(component)
    }
    return own
  }
  for (const item of items) if (!visits.has(item)) visit(item)
  return found
}

/** Within a circle: next is whoever waits for the fewest strict needs, then the fewest others, then by name. */
function untangle<T extends Ordered>(component: readonly T[]): readonly T[] {
  const waiting = new Map(component.map((item) => [item.name, item]))
  const placed: T[] = []
  const open = (names: readonly string[], self: string): number =>
    new Set(names.filter((name) => name !== self && waiting.has(name))).size
  while (waiting.size > 0) {
    let next: T | undefined
    let least = [Infinity, Infinity]
    for (const item of waiting.values()) {
      const cost = [open(item.strictly, item.name), open(item.before, item.name)]
      const order = (cost[0] ?? 0) - (least[0] ?? 0) || (cost[1] ?? 0) - (least[1] ?? 0)
      if (next === undefined || order < 0 || (order === 0 && item.name < next.name)) {
        next = item
        least = cost
      }
    }
    if (next === undefined) break
    waiting.delete(next.name)
    placed.push(next)
  }
  return placed
}
