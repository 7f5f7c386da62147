import type { Entry, Metadata } from '../../entry.ts'

/** What is known of a path of a base: all but a file's bytes. */
export type Known = Metadata &
  (
    | { readonly type: 'file'; readonly size: number }
    | { readonly type: 'symlink' | 'hardlink'; readonly target: string }
    | { readonly type: 'directory' | 'fifo' }
    | { readonly type: 'character' | 'block'; readonly major: number; readonly minor: number }
  )

/** What a kept layer holds. */
export interface LayerIndex {
  readonly entries: ReadonlyMap<string, Known>
  readonly whiteouts: ReadonlySet<string>
  /** directories of the layer that hide what the layers below have in them */
  readonly opaque: ReadonlySet<string>
}

/** Layers from the bottom up, looked at from the top, as overlayfs does (overlayfs.rst, "Multiple lower layers"). */
export class LayerStack {
  readonly layers: readonly LayerIndex[]
  #all: ReadonlyMap<string, Known> | undefined

  constructor(layers: readonly LayerIndex[]) {
    this.layers = layers
  }

  /** What is at a path, or undefined. */
  get(path: string): Known | undefined {
    const place = this.layerOf(path)
    return place === undefined ? undefined : this.layers[place]!.entries.get(path)
  }

  /** The number of the layer that has what is seen at a path. */
  layerOf(path: string): number | undefined {
    const parents = ancestors(path)
    for (let i = this.layers.length - 1; i >= 0; i--) {
      const layer = this.layers[i]!
      if (layer.entries.has(path)) return i
      if (layer.whiteouts.has(path)) return undefined
      for (const parent of parents) {
        const entry = layer.entries.get(parent)
        if (layer.whiteouts.has(parent) || layer.opaque.has(parent)) return undefined
        if (entry !== undefined && entry.type !== 'directory') return undefined
      }
    }
    return undefined
  }

  /** All of it; worked out when first asked for. */
  all(): ReadonlyMap<string, Known> {
    return (this.#all ??= merged(this.layers))
  }
}

function merged(layers: readonly LayerIndex[]): Map<string, Known> {
  const tree = new Map<string, Known>()
  for (const { entries, whiteouts, opaque } of layers) {
    const removed = new Set([...whiteouts, ...opaque])
    for (const [path, entry] of entries) {
      if (entry.type !== 'directory' && tree.get(path)?.type === 'directory') removed.add(path)
    }
    if (removed.size > 0) {
      for (const path of tree.keys()) {
        if (removed.has(path) || ancestors(path).some((parent) => removed.has(parent))) {
          tree.delete(path)
        }
      }
    }
    for (const [path, entry] of entries) tree.set(path, entry)
  }
  return tree
}

/** An entry without the place of its bytes. */
export function known(entry: Entry): Known {
  if (entry.type !== 'file') return entry
  const { content: _, ...rest } = entry
  return rest
}

/** The directories above a path, outermost first. */
export function ancestors(path: string): string[] {
  const result: string[] = []
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    result.push(path.slice(0, slash))
  }
  return result
}
