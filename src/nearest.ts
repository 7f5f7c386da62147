/**
 * The known names a person may have meant by `name`, nearest first, at most `limit`: those within a
 * third of its length in edits (Damerau, adjacent letters swapped count once).
 */
export function nearest(name: string, known: Iterable<string>, limit = 3): readonly string[] {
  const reach = Math.max(1, Math.floor(name.length / 3))
  const close: { readonly name: string; readonly distance: number }[] = []
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > reach) continue
    const distance = edits(name, candidate)
    if (distance <= reach) close.push({ name: candidate, distance })
  }
  return close
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, limit)
    .map((found) => found.name)
}

/** Optimal string alignment distance, three rows at a time. */
function edits(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let best = Math.min(substitution, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1)
      }
      row.push(best)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
