import { PlinthError } from '../errors.ts'
import type { Image } from '../image.ts'
import type { Store } from '../ports.ts'
import { readLayer } from '../rootfs/image-layer.ts'
import { applyChanges, parentOf, type Tree } from '../rootfs/tree.ts'
import { throwIfAborted } from './failure.ts'

/**
 * The root filesystem an image describes: its layers applied from the bottom up (OCI image-spec,
 * layer.md). File contents are slices of the layers' plain tars, which are put into the store.
 *
 * Layers are not trusted: throws `PATH_UNSAFE` for names that leave the tree or pass through what is no
 * directory, `ARCHIVE_INVALID` for a path given twice, `DIGEST_MISMATCH` when a layer is not its diff id.
 */
export async function flatten(
  image: Image,
  deps: { readonly store: Store; readonly signal: AbortSignal },
): Promise<Tree> {
  let tree: Tree = new Map()
  for (const layer of image.layers) {
    throwIfAborted(deps.signal)
    tree = applyChanges(tree, await readLayer(layer, tree, deps.store))
  }
  return withParents(tree)
}

/**
 * The tree with the directories that paths imply but no layer states, as root's and 0755. Everything must
 * be in directories: a path through a file or a symlink could be written elsewhere.
 */
function withParents(tree: Tree): Tree {
  const result = new Map(tree)
  for (const { path, mtime } of tree.values()) {
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) {
      const found = result.get(parent)
      if (found === undefined) {
        result.set(parent, { type: 'directory', path: parent, mode: 0o755, uid: 0, gid: 0, mtime })
      } else if (found.type !== 'directory') {
        throw new PlinthError(
          'PATH_UNSAFE',
          `cannot use the image: '${path}' is below '${parent}', which is a ${found.type}`,
        )
      } else break
    }
  }
  return result
}
