import { PlinthError } from '../../errors.ts'
import type { RunRequest } from '../../ports.ts'
import { noMounts, prepareMounts } from './mounts.ts'
import { unstubScript } from './scripts.ts'
import { openTree, type TreeDeps } from './trees.ts'
import type { View } from './view.ts'

/** The views of a workspace: one that stays for all runs without mounts and network, else one for each run. */
export interface Views {
  /** paths of the tree that were made only to mount on */
  readonly stubs: Set<string>
  /** A view for a run; `release` when that has ended. */
  use(request: RunRequest): Promise<{ readonly view: View; release(): Promise<void> }>
}

/** The views of a workspace. */
export function openViews({
  trees,
  hostname,
}: {
  readonly trees: TreeDeps
  readonly hostname: string
}): Views {
  const { holder } = trees
  const stubs = new Set<string>()
  let shared: View | undefined

  /** What earlier runs had to have is nothing a later one should see; where the kernel is mounted is needed again. */
  const clear = async (): Promise<void> => {
    const left = [...stubs].filter((path) => !['proc', 'dev', 'sys'].includes(path))
    if (left.length === 0) return
    const paths = left
      .toSorted()
      .toReversed()
      .map((path) => `./${path}`)
    const stamp = `${holder.directory}/io/stamp`
    const argv = [holder.tools.sh, '-c', unstubScript, 'unstub', stamp, ...paths]
    const { code, stderr } = await holder.tool(argv, 'merged')
    if (code !== 0) throw new PlinthError('IO', `cannot remove mount points: ${stderr}`)
    for (const path of left) stubs.delete(path)
  }

  const start = (request: RunRequest, mounts = noMounts): Promise<View> => {
    const { network = 'none', security = 'sandbox' } = request
    return holder.view({ hostname, network, security, mounts, stubs })
  }

  return {
    stubs,
    async use(request) {
      const { mounts = [], network = 'none', security = 'sandbox' } = request
      if (mounts.length === 0 && network === 'none' && security === 'sandbox') {
        if (shared === undefined) {
          await clear()
          shared = await start(request)
        }
        return { view: shared, release: async () => {} }
      }
      await shared?.close()
      shared = undefined
      await clear()
      const prepared = await prepareMounts(mounts, {
        holder,
        count: trees.count,
        tree: (mount, name) => openTree(mount, name, trees),
      })
      try {
        const view = await start(request, prepared)
        return {
          view,
          async release() {
            await view.close()
            await prepared[Symbol.asyncDispose]()
          },
        }
      } catch (error) {
        await prepared[Symbol.asyncDispose]()
        throw error
      }
    },
  }
}
