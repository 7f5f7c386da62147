import { posix } from 'node:path'
import { sha256 } from '../../digest.ts'
import type { Change, Content } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Add, Copy, Source } from '../../instruction.ts'
import { nearest } from '../../nearest.ts'
import { readAccounts } from '../../rootfs/accounts.ts'
import { writeChanges } from '../../rootfs/change-layer.ts'
import { rootOf, type LayeredRoot } from '../../rootfs/layered-root.ts'
import type { Tree } from '../../rootfs/tree.ts'
import { addedPart, isRemote } from './added.ts'
import { unpackInto } from './archive.ts'
import { parseChmod } from './chmod.ts'
import { absolute } from './config.ts'
import type { StepDeps } from './deps.ts'
import { treeSource, unknownTime } from './file-tree.ts'
import { Destination, type Owner, type Placed } from './place.ts'
import { selectFiles, type Selection } from './select.ts'
import { layered, type StageState } from './state.ts'
import { cachedLayer } from './step-cache.ts'

/** Files to copy that come from one place. */
export interface Part {
  /** all that decides what is copied, by content */
  readonly key: unknown
  readonly selections: () => Promise<readonly Selection[]>
  /** the content of what has none of its own, by its path in the source */
  readonly content?: ((from: string) => Content) | undefined
  /** archives are unpacked instead */
  readonly unpack?: boolean | undefined
}

/** Carries out a COPY or ADD: one layer. The second value tells whether it was known. */
export async function copyStep(
  state: StageState,
  instruction: Copy | Add,
  deps: StepDeps,
): Promise<readonly [StageState, boolean]> {
  const config = state.image.config.config
  const destination = destinationOf(absolute(config, instruction.destination), instruction)
  const mode = instruction.chmod === undefined ? undefined : parseChmod(instruction.chmod)
  const parts = await partsOf(instruction, deps)
  const names = instruction.chown !== undefined && !/^[0-9]+(:[0-9]+)?$/.test(instruction.chown)
  const inputs = [
    'copy',
    // onto an empty root nothing below matters, but for whom names stand for
    instruction.link && !names ? 'link' : state.root.chain,
    instruction.link ?? false,
    destination,
    instruction.chown,
    instruction.chmod,
    instruction.exclude,
    parts.map(({ key, unpack }) => [key, unpack ?? false]),
    state.epoch,
  ]
  const made = await cachedLayer(
    inputs,
    async () => {
      const below = instruction.link && !names ? undefined : await state.root.tree()
      const lower: Tree = instruction.link ? new Map() : below!
      const owner = await ownerOf(instruction.chown, below, deps)
      const target = new Destination(lower)
      const contents = new Map<string, Content>()
      for (const part of parts) {
        for (const selection of await part.selections()) {
          if (part.unpack && (await unpackInto(target, selection, part, { destination, owner }, deps)))
            continue
          target.place(selection, { destination, owner, mode })
          for (const { entry } of selection.entries) {
            if (entry.type === 'file' && part.content !== undefined && entry.content === undefined)
              contents.set(entry.path, part.content(entry.path))
          }
        }
      }
      const changes = target.changes.map((placed) => withContent(placed, contents))
      const write = (open?: Parameters<typeof writeChanges>[1]['open']) =>
        writeChanges(changes, { lower, epoch: state.epoch, open }, deps)
      return deps.files === undefined ? write() : deps.files.openWith(write)
    },
    { store: deps.store, noCache: deps.request.noCache },
  )
  const createdBy = `${createdByOf(instruction)} # buildkit`
  return [layered(state, { ...made, createdBy, instruction }, deps.store), made.cached]
}

/** A directory when it says so: `dir/`, `.`, `dir/.`. */
function destinationOf(path: string, { destination }: Copy | Add): string {
  const isDirectory = /(^|\/)\.?$/.test(destination)
  return isDirectory && !path.endsWith('/') ? `${path}/` : path
}

function withContent(placed: Placed, contents: ReadonlyMap<string, Content>): Change {
  const { from, ...change } = placed
  if (change.type !== 'file' || from === undefined) return change
  const content = contents.get(from)
  return content === undefined ? change : { ...change, content }
}

async function partsOf(instruction: Copy | Add, deps: StepDeps): Promise<readonly Part[]> {
  const parts: Part[] = []
  const from = instruction.kind === 'copy' ? instruction.from : undefined
  for (const source of instruction.sources) {
    if (instruction.kind === 'add' && isRemote(source))
      parts.push(await addedPart(source, instruction, deps))
    else if (from === undefined) parts.push(await contextPart(source, instruction, deps))
    else parts.push(await rootPart(from, source, instruction, deps))
  }
  return [...parts, ...instruction.inline.map(inlinePart)]
}

