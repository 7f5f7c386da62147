import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Mount, WorkspaceBase } from '../../ports.ts'
import { treeBase, type Base } from './base.ts'
import { plainState, type PlainState } from './collect-plain.ts'
import { extract } from './extract.ts'
import type { Mounted } from './holder.ts'
import { flatEntries, openLayers, type LayerDeps } from './layers.ts'
import type { ReadyTree } from './mounts.ts'

/** What making trees ready in a workspace needs. */
export interface TreeDeps extends LayerDeps {
  readonly storage: 'overlay' | 'copy'
}

/** The root of a workspace, mounted. */
export interface Root {
  readonly mounted: Mounted
  /** how the tree was before anything ran, where there is no overlay to tell */
  readonly plain: PlainState | undefined
  /** what it was opened on, as far as that is in memory anyway */
  readonly tree: ReadonlyMap<string, Entry> | undefined
  /** what it was opened on */
  base(): Promise<Base>
}

/** Puts a base in place and mounts it. Throws `PATH_UNSAFE` for one that cannot be run in, and what extracting does. */
export async function openRoot(base: WorkspaceBase, deps: TreeDeps): Promise<Root> {
  const { holder, contents } = deps
  if ('layers' in base && deps.storage === 'overlay') {
    const opened = await openLayers(base.layers, deps)
    // an overlay needs a lower directory
    const mounted = await holder.mount([...opened.lowers, 'io/empty'])
    if (mounted.storage === 'overlay') {
      return { mounted, plain: undefined, tree: undefined, base: () => opened.base() }
    }
    const tree = new Map<string, Entry>()
    await extract(holder, await flatEntries(base.layers), {
      into: 'data/lower',
      contents,
      seen: tree,
    })
    return { ...treeRoot(tree, deps), mounted, plain: await plainState(holder) }
  }
  const tree = new Map<string, Entry>()
  const entries = 'layers' in base ? await flatEntries(base.layers) : base
  await extract(holder, entries, { into: 'data/lower', contents, seen: tree })
  for (const name of ['proc', 'dev', 'sys']) {
    const entry = tree.get(name)
    if (entry !== undefined && entry.type !== 'directory') {
      throw new PlinthError('PATH_UNSAFE', `cannot run in this tree: '/${name}' is no directory`, {
        hint: 'proc, dev and sys are where the kernel is mounted: they must be directories or absent',
      })
    }
  }
  const mounted = await holder.mount(deps.storage === 'copy' ? undefined : ['data/lower'])
  const plain = mounted.storage === 'copy' ? await plainState(holder) : undefined
  return { ...treeRoot(tree, deps), mounted, plain }
}

function treeRoot(tree: ReadonlyMap<string, Entry>, { contents }: TreeDeps) {
  return { tree, base: async () => treeBase(tree, contents) }
}

/** Puts a tree in place that is mounted somewhere in another. What is written to it stays in the workspace's scratch. */
export async function openTree(
  { base, readonly }: Mount & { readonly type: 'tree' },
  name: string,
  deps: TreeDeps,
): Promise<ReadyTree> {
  const { holder, contents } = deps
  const make = (directory: string): string => {
    const path = join('data', directory)
    mkdirSync(join(holder.visible, path))
    chmodSync(join(holder.visible, path), 0o755)
    return path
  }
  if ('layers' in base && deps.storage === 'overlay') {
    const { lowers } = await openLayers(base.layers, deps)
    const marks = holder.userMarks ? 'userxattr' : 'redirect_dir=nofollow'
    const upper = readonly
      ? 'ro'
      : `upperdir=${make(`${name}-upper`)},workdir=${make(`${name}-work`)},index=off,metacopy=off`
    const options = `lowerdir=${[...lowers, 'io/empty', 'io/sys'].join(':')},${upper},${marks},nodev`
    return { line: (at) => ['overlay', at, 'overlay', options] }
  }
  const into = make(`${name}-tree`)
  const entries = 'layers' in base ? await flatEntries(base.layers) : base
  await extract(holder, entries, { into, contents })
  const path = join(holder.directory, into)
  return { line: (at) => [path, at, 'none', `bind,nodev${readonly ? ',ro' : ''}`] }
}
