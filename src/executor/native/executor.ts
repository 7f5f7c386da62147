import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Emit } from '../../events.ts'
import type { Executor, Store } from '../../ports.ts'
import { contentReader } from '../../store/content.ts'
import { openHolder } from './holder.ts'
import type { LayerIndex } from './layer-stack.ts'
import { choosePlace, forgetPlace, sizeOf } from './scratch.ts'
import { processStatus } from './status.ts'
import { findTools, type Tools } from './tools.ts'
import { openRoot, type TreeDeps } from './trees.ts'
import { openWorkspace } from './workspace.ts'

/** What the native executor is made with. */
export interface NativeDeps {
  /** contents are read from and put into it; its `scratch` directory holds what is too large for memory */
  readonly store: Store
  readonly emit: Emit
  /** the user's id on this machine */
  readonly uid: number
  /** the PATH programs are looked for in, after the system's own directories */
  readonly path: string
  /** most bytes of memory one workspace may use; 0: always use the disk. Default: three quarters of what is free */
  readonly memory?: number | undefined
  /** `overlay` where the kernel can (default), or `copy` */
  readonly storage?: 'overlay' | 'copy' | undefined
  /** most layers of one overlay; default 400, as the kernel takes 500 */
  readonly lowers?: number | undefined
}

/**
 * Runs processes in namespaces of this machine, without a daemon: as root, or as an ordinary user in a
 * user namespace with subordinate ids. A workspace's tree is an overlay on the base, in memory when that is
 * small; ids, storage and capabilities as design.md, "Native executor", has them.
 *
 * `open` throws `TOOL_MISSING`, `NAMESPACE_UNAVAILABLE` (with the cause), `SUBIDS_MISSING` when the base
 * has owners that do not exist inside, `DISK_FULL`, `PATH_UNSAFE`, `INTERRUPTED`.
 */
export function nativeExecutor(deps: NativeDeps): Executor {
  let tools: Promise<Tools> | undefined
  const kept = new Map<string, Promise<LayerIndex>>()
  return {
    name: 'native',
    async open(base, options) {
      const { signal, hostname = 'plinth' } = options
      tools ??= findTools(deps.path)
      const context = { tools: await tools, uid: deps.uid, emit: deps.emit }
      const size = options.sizeHint ?? (Array.isArray(base) ? sizeOf(base as Entry[]) : undefined)
      const place = await choosePlace(size, {
        store: deps.store,
        memory: deps.memory,
        userNamespace: deps.uid !== 0 || !(await processStatus()).sysAdmin,
      })
      const holder = await openHolder(place, context).catch(async (error: unknown) => {
        await forgetPlace(place)
        throw error
      })
      const contents = contentReader(deps.store)
      const abort = (): void => holder.kill()
      signal.addEventListener('abort', abort, { once: true })
      try {
        if (signal.aborted) abort()
        let count = 0
        const trees: TreeDeps = {
          store: deps.store,
          storage: deps.storage ?? 'overlay',
          holder,
          contents,
          known: kept,
          most: deps.lowers,
          count: () => count++,
        }
        return openWorkspace({
          trees,
          ...(await openRoot(base, trees)),
          hostname,
          signal,
        })
      } catch (error) {
        contents[Symbol.dispose]()
        holder.kill()
        await holder.close()
        if (signal.aborted) {
          throw new PlinthError('INTERRUPTED', 'interrupted', { cause: signal.reason })
        }
        throw error
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
  }
}
