import type { Change } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Emit } from '../../events.ts'
import type { Plan, PlannedPackage } from '../../plan.ts'
import type { Executor, Store } from '../../ports.ts'
import { applyChanges, sortedEntries, withOrderedLinks, type Tree } from '../../rootfs/tree.ts'
import { openContents } from '../../store/content.ts'
import { cleanUp } from './cleanup.ts'
import { configureDebs, configureStubs } from './configure.ts'
import { unpackedSystem, type OpenedDeb, type UnpackedSystem } from './rootfs.ts'
import { unpackDeb } from './unpack.ts'

export interface InstallDeps {
  readonly store: Store
  readonly executor: Executor
  readonly emit: Emit
  readonly signal: AbortSignal
  /** called with the tree before scripts run: work on it may go on beside them */
  readonly onUnpacked?: ((tree: Tree) => void) | undefined
}

/** Unpacks packages as their files arrive, a few at a time. */
export function packageOpener(deps: Pick<InstallDeps, 'store' | 'signal'>): {
  add(pkg: PlannedPackage): void
  /** All that were added, in the order of `plan`. */
  opened(plan: Plan): Promise<OpenedDeb[]>
} {
  // decompression runs on Node's thread pool, which has four threads; more would only hold memory
  const slots = 4
  const results = new Map<PlannedPackage, Promise<OpenedDeb>>()
  const waiting: (() => void)[] = []
  let running = 0
  const run = async (planned: PlannedPackage): Promise<OpenedDeb> => {
    if (running >= slots) await new Promise<void>((start) => waiting.push(start))
    running++
    try {
      deps.signal.throwIfAborted()
      return {
        planned,
        deb: await unpackDeb(planned.digest, `${planned.name} ${planned.version}`, deps.store),
      }
    } finally {
      running--
      waiting.shift()?.()
    }
  }
  return {
    add: (pkg) => {
      const result = run(pkg)
      // reported by `opened`
      result.catch(() => {})
      results.set(pkg, result)
    },
    opened: (plan) => Promise.all(plan.packages.map((pkg) => results.get(pkg) ?? run(pkg))),
  }
}

/**
 * Makes the configured root filesystem of a plan from its unpacked packages.
 * Errors: those of `unpackedSystem`, `configureDebs` and the executor.
 */
export async function installDebs(
  plan: Plan,
  opened: readonly OpenedDeb[],
  deps: InstallDeps,
): Promise<Tree> {
  const system = await assemble(plan, opened, deps)
  deps.onUnpacked?.(system.tree)
  const changes = await configure(plan, system, deps)
  const kept = changes.filter(
    ({ path }) => !configureStubs.some((stub) => path === stub || path.startsWith(`${stub}/`)),
  )
  return cleanUp(applyChanges(system.tree, kept))
}

async function assemble(
  plan: Plan,
  opened: readonly OpenedDeb[],
  deps: InstallDeps,
): Promise<UnpackedSystem> {
  using contents = await openContents(
    deps.store,
    opened.map(({ deb }) => deb.data),
  )
  return unpackedSystem(plan, opened, (a, b) => {
    if (a.type !== b.type) return false
    if (a.type === 'symlink' && b.type === 'symlink') return a.target === b.target
    if (a.type !== 'file' || b.type !== 'file' || a.size !== b.size) return false
    return (
      Buffer.compare(contents.bytes(a.content, a.size), contents.bytes(b.content, b.size)) === 0
    )
  })
}

async function configure(
  plan: Plan,
  system: UnpackedSystem,
  deps: InstallDeps,
): Promise<readonly Change[]> {
  if (!system.tree.has('usr/bin/dpkg')) {
    throw new PlinthError(
      'UNSATISFIABLE',
      'cannot configure the packages: dpkg is not among them',
      {
        hint: "maintainer scripts need a system to run in: include dpkg, or choose variant 'essential' or larger",
      },
    )
  }
  const id = 'configure'
  deps.emit({
    type: 'step-started',
    id,
    title: 'configure packages',
    total: system.packages.length,
    unit: 'items',
  })
  try {
    const base = sortedEntries(withOrderedLinks(system.tree))
    await using workspace = await deps.executor.open(base, {
      signal: deps.signal,
      // what late packages unpack and scripts make comes on top
      sizeHint: plan.packages.reduce((sum, pkg) => sum + pkg.installedSize, 0) * 2,
    })
    await configureDebs(
      system.packages,
      { epoch: plan.epoch, awk: system.awk, has: (path) => system.tree.has(path) },
      {
        workspace,
        onLine: (stream, line) => deps.emit({ type: 'output', id, stream, line }),
        onProgress: (done) => deps.emit({ type: 'step-progress', id, done }),
      },
    )
    const changes = await workspace.changes()
    deps.emit({ type: 'step-finished', id, detail: `${system.packages.length} packages` })
    return changes
  } catch (error) {
    deps.emit({ type: 'step-failed', id })
    throw error
  }
}
