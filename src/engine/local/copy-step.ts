import { posix } from 'node:path'
import { sha256 } from '../../digest.ts'
import type { Change, Content } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Add, Copy, Source } from '../../instruction.ts'
import { writeChanges } from '../../rootfs/change-layer.ts'
import type { Tree } from '../../rootfs/tree.ts'
import { addedPart, isRemote } from './added.ts'
import { unpackInto } from './archive.ts'
import { parseChmod } from './chmod.ts'
import { absolute } from './config.ts'
import type { StepDeps } from './deps.ts'
import { treeSource, unknownTime } from './file-tree.ts'
import { filesOf, listing } from './listing.ts'
import { ownerOf } from './owner.ts'
import type { Part } from './part.ts'
import { Destination, type Placed } from './place.ts'
import { selectFiles } from './select.ts'
import { sourceRoot } from './source-root.ts'
import { layered, type StageState } from './state.ts'
import { cachedLayer } from './step-cache.ts'

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
    deps.request.epoch === undefined,
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
          if (
            part.unpack &&
            (await unpackInto(target, selection, part, { destination, owner }, deps))
          )
            continue
          target.place(selection, { destination, owner, mode })
          for (const { entry } of selection.entries) {
            if (entry.type === 'file' && part.content !== undefined && entry.content === undefined)
              contents.set(entry.path, part.content(entry.path))
          }
        }
      }
      // what an archive or an image says of its files' times is as good as their content
      const latest = deps.request.epoch ?? unknownTime - 1
      const changes = target.changes.map((placed) => withContent(placed, contents))
      const write = (open?: Parameters<typeof writeChanges>[1]['open']) =>
        writeChanges(changes, { lower, epoch: state.epoch, latest, open }, deps)
      return deps.files === undefined ? write() : deps.files.openWith(write)
    },
    { root: state.root, store: deps.store, noCache: deps.request.noCache },
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
  if (instruction.kind === 'add') checkChecksum(instruction)
  for (const source of instruction.sources) {
    if (instruction.kind === 'add' && isRemote(source))
      parts.push(await addedPart(source, instruction, deps))
    else if (from === undefined) parts.push(await contextPart(source, instruction, deps))
    else parts.push(await rootPart(from, source, instruction, deps))
  }
  return [...parts, ...instruction.inline.map(inlinePart)]
}

/** What is in the context or the Dockerfile is what it is: a checksum there would be one that nobody looks at. */
function checkChecksum({ checksum, sources, inline }: Add): void {
  const own = [...sources.filter((source) => !isRemote(source)), ...inline.map(({ name }) => name)]
  if (checksum === undefined || own.length === 0) return
  throw new PlinthError(
    'DOCKERFILE_INVALID',
    `'${own[0]}' cannot be checked: --checksum is for a URL or a git repository`,
    { hint: 'leave --checksum out: files of the context count by their content anyway' },
  )
}

async function contextPart(source: string, instruction: Copy | Add, deps: StepDeps): Promise<Part> {
  const { context } = deps.request
  const { files } = deps
  if (context === undefined || files === undefined) {
    throw new PlinthError(
      'COPY_SOURCE_MISSING',
      `'${source}' cannot be copied: there is no context`,
      {
        hint: 'build a directory: plinth build DIR',
      },
    )
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
