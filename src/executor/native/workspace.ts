import { readdirSync } from 'node:fs'
import { posix } from 'node:path'
import type { Change, Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { ExitStatus, RunRequest, Workspace } from '../../ports.ts'
import { resolveIn } from '../../rootfs/tree.ts'
import { diff } from './changes.ts'
import { collect } from './collect.ts'
import { collectPlain } from './collect-plain.ts'
import { extract } from './extract.ts'
import type { Holder } from './holder.ts'
import { runIn } from './run.ts'
import { readScript, resolveScript } from './scripts.ts'
import type { Root, TreeDeps } from './trees.ts'
import { openViews } from './views.ts'

/** What an open workspace is made of. */
export interface WorkspaceParts extends Root {
  readonly trees: TreeDeps
  readonly hostname: string
  readonly signal: AbortSignal
}

/** The workspace over a holder. What is asked of it happens one after another, in the order asked. */
export function openWorkspace(parts: WorkspaceParts): Workspace {
  const { trees, mounted, plain, tree, signal } = parts
  const { holder, contents, store } = trees
  const views = openViews(parts)
  const { stubs } = views
  /** nothing has happened in it yet: where paths lead can be told from the base */
  let pristine = true
  /** what is known of paths, while nothing happens in it */
  const known = new Map<string, Resolved>()
  let queue: Promise<unknown> = Promise.resolve()
  let disposed: Promise<void> | undefined

  /** Ends everything on an abort; whatever then fails, fails with `INTERRUPTED`. */
  const abort = (): void => holder.kill()
  signal.addEventListener('abort', abort, { once: true })

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(async () => {
      throwIfAborted(signal)
      if (disposed) throw new PlinthError('INTERNAL', 'the workspace is closed')
      try {
        const value = await work()
        throwIfAborted(signal)
        return value
      } catch (error) {
        throwIfAborted(signal)
        throw error
      }
    })
    queue = result.catch(() => {})
    return result
  }

  /** Where paths are once links are followed inside the tree, and what is there. */
  const resolve = async (paths: readonly string[]): Promise<readonly Resolved[]> => {
    const asked = [...new Set(paths)].filter((path) => !known.has(path))
    if (asked.length > 0)
      for (const [i, found] of (await ask(asked)).entries()) known.set(asked[i]!, found)
    return paths.map((path) => known.get(path)!)
  }

  const ask = async (paths: readonly string[]): Promise<readonly Resolved[]> => {
    const { code, stderr, stdout } = await holder.tool(
      [holder.tools.sh, '-c', resolveScript, 'resolve', ...paths],
      'merged',
      { output: 'keep' },
    )
    if (code !== 0) throw loop(paths.join(', '), stderr)
    return stdout
      .toString()
      .split('\0')
      .slice(0, -1)
      .map((line) => ({
        kind: line[0] as Resolved['kind'],
        path: line.slice(1).replace(/^\.\/?/, ''),
      }))
  }

  return {
    run: (request: RunRequest) =>
      inTurn(async (): Promise<ExitStatus> => {
        pristine = false
        known.clear()
        const used = await views.use(request)
        try {
          const cwd = request.cwd ?? '/'
          const found = cwd.includes('\n') ? undefined : await used.view.cd(cwd)
          if (found === undefined) {
            throw new PlinthError('RUN_FAILED', `cannot run in '${cwd}': it is no directory`)
          }
          return await runIn(holder, used.view, { ...request, cwd: found })
        } finally {
          await used.release()
        }
      }),

    read: (path) =>
      inTurn(async () => {
        const { code, stderr, stdout } = await holder.tool(
          [holder.tools.sh, '-c', readScript, 'read', path],
          'merged',
          { output: 'keep' },
        )
        if (code === 44) return undefined
        if (code !== 0) throw new PlinthError('IO', `cannot read '${path}': ${stderr}`)
        return stdout
      }),

    present: (paths) =>
      inTurn(async () => {
        const found = await resolve(paths)
        return paths.filter((_, i) => found[i]!.kind !== '-' && !stubs.has(found[i]!.path))
      }),

    write: (entries) =>
      inTurn(async () => {
        const list: Entry[] = []
        for await (const entry of entries) list.push(entry)
        const wanted = new Set<string>()
        for (const entry of list) {
          wanted.add(place(entry))
          if (entry.type === 'hardlink') wanted.add(posix.dirname(entry.target))
        }
        const names = [...wanted]
        const found =
          pristine && tree ? names.map((name) => resolvedIn(tree, name)) : await resolve(names)
        const places = new Map(names.map((name, i) => [name, found[i]!]))
        const resolved = list.map((entry) => moved(entry, places))
        pristine = false
        known.clear()
        await extract(holder, resolved, { into: 'merged', contents })
        // what was only there to mount on is somebody's own now
        for (const { path } of resolved) stubs.delete(path)
      }),

    changes: () =>
      inTurn(async (): Promise<readonly Change[]> => {
        if (mounted.storage === 'overlay' && isUntouched(holder)) return []
        const base = await parts.base()
        const { found, removed } =
          mounted.storage === 'overlay'
            ? await collect(holder, 'data/upper', { store })
            : await collectPlain(holder, plain!, { base, store })
        return diff({ base, found, removed, stubs })
      }),

    [Symbol.asyncDispose]: () =>
      (disposed ??= (async () => {
        signal.removeEventListener('abort', abort)
        await holder.close()
        contents[Symbol.dispose]()
      })()),
  }
}

/** Whether nothing was written: told without a process. */
function isUntouched({ visible }: Holder): boolean {
  try {
    return readdirSync(`${visible}/data/upper`).length === 0
  } catch {
    return false
  }
}

interface Resolved {
  /** directory, something else, nothing */
  readonly kind: 'd' | 'o' | '-'
  readonly path: string
}

function resolvedIn(base: ReadonlyMap<string, Entry>, path: string): Resolved {
  const real = resolveIn(base, path, { last: true })
  if (real === undefined) throw loop(path)
  const entry = base.get(real)
  const kind = real === '' || entry?.type === 'directory' ? 'd' : entry === undefined ? '-' : 'o'
  return { kind, path: real }
}

function loop(paths: string, said?: string): PlinthError {
  const why = said || 'too many symbolic links'
  return new PlinthError('PATH_UNSAFE', `cannot follow ${paths}: ${why}`)
}

/** What must be resolved to write an entry: itself for a directory (which may be a link to one), else its parent. */
function place(entry: Entry): string {
  return entry.type === 'directory' ? entry.path : posix.dirname(entry.path)
}

function moved(entry: Entry, places: ReadonlyMap<string, Resolved>): Entry {
  const below = (path: string): string => {
    const parent = places.get(posix.dirname(path))!
    return posix.join(parent.path, posix.basename(path))
  }
  if (entry.type === 'directory') {
    const at = places.get(entry.path)!
    return { ...entry, path: at.kind === 'o' ? entry.path : at.path }
  }
  const path = below(entry.path)
  return entry.type === 'hardlink'
    ? { ...entry, path, target: below(entry.target) }
    : { ...entry, path }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new PlinthError('INTERRUPTED', 'interrupted', { cause: signal.reason })
  }
}
