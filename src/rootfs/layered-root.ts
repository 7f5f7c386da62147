import { digestHex, sha256, type Digest } from '../digest.ts'
import type { Change } from '../entry.ts'
import type { Layer } from '../image.ts'
import type { BaseLayer, Store } from '../ports.ts'
import { changesFromRows, toRows, type EntryRows } from '../store/entry-rows.ts'
import { readRecord, writeRecord } from '../store/record.ts'
import { readLayer, unpackLayer } from './image-layer.ts'
import { applyChanges, type Tree } from './tree.ts'

/**
 * A root filesystem as layers stack it. What a layer holds is read when somebody asks for it, once, and kept in
 * the store by all that is below it: a layer known from an earlier build is never decompressed again.
 */
export interface LayeredRoot {
  readonly layers: readonly Layer[]
  /** names the whole stack: OCI's ChainID (image-spec, config.md), empty for no layers */
  readonly chain: string
  /** for an executor to run on */
  readonly bases: readonly BaseLayer[]
  /** the root filesystem itself */
  tree(): Promise<Tree>
}

export const emptyRoot: LayeredRoot = {
  layers: [],
  chain: '',
  bases: [],
  tree: () => Promise.resolve(new Map()),
}

/** A root with one layer more. `held` is what the layer holds, where the caller just wrote it. */
export function withLayer(
  lower: LayeredRoot,
  layer: Layer,
  store: Store,
  held?: readonly Change[],
): LayeredRoot {
  const chain = chainOf(lower, layer.diffId)
  let changes: Promise<readonly Change[]> | undefined =
    held === undefined ? undefined : Promise.resolve(held)
  let tree: Promise<Tree> | undefined
  const read = (): Promise<readonly Change[]> => (changes ??= readHeld(lower, layer, chain, store))
  return {
    layers: [...lower.layers, layer],
    chain,
    bases: [...lower.bases, { diffId: layer.diffId, changes: read }],
    tree: () => (tree ??= (async () => applyChanges(await lower.tree(), await read()))()),
  }
}

/** The root of an image's layers. */
export function rootOf(layers: readonly Layer[], store: Store): LayeredRoot {
  return layers.reduce((lower, layer) => withLayer(lower, layer, store), emptyRoot)
}

/** Keeps what a layer that was just written over `lower` holds. */
export async function rememberHeld(
  lower: LayeredRoot,
  diffId: Digest,
  held: readonly Change[],
  store: Store,
): Promise<void> {
  await writeRecord(store, heldRecord, digestHex(chainOf(lower, diffId)), toRows(held))
}

function chainOf(lower: LayeredRoot, diffId: Digest): Digest {
  return lower.chain === '' ? diffId : sha256(`${lower.chain} ${diffId}`)
}

const heldRecord = 'held'

async function readHeld(
  lower: LayeredRoot,
  layer: Layer,
  chain: Digest,
  store: Store,
): Promise<readonly Change[]> {
  const key = digestHex(chain)
  const known = await readRecord<EntryRows>(store, heldRecord, key)
  if (known !== undefined) {
    await unpackLayer(layer, store)
    return changesFromRows(known, layer.diffId)
  }
  const held = await readLayer(layer, await lower.tree(), store)
  await writeRecord(store, heldRecord, key, toRows(held))
  return held
}
