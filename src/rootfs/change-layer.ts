import type { OpenContent } from '../archive/tar-write.ts'
import type { Change, Entry } from '../entry.ts'
import { writeEntries, type LayerBlob, type LayerDeps } from './layer.ts'
import { parentOf, withOrderedLinks, type Tree } from './tree.ts'

/** A layer that was written, and what it holds: file contents are slices of it. */
export interface ChangeLayer {
  readonly layer: LayerBlob
  readonly held: readonly Change[]
}

/**
 * Writes what changed over `lower` as a plain layer. Directories on the way to a change are in it as they are
 * below, so that the layer means the same extracted alone; times that are too late are set to `epoch`.
 */
export async function writeChanges(
  changes: readonly Change[],
  options: {
    readonly lower: Pick<Tree, 'get'>
    readonly epoch: number
    /** later times than this are set to `epoch`, too; default `epoch` itself */
    readonly latest?: number | undefined
    /** reads contents; default from the store */
    readonly open?: OpenContent | undefined
  },
  deps: LayerDeps,
): Promise<ChangeLayer> {
  const ordered = inLayerOrder(withDirectories(changes, options.lower)).map((change) =>
    change.type !== 'whiteout' && change.mtime > (options.latest ?? options.epoch)
      ? { ...change, mtime: options.epoch }
      : change,
  )
  const offsets = new Map<string, number>()
  const layer = await writeEntries(
    layerMembers(ordered),
    {
      compression: 'none',
      open: options.open,
      onBody: ({ path }, offset) => offsets.set(path, offset),
    },
    deps,
  )
  const held = ordered.map((change): Change =>
    change.type === 'file'
      ? {
          ...change,
          content: {
            kind: 'blob',
            digest: layer.diffId,
            offset: offsets.get(change.path) ?? 0,
          },
        }
      : change,
  )
  return { layer, held }
}

/** What a layer holds, as members of its tar: what removes a path is a file named for it (OCI layer.md). */
export function layerMembers(held: readonly Change[]): Entry[] {
  return held.map((change) => {
    if (change.type !== 'whiteout') return change
    const parent = parentOf(change.path)
    const name = `.wh.${change.path.slice(parent === '' ? 0 : parent.length + 1)}`
    return {
      type: 'file',
      path: parent === '' ? name : `${parent}/${name}`,
      mode: 0,
      uid: 0,
      gid: 0,
      mtime: 0,
      size: 0,
      content: { kind: 'bytes', bytes: nothing },
    }
  })
}

const nothing = new Uint8Array(0)

function withDirectories(changes: readonly Change[], lower: Pick<Tree, 'get'>): Change[] {
  const here = new Set(changes.map(({ path }) => path))
  const added: Change[] = []
  for (const { path } of changes) {
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) {
      if (here.has(parent)) break
      here.add(parent)
      const entry = lower.get(parent)
      if (entry !== undefined) added.push(entry)
    }
  }
  return [...changes, ...added]
}

/** By path, parents first; in each directory what it removes before what it has. */
function inLayerOrder(changes: readonly Change[]): Change[] {
  const entries = changes.filter((change) => change.type !== 'whiteout')
  const linked = withOrderedLinks(new Map(entries.map((entry) => [entry.path, entry])))
  const keyed = [...linked.values(), ...changes.filter(({ type }) => type === 'whiteout')].map(
    (change) => ({ change, key: orderKey(change) }),
  )
  return keyed
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ change }) => change)
}

function orderKey({ type, path }: Change): string {
  if (type !== 'whiteout') return path
  const parent = parentOf(path)
  return parent === '' ? `\0${path}` : `${parent}/\0${path.slice(parent.length + 1)}`
}
