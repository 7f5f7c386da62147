import { digestHex, sha256 } from '../../digest.ts'
import type { Change } from '../../entry.ts'
import type { Store } from '../../ports.ts'
import type { ChangeLayer } from '../../rootfs/change-layer.ts'
import type { LayerBlob } from '../../rootfs/layer.ts'
import { rememberHeld, type LayeredRoot } from '../../rootfs/layered-root.ts'
import { readRecord, writeRecord } from '../../store/record.ts'

/**
 * Part of every step's key. Raise it with each change after which the same inputs give another layer: what
 * copying, unpacking or collecting makes, how layers are ordered and written.
 */
const formatVersion = 2

const kind = 'step'

/** What a step came to. `held` is there when it was just made. */
export interface StepLayer {
  readonly layer: LayerBlob
  readonly held?: readonly Change[] | undefined
  readonly cached: boolean
}

/**
 * The layer of a step: what an earlier build made of the same inputs, else what `make` gives. `inputs` is all
 * that the layer depends on, by content: a key has neither times nor names of files on this machine in it. `root` is
 * what it lies on.
 */
export async function cachedLayer(
  inputs: readonly unknown[],
  make: () => Promise<ChangeLayer>,
  {
    root,
    store,
    noCache,
  }: { readonly root: LayeredRoot; readonly store: Store; readonly noCache: boolean },
): Promise<StepLayer> {
  const key = digestHex(sha256(JSON.stringify([formatVersion, ...inputs])))
  const known = noCache ? undefined : await readRecord<LayerBlob>(store, kind, key)
  if (known !== undefined && (await store.has(known.digest)) === known.size) {
    return { layer: known, cached: true }
  }
  const made = await make()
  await rememberHeld(root, made.layer.diffId, made.held, store)
  await writeRecord(store, kind, key, made.layer)
  return { ...made, cached: false }
}
