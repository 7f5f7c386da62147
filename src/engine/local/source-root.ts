import type { Source } from '../../instruction.ts'
import { rootOf, type LayeredRoot } from '../../rootfs/layered-root.ts'
import type { StepDeps } from './deps.ts'

/** The root filesystem that `--from` means, and what messages call it. */
export async function sourceRoot(
  from: Source,
  deps: StepDeps,
): Promise<readonly [root: LayeredRoot, name: string]> {
  if (from.kind === 'stage') {
    const { name } = deps.request.graph.stages[from.stage]!
    return [(await deps.stage(from.stage)).root, `stage ${name ?? from.stage}`]
  }
  const image = await deps.base(from, deps.platform)
  return [rootOf(image.layers, deps.store), from.kind === 'image' ? from.name : 'the recipe']
}
