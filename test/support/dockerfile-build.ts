import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseDockerfile } from '../../src/dockerfile/dockerfile.ts'
import { parseTrigger } from '../../src/dockerfile/instruction.ts'
import { pathMatcher } from '../../src/dockerfile/ignore.ts'
import { openContext } from '../../src/engine/local/context.ts'
import type { BuildGraphRequest, EngineDeps } from '../../src/engine/local/deps.ts'
import { buildGraph } from '../../src/engine/local/engine.ts'
import type { Change } from '../../src/entry.ts'
import type { Event } from '../../src/events.ts'
import type { Http } from '../../src/http/http.ts'
import type { Image } from '../../src/image.ts'
import { parsePlatform } from '../../src/platform.ts'
import type { Executor, RunRequest, Store } from '../../src/ports.ts'
import { contentReader } from '../../src/store/content.ts'
import { rootOf } from '../../src/rootfs/layered-root.ts'
import { scratchDirectory, scratchStore } from './scratch.ts'

const platform = parsePlatform('linux/amd64')

/** Files of a context: text, or a link, a second name, a mode. */
export type ContextFile =
  | string
  | { readonly symlink: string }
  | { readonly hardlink: string }
  | { readonly mode: number; readonly text: string }

/** Makes a context's directory. */
export function contextDirectory(files: Readonly<Record<string, ContextFile>>): string {
  const root = scratchDirectory()
  for (const [name, file] of Object.entries(files)) {
    const place = path.join(root, name)
    mkdirSync(name.endsWith('/') ? place : path.dirname(place), { recursive: true })
    if (name.endsWith('/')) continue
    if (typeof file === 'string') writeFileSync(place, file)
    else if ('symlink' in file) symlinkSync(file.symlink, place)
    else if ('hardlink' in file) linkSync(path.join(root, file.hardlink), place)
    else {
      writeFileSync(place, file.text)
      chmodSync(place, file.mode)
    }
  }
  return root
}

export interface Trial {
  readonly store?: Store
  readonly context?: string
  readonly ignore?: readonly string[]
  readonly buildArgs?: Readonly<Record<string, string>>
  readonly target?: string
  /** images by name */
  readonly images?: Readonly<Record<string, Image>>
  /** what a RUN does: what it changes, or its exit code */
  readonly run?: (request: RunRequest) => readonly Change[] | number
  readonly secrets?: Readonly<Record<string, string>>
  readonly http?: Http
  readonly epoch?: number
  readonly noCache?: boolean
}

/** What came of a build. */
export interface Tried {
  readonly image: Image
  readonly cached: boolean
  readonly events: readonly Event[]
  readonly store: Store
  /** `{ '/etc/motd': 'file 0644 0:0 text' }` of one layer (from 0), or of all */
  listing(layer?: number): Promise<Record<string, string>>
}

/** Builds a Dockerfile with an executor that only says what a command changes. */
export async function tryDockerfile(text: string, trial: Trial = {}): Promise<Tried> {
  const store = trial.store ?? (await scratchStore())
  const events: Event[] = []
  const buildArgs = new Map(Object.entries(trial.buildArgs ?? {}))
  const dockerfile = parseDockerfile(text, {
    file: 'Dockerfile',
    buildArgs,
    target: trial.target,
    targetPlatform: platform,
    buildPlatform: platform,
  })
  const directory = trial.context ?? contextDirectory({})
  const matcher = pathMatcher(trial.ignore ?? [])
  const request: BuildGraphRequest = {
    graph: dockerfile.graph,
    platform,
    context: openContext(directory, { file: '.dockerignore', matcher }),
    buildArgs,
    epoch: trial.epoch,
    network: 'none',
    noCache: trial.noCache ?? false,
    base: async (source) => {
      const image = source.kind === 'image' ? trial.images?.[source.name] : undefined
      if (image === undefined) throw new Error('no such image')
      return Promise.resolve(image)
    },
    secrets: new Map(
      Object.entries(trial.secrets ?? {}).map(([id, value]) => [
        id,
        () => Promise.resolve(Buffer.from(value)),
      ]),
    ),
    agents: new Map(),
    trigger: (trigger, stage) =>
      parseTrigger(trigger, dockerfile.context, { stage, origin: 'its base' }),
  }
  const { image, cached } = await buildGraph(request, {
    ...engineDeps(store),
    executor: pretendingExecutor(trial.run ?? (() => [])),
    http: trial.http ?? noHttp,
    emit: (event) => events.push(event),
  })
  return {
    image,
    cached,
    events,
    store,
    listing: (layer) => listLayers(image, layer, store),
  }
}

/** What the engine works with where nothing runs and nothing is fetched. */
export function engineDeps(store: Store): EngineDeps {
  return {
    store,
    executor: pretendingExecutor(() => []),
    http: noHttp,
    retry: {
      rounds: 1,
      delay: 0,
      maxDelay: 0,
      // files made a moment ago count as settled
      now: () => new Date(Date.now() + 60_000),
      random: () => 0,
      sleep: () => Promise.resolve(),
    },
    emit() {},
    signal: new AbortController().signal,
  }
}

function pretendingExecutor(run: NonNullable<Trial['run']>): Executor {
  return {
    name: 'pretending',
    open() {
      let changes: readonly Change[] = []
      const written: Change[] = []
      return Promise.resolve({
        run(request) {
          const result = run(request)
          if (typeof result === 'number') return Promise.resolve({ code: result })
          changes = result
          return Promise.resolve({ code: 0 })
        },
        read: () => Promise.resolve(undefined),
        present: () => Promise.resolve([]),
        async write(entries) {
          for await (const entry of entries) written.push(entry)
        },
        changes: () => Promise.resolve([...written, ...changes]),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      })
    },
  }
}

const noHttp: Http = {
  get: () => Promise.reject(new Error('there is no network here')),
  close() {},
}

async function listLayers(
  image: Image,
  layer: number | undefined,
  store: Store,
): Promise<Record<string, string>> {
  const root = rootOf(image.layers, store)
  const changes =
    layer === undefined
      ? [...(await root.tree()).values()].toSorted((a, b) => (a.path < b.path ? -1 : 1))
      : await root.bases[layer]!.changes()
  using contents = contentReader(store)
  const listing: Record<string, string> = {}
  for (const change of changes) {
    if (change.type === 'whiteout') {
      listing[`/${change.path}`] = 'whiteout'
      continue
    }
    const mode = change.mode.toString(8).padStart(4, '0')
    const words: string[] = [change.type, mode, `${change.uid}:${change.gid}`]
    if (change.type === 'file')
      words.push(Buffer.from(await contents.bytes(change.content, change.size)).toString())
    if (change.type === 'symlink' || change.type === 'hardlink') words.push(`-> ${change.target}`)
    listing[`/${change.path}`] = words.join(' ')
  }
  return listing
}
