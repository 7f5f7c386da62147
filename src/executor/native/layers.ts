import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { digestHex, sha256, type Digest } from '../../digest.ts'
import type { Change, Content, Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { BaseLayer, Store } from '../../ports.ts'
import { applyChanges, type Tree, withOrderedLinks } from '../../rootfs/tree.ts'
import type { ContentReader } from '../../store/content.ts'
import { storeFailure } from '../../store/failure.ts'
import { layeredBase, type Base } from './base.ts'
import { extract } from './extract.ts'
import type { Holder } from './holder.ts'
import { readIndex, writeIndex } from './layer-record.ts'
import { ancestors, known, type LayerIndex, LayerStack } from './layer-stack.ts'
import { fresh, overlayForm } from './overlay-form.ts'

/** Layers as one workspace uses them. */
export interface OpenLayers {
  /** from the top down, below the workspace's directory */
  readonly lowers: readonly string[]
  /** loads what the layers hold, for comparing */
  base(): Promise<Base>
}

/** What keeping layers needs. */
export interface LayerDeps {
  readonly store: Store
  readonly holder: Holder
  readonly contents: ContentReader
  /** what this process knows of kept layers, by their directory */
  readonly known: Map<string, Promise<LayerIndex>>
  /** most lower directories of one overlay: the kernel takes 500 (fs/overlayfs/params.h) */
  readonly most?: number | undefined
  /** a number for each lower directory */
  readonly count: () => number
}

/**
 * Makes layers ready to be mounted: each is extracted once into `layers/<ids>/<chain id>` of the store, where
 * it appears by rename, whole or not at all, and is used by everyone from then on. Only what is not there yet
 * is asked for its changes. When there are more than an overlay takes, the lower ones are kept as one.
 *
 * Throws what `extract` does.
 */
export async function openLayers(
  layers: readonly BaseLayer[],
  deps: LayerDeps,
): Promise<OpenLayers> {
  const { holder } = deps
  const root = await keepingPlace(deps)
  const units = unitsOf(layers, deps.most ?? 400)
  const lowers: string[] = []
  const stackTo = async (end: number): Promise<LayerStack> =>
    new LayerStack(
      await Promise.all(
        units.slice(0, end).map(({ key }) => {
          const file = join(root, key, 'index')
          const loading = deps.known.get(file) ?? readIndex(file)
          deps.known.set(file, loading)
          return loading
        }),
      ),
    )
  for (const [i, unit] of units.entries()) {
    const place = join(root, unit.key)
    if (!existsSync(place)) await keep(await unit.form(() => stackTo(i), deps), place, deps)
    const name = `l${deps.count().toString(36)}`
    symlinkSync(join(place, 'fs'), join(holder.directory, name))
    lowers.unshift(name)
  }
  return {
    lowers,
    base: async () =>
      layeredBase(
        await stackTo(units.length),
        (layer, path) => units[layer]!.contentOf(path),
        deps.contents,
      ),
  }
}

/** All that layers hold as one tree, in an order that can be extracted. */
export async function flatEntries(layers: readonly BaseLayer[]): Promise<readonly Entry[]> {
  let tree: Tree = new Map()
  for (const layer of layers) tree = applyChanges(tree, await layer.changes())
  const whole = new Map(tree)
  for (const path of tree.keys()) {
    for (const parent of ancestors(path)) if (!whole.has(parent)) whole.set(parent, fresh(parent))
  }
  for (const entry of tree.values()) {
    // a link to a link is one to the file
    const linked = entry.type === 'hardlink' ? tree.get(entry.target) : undefined
    if (entry.type === 'hardlink' && linked?.type === 'hardlink') {
      whole.set(entry.path, { ...entry, target: linked.target })
    }
  }
  return [...withOrderedLinks(whole).values()].toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** OCI image-spec, config.md, "Layer ChainID". */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = []
  for (const diffId of diffIds) {
    const below = chain.at(-1)
    chain.push(below === undefined ? diffId : sha256(`${below} ${diffId}`))
  }
  return chain
}

interface Form {
  readonly entries: readonly Entry[]
  readonly index: LayerIndex
}

/** What becomes one lower directory. */
interface Unit {
  readonly key: string
  form(lower: () => Promise<LayerStack>, deps: LayerDeps): Promise<Form>
  contentOf(path: string): Promise<Content | undefined>
}

function unitsOf(layers: readonly BaseLayer[], most: number): Unit[] {
  const chain = chainIds(layers.map(({ diffId }) => diffId))
  // in steps, so that the next layer on top finds the same ones merged
  const step = Math.floor(most / 2)
  const merged = layers.length <= most ? 0 : Math.floor((layers.length - step) / step) * step
  const single = layers.slice(merged).map((layer, i): Unit => {
    const changes = once(layer.changes)
    const contents = once(async () => contentsOf(await changes()))
    return {
      key: digestHex(chain[merged + i]!),
      async form(lower, { holder }) {
        const mark = `${holder.userMarks ? 'user' : 'trusted'}.overlay.opaque`
        const stack = await lower()
        const form = overlayForm(await changes(), { lower: stack, mark })
        return withBorrowed(form, layers.slice(0, merged + i))
      },
      contentOf: async (path) => (await contents()).get(path),
    }
  })
  if (merged === 0) return single
  const flat = once(() => flatEntries(layers.slice(0, merged)))
  const contents = once(async () => contentsOf(await flat()))
  return [
    {
      key: `${digestHex(chain[merged - 1]!)}-flat`,
      async form() {
        const entries = await flat()
        const shown = new Map(entries.map((entry) => [entry.path, known(entry)]))
        return { entries, index: { entries: shown, whiteouts: new Set(), opaque: new Set() } }
      },
      contentOf: async (path) => (await contents()).get(path),
    },
    ...single,
  ]
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

function contentsOf(changes: readonly Change[]): ReadonlyMap<string, Content> {
  const contents = new Map<string, Content>()
  for (const change of changes)
    if (change.type === 'file') contents.set(change.path, change.content)
  return contents
}

/** A layer in which a hard link to a file of a lower one has become a copy of it, further ones links to that. */
async function withBorrowed(
  { entries, index, borrowed }: ReturnType<typeof overlayForm>,
  lower: readonly BaseLayer[],
): Promise<Form> {
  if (borrowed.size === 0) return { entries, index }
  const tree = new Map((await flatEntries(lower)).map((entry) => [entry.path, entry]))
  const copies = new Map<string, string>()
  const added: Entry[] = []
  for (const [path, target] of borrowed) {
    const linked = tree.get(target)
    const file = linked?.type === 'hardlink' ? tree.get(linked.target) : linked
    if (file?.type !== 'file') {
      throw new PlinthError(
        'PATH_UNSAFE',
        `cannot link '${path}' to '${target}': that is no file of the image`,
      )
    }
    const copy = copies.get(file.path)
    added.push(
      copy === undefined ? { ...file, path } : { ...file, path, type: 'hardlink', target: copy },
    )
    if (copy === undefined) copies.set(file.path, path)
  }
  const shown = new Map([...index.entries, ...added.map((e) => [e.path, known(e)] as const)])
  return { entries: [...entries, ...added], index: { ...index, entries: shown } }
}

/** A directory for layers whose owners and marks are on disk as this holder's ids have them. */
async function keepingPlace({ store, holder }: LayerDeps): Promise<string> {
  const { kind, uids, gids } = holder.ids
  const ids = createHash('sha256').update(JSON.stringify([uids, gids, holder.userMarks]))
  const name = kind === 'none' && !holder.userMarks ? 'root' : ids.digest('hex').slice(0, 16)
  const root = await store.directory(join('layers', name))
  // there are setuid programs in it
  chmodSync(root, 0o700)
  return root
}

async function keep(form: Form, place: string, deps: LayerDeps): Promise<void> {
  const { holder } = deps
  const temporary = join(holder.directory, `keep${deps.count()}`)
  try {
    mkdirSync(join(temporary, 'fs'), { recursive: true })
    chmodSync(join(temporary, 'fs'), 0o755)
    writeFileSync(join(temporary, 'index'), writeIndex(form.index))
  } catch (error) {
    throw storeFailure(error, 'keep a layer')
  }
  const into = join(basename(temporary), 'fs')
  await extract(holder, form.entries, { into, contents: deps.contents, overlay: true })
  try {
    renameSync(temporary, place)
  } catch (error) {
    // another process was first; the copy goes with the workspace
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      throw storeFailure(error, 'keep a layer')
    }
  }
}
