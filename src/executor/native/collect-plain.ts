import { PlinthError } from '../../errors.ts'
import type { Store } from '../../ports.ts'
import type { Base } from './base.ts'
import type { Found } from './changes.ts'
import { collect } from './collect.ts'
import type { Holder } from './holder.ts'
import { listScript } from './scripts.ts'

/** Path → inode number and change time. The latter cannot be set by a process (inode(7)). */
export type PlainState = ReadonlyMap<string, string>

/** The state of the tree where no overlay keeps changes apart. */
export async function plainState(holder: Holder): Promise<PlainState> {
  const argv = [holder.tools.sh, '-c', listScript]
  const { code, stderr, stdout } = await holder.tool(argv, 'data/lower', {
    output: 'keep',
  })
  if (code !== 0) throw new PlinthError('IO', `cannot list the workspace: ${stderr}`)
  const state = new Map<string, string>()
  for (const line of stdout.toString().split('\0')) {
    const space = line.indexOf(' ', line.indexOf(' ') + 1)
    if (space > 0) state.set(line.slice(space + 1), line.slice(0, space))
  }
  return state
}

/**
 * What may have changed since `before`: every path that is new, is another inode or has another change
 * time. Removed is what the base has and the disk has not.
 */
export async function collectPlain(
  holder: Holder,
  before: PlainState,
  { base, store }: { readonly base: Base; readonly store: Store },
): Promise<{ readonly found: Map<string, Found>; readonly removed: readonly string[] }> {
  const now = await plainState(holder)
  const paths = [...now].filter(([path, mark]) => before.get(path) !== mark).map(([path]) => path)
  const { found } = await collect(holder, 'data/lower', {
    store,
    paths: paths.toSorted(),
  })
  const removed = [...base.paths()].filter((path) => before.has(path) && !now.has(path))
  return { found, removed }
}
