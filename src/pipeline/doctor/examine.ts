import { nativeExecutor, type NativeDeps } from '../../executor/native/executor.ts'
import { probeHolder, probePrograms, type Finding as Probed } from '../../executor/native/probe.ts'
import { choosePlace, forgetPlace } from '../../executor/native/scratch.ts'
import { isPlinthError } from '../../errors.ts'
import type { DockerLoadOptions } from '../../output/docker-load.ts'
import { readableSize } from '../../output/progress.ts'
import type { Platform } from '../../platform.ts'
import { checkEngine, checkGit, checkXz } from './extras.ts'
import type { Finding } from './finding.ts'
import { installHint, type Installable } from './install-hint.ts'
import { checkLoopback } from './loopback-check.ts'
import { checkPlatforms } from './platform-check.ts'
import { checkStore } from './store-check.ts'
import { namespaceHint } from './namespace-hint.ts'

/** What is looked at. */
export interface ExamineDeps {
  /** the store's folder */
  readonly root: string
  readonly platform: Platform
  readonly uid: number
  /** PATH */
  readonly path: string
  /** this program's own file, for an AppArmor profile */
  readonly program: string
  readonly engines: DockerLoadOptions
  readonly signal: AbortSignal
}

/**
 * Tries everything building may need, by doing it, and says of each what was found; the next is tried where the
 * one before does not stand in its way. Nothing is left behind. Never throws for what the machine lacks.
 */
export async function* examine(deps: ExamineDeps): AsyncGenerator<Finding> {
  const { store, finding } = await checkStore(deps.root)
  yield finding
  yield* store === undefined ? skipped('the store cannot be used') : workspaces(deps, store)
  yield checkXz()
  yield await checkEngine(deps.engines, deps.signal)
  yield await checkGit(deps.path)
}

/** Whether building works with these findings. */
export function isAble(findings: readonly Finding[]): boolean {
  return findings.every(({ state }) => state !== 'failed')
}

const inWorkspaces = [
  'programs',
  'namespaces',
  'ids',
  'storage',
  'memory',
  'run',
  'platforms',
  'network',
]

/** What was not tried because of what else does not work. */
function* skipped(why: string, done: readonly string[] = []): Generator<Finding> {
  for (const name of inWorkspaces) {
    if (!done.includes(name)) yield { name, state: 'skipped', detail: why }
  }
}

async function* workspaces(deps: ExamineDeps, store: NativeDeps['store']): AsyncGenerator<Finding> {
  const native: NativeDeps = { store, uid: deps.uid, path: deps.path, emit() {} }
  const executor = nativeExecutor(native)
  const steps: readonly (readonly [string, () => Promise<readonly Finding[]>])[] = [
    ['programs', () => probePrograms(native)],
    ['namespaces', async () => Promise.all((await probeHolder(native)).map(withPackages))],
    ['memory', async () => [await checkMemory(native)]],
    ['run', () => checkPlatforms(deps.platform, executor, deps.signal)],
    ['network', async () => [await checkLoopback(executor, deps.signal)]],
  ]
  const done: string[] = []
  for (const [name, step] of steps) {
    let found: readonly Finding[]
    try {
      found = await step()
    } catch (error) {
      if (!isPlinthError(error)) throw error
      const { code, message: detail } = error
      const lacks = code === 'TOOL_MISSING' ? toolPackages(error.facts?.['missing']) : []
      const hint =
        code === 'NAMESPACE_UNAVAILABLE'
          ? namespaceHint(error, deps.program)
          : lacks.length > 0
            ? await installHint(...lacks)
            : error.hint
      found = [{ name, state: 'failed', detail, hint }]
    }
    yield* found
    done.push(...found.map((one) => one.name))
    const failed = found.find(({ state }) => state === 'failed')
    if (failed !== undefined) {
      yield* skipped(`${failed.name} stand in the way`, done)
      return
    }
  }
}

/** Missing ids are had with a package and a command, told for this system. */
async function withPackages(finding: Probed): Promise<Finding> {
  if (finding.name !== 'ids' || finding.state === 'ok') return finding
  return {
    ...finding,
    hint: `${await installHint('newuidmap')}\ngive yourself ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$USER"`,
  }
}

function toolPackages(missing: unknown): readonly Installable[] {
  const names = Array.isArray(missing) ? (missing as readonly string[]) : []
  const of = (name: string): Installable =>
    name === 'tar' ? 'tar' : name === 'find' ? 'findutils' : 'util-linux'
  return [...new Set(names.map(of))]
}

/** Where a workspace goes: what was opened before went to the same place. */
async function checkMemory({ store, uid }: NativeDeps): Promise<Finding> {
  const name = 'memory'
  const place = await choosePlace(1, { store, userNamespace: uid !== 0 })
  await forgetPlace(place)
  if (place.memory === undefined) {
    return {
      name,
      state: 'degraded',
      detail: `workspaces lie on the disk of ${store.root}`,
      hint: 'for ordinary users Linux 6.6 is needed to keep them in memory',
    }
  }
  const most = readableSize(place.memory / 3)
  return { name, state: 'ok', detail: `workspaces of up to ${most} are kept in memory` }
}
