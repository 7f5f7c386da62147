import { chmod, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import { finishDirectories, isPlain, writeEntries } from '../../output/write-tree.ts'
import { writeSpecialEntries } from '../../output/special-entries.ts'
import type { LayeredRoot } from '../../rootfs/layered-root.ts'
import { resolveIn, sortedEntries, type Tree } from '../../rootfs/tree.ts'
import { contentReader } from '../../store/content.ts'
import { processOwner } from '../../store/owner.ts'
import type { StepDeps } from './deps.ts'

/** What a cache mount begins with: a directory of a root filesystem. */
export interface CacheStart {
  readonly root: LayeredRoot
  /** what messages call the root */
  readonly name: string
  /** links followed inside */
  readonly source: string
}

/**
 * Makes the directory of a new cache with the files it begins with: whole or not at all. One that another build
 * made meanwhile stays. Owners are kept where root builds; else all is the caller's, and devices are left out.
 * Throws `COPY_SOURCE_MISSING` when the source is no directory.
 */
export async function beginCache(path: string, start: CacheStart, deps: StepDeps): Promise<void> {
  const { store, signal } = deps
  const tree = await start.root.tree()
  const base = resolveIn(tree, start.source, { last: true })
  const top = base === undefined ? undefined : tree.get(base)
  if (base === undefined || (base !== '' && top?.type !== 'directory')) {
    throw new PlinthError(
      'COPY_SOURCE_MISSING',
      `a cache cannot begin with '${start.source}': it is no directory of ${start.name}`,
    )
  }
  const privileged = process.geteuid?.() === 0
  const entries = below(tree, base).filter(
    ({ type }) => privileged || (type !== 'character' && type !== 'block'),
  )
  const place = await mkdtemp(join(await store.directory('tmp'), `${processOwner()}.cache`))
  try {
    using contents = contentReader(store)
    const writing = { contents, owners: privileged, onEntry: () => signal.throwIfAborted() }
    const directories = entries.filter(({ type }) => type === 'directory')
    const links = entries.filter(({ type }) => type === 'hardlink')
    const rest = entries.filter(({ type }) => type !== 'directory' && type !== 'hardlink')
    const special = [...directories, ...rest].filter((entry) => !isPlain(entry))
    await writeEntries(place, [...directories, ...rest.filter(isPlain)], writing)
    if (special.length > 0) await writeSpecialEntries(place, special, writing)
    await writeEntries(place, links, writing)
    await finishDirectories(place, directories, privileged)
    if (top === undefined) await chmod(place, 0o755)
    else await finishDirectories(place, [{ ...top, path: '' }], privileged)
    await rename(place, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

/** What a directory holds, by paths below it; a link whose file is outside is a file of its own. */
function below(tree: Tree, base: string): Entry[] {
  if (base === '') return sortedEntries(tree)
  const prefix = `${base}/`
  const inner = (path: string): string => path.slice(prefix.length)
  const first = new Map<string, string>()
  return sortedEntries(tree).flatMap((entry): Entry[] => {
    if (!entry.path.startsWith(prefix)) return []
    const path = inner(entry.path)
    if (entry.type !== 'hardlink') return [{ ...entry, path }]
    if (entry.target.startsWith(prefix)) return [{ ...entry, path, target: inner(entry.target) }]
    const target = first.get(entry.target)
    if (target !== undefined) return [{ ...entry, path, target }]
    const file = tree.get(entry.target)
    if (file === undefined) return []
    first.set(entry.target, path)
    return [{ ...file, path }]
  })
}
