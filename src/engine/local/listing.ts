import type { Selection } from './select.ts'

/** The paths of the files of selections. */
export function filesOf(selections: readonly Selection[]): string[] {
  return selections.flatMap(({ entries }) =>
    entries.flatMap(({ entry }) => (entry.type === 'file' ? [entry.path] : [])),
  )
}

/** A selection by content: no time, no path of this machine; hard links by the first of their names. */
export function listing(
  { name, isDirectory, entries }: Selection,
  digests: ReadonlyMap<string, string>,
): unknown {
  const first = new Map<string, string>()
  return [
    name,
    isDirectory,
    entries.map(({ below, entry }) => {
      const { type, mode } = entry
      if (type === 'symlink') return [below, type, entry.target]
      if (type !== 'file') return [below, type, mode]
      const { link } = entry
      if (link !== undefined && !first.has(link)) first.set(link, below)
      const linked = link === undefined ? [] : [first.get(link)]
      return [below, type, mode, digests.get(entry.path), ...linked]
    }),
  ]
}