async function contextPart(
  source: string,
  instruction: Copy | Add,
  deps: StepDeps,
): Promise<Part> {
  const { context } = deps.request
  const { files } = deps
  if (context === undefined || files === undefined) {
    throw new PlinthError('COPY_SOURCE_MISSING', `'${source}' cannot be copied: there is no context`, {
      hint: 'build a directory: plinth build DIR',
    })
  }
  const selections = selectFiles([source], context, selectOptions(instruction, deps))
  const digests = await files.digests(filesOf(selections))
  return {
    key: ['context', selections.map((selection) => listing(selection, digests))],
    selections: () => Promise.resolve(selections),
    content: (path) => files.content(path),
    unpack: instruction.kind === 'add' && instruction.unpack !== false,
  }
}

async function rootPart(
  from: Source,
  source: string,
  instruction: Copy | Add,
  deps: StepDeps,
): Promise<Part> {
  const [root, name] = await sourceRoot(from, deps)
  return {
    key: ['root', root.chain, source, instruction.kind === 'copy' && instruction.parents],
    selections: async () =>
      selectFiles([source], treeSource(await root.tree(), name), selectOptions(instruction, deps)),
  }
}

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

function inlinePart({ name, content }: Copy['inline'][number]): Part {
  const bytes = Buffer.from(content)
  const entry = {
    type: 'file',
    path: name,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: unknownTime,
    size: bytes.length,
    content: { kind: 'bytes', bytes },
  } as const
  return {
    key: ['inline', name, sha256(bytes)],
    selections: () =>
      Promise.resolve([
        { name: posix.basename(name), isDirectory: false, entries: [{ below: '', entry }] },
      ]),
  }
}

function selectOptions(
  instruction: Copy | Add,
  { emit }: StepDeps,
): Parameters<typeof selectFiles>[2] {
  return {
    exclude: instruction.exclude,
    parents: instruction.kind === 'copy' && instruction.parents,
    onNothing: (pattern) =>
      emit({
        type: 'warning',
        code: 'COPY_MATCHES_NOTHING',
        message: `${instruction.kind.toUpperCase()}: nothing matches '${pattern}'`,
      }),
  }
}

/** The paths of the files of selections. */
export function filesOf(selections: readonly Selection[]): string[] {
  return selections.flatMap(({ entries }) =>
    entries.flatMap(({ entry }) => (entry.type === 'file' ? [entry.path] : [])),
  )
}

/** A selection by content: no time, no path of this machine; hard links by the first of their names. */
export function listing(
  { name, isDirectory, entries }: Selection,
  digests: ReadonlyMap<string, string>,
): unknown {
  const first = new Map<string, string>()
  return [
    name,
    isDirectory,
    entries.map(({ below, entry }) => {
      const { type, mode } = entry
      if (type === 'symlink') return [below, type, entry.target]
      if (type !== 'file') return [below, type, mode]
      const { link } = entry
      if (link !== undefined && !first.has(link)) first.set(link, below)
      const linked = link === undefined ? [] : [first.get(link)]
      return [below, type, mode, digests.get(entry.path), ...linked]
    }),
  ]
}

/** Whom `--chown` means: names are those of the image; a user alone brings its group, a number itself. */
async function ownerOf(
  chown: string | undefined,
  tree: Tree | undefined,
  deps: StepDeps,
): Promise<Owner | undefined> {
  if (chown === undefined) return undefined
  const [user = '', group] = chown.split(':', 2)
  if (/^[0-9]+$/.test(user) && (group === undefined || /^[0-9]+$/.test(group))) {
    return { uid: Number(user), gid: Number(group ?? user) }
  }
  const accounts = await readAccounts(tree ?? new Map(), deps.store)
  const found = accounts.find(chown)
  if (found !== undefined) {
    const isNumber = group === undefined && /^[0-9]+$/.test(user)
    return { uid: found.uid, gid: isNumber ? found.uid : found.gid }
  }
  throw unknownUser(chown, accounts)
}

/** The error for a user or group that an image does not have. */
export function unknownUser(
  text: string,
  accounts: { readonly users: readonly string[]; readonly groups: readonly string[] },
): PlinthError {
  const [user = '', group] = text.split(':', 2)
  const isUser = !/^[0-9]+$/.test(user) && !accounts.users.includes(user)
  const [what, name, known] = isUser
    ? ['user', user, accounts.users]
    : ['group', group ?? '', accounts.groups]
  const [close] = nearest(name, known)
  return new PlinthError('USER_UNKNOWN', `the image has no ${what} '${name}'`, {
    hint:
      close === undefined
        ? `make it first (RUN ${what === 'user' ? 'useradd' : 'groupadd'} …), or write its number`
        : `did you mean ${close}?`,
  })
}

function createdByOf(instruction: Copy | Add): string {
  return [
    instruction.kind.toUpperCase(),
    ...(instruction.kind === 'copy' && instruction.parents ? ['--parents'] : []),
    ...(instruction.chown === undefined ? [] : [`--chown=${instruction.chown}`]),
    ...(instruction.chmod === undefined ? [] : [`--chmod=${instruction.chmod}`]),
    ...instruction.sources,
    ...instruction.inline.map(({ name }) => `<<${name}`),
    instruction.destination,
  ].join(' ')
}
