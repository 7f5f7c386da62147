import { posix } from 'node:path'
import { treePath } from '../../archive/path.ts'
import type { Change, Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { ExitStatus, RunRequest, Store, Workspace } from '../../ports.ts'
import { diff } from './changes.ts'
import { collect, sameContent } from './collect.ts'
import { collectPlain, type PlainState } from './collect-plain.ts'
import type { ContentReader } from '../../store/content.ts'
import { extract } from './extract.ts'
import type { Holder, Mounted } from './holder.ts'
import { hostNetworkFiles } from './network.ts'
import { resolveIn } from '../../rootfs/tree.ts'
import { runIn } from './run.ts'

/** What an open workspace is made of. */
export interface WorkspaceParts {
  readonly holder: Holder
  readonly mounted: Mounted
  /** how the tree was before anything ran, where there is no overlay to tell */
  readonly plain: PlainState | undefined
  readonly base: ReadonlyMap<string, Entry>
  readonly contents: ContentReader
  readonly store: Store
  readonly hostname: string
  readonly signal: AbortSignal
}

/** The workspace over a holder. What is asked of it happens one after another, in the order asked. */
export function openWorkspace(parts: WorkspaceParts): Workspace {
  const { holder, mounted, plain, base, contents, store, hostname, signal } = parts
  const stubs = new Set(mounted.view.stubs)
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
    const argv = ['resolved', ...paths]
    const { code, stderr, stdout } = await holder.tool(argv, 'merged', { output: 'keep' })
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

  const workingDirectory = async (cwd: string): Promise<string> => {
    const path = treePath(posix.normalize(cwd).replace(/^\/+/, ''), 'the working directory')
    if (path === '') return '.'
    const [found] = await resolve([path])
    if (kernelDirectories.has(found!.path.split('/')[0]!)) return `./${found!.path}`
    if (found!.kind !== 'd') {
      throw new PlinthError('RUN_FAILED', `cannot run in '${cwd}': it is no directory`)
    }
    return `./${found!.path}`
  }

  return {
    run: (request: RunRequest) =>
      inTurn(async (): Promise<ExitStatus> => {
        const inside = { ...request, cwd: await workingDirectory(request.cwd ?? '/') }
        pristine = false
        known.clear()
        if (request.network !== 'host') return runIn(holder, mounted.view, inside)
        await hostNetworkFiles(`${holder.visible}/io`, hostname)
        const view = await holder.hostView()
        for (const stub of view.stubs) stubs.add(stub)
        try {
          return await runIn(holder, view, inside)
        } finally {
          await view.close()
        }
      }),

    read: (path) =>
      inTurn(async () => {
        const { code, stderr, stdout } = await holder.tool(['content', path], 'merged', {
          output: 'keep',
        })
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
        const found = pristine ? names.map((name) => resolvedIn(base, name)) : await resolve(names)
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
        const { found, removed } =
          mounted.storage === 'overlay'
            ? await collect(holder, 'upper', { store })
            : await collectPlain(holder, plain!, { base, store })
        return diff({
          base,
          found,
          removed,
          stubs,
          sameContent: (before, after) => sameContent(before, after, contents),
        })
      }),

    [Symbol.asyncDispose]: () =>
      (disposed ??= (async () => {
        signal.removeEventListener('abort', abort)
        await holder.close()
        contents[Symbol.dispose]()
      })()),
  }
}

/** Where the view mounts the kernel's file systems, which the host's side of the tree does not show. */
const kernelDirectories = new Set(['proc', 'dev', 'sys'])

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
