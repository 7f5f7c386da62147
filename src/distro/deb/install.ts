import type { Change, Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Emit } from '../../events.ts'
import type { Plan, PlannedPackage } from '../../plan.ts'
import type { Executor, Store, Workspace } from '../../ports.ts'
import { quantity } from '../../quantity.ts'
import { applyChanges, type Tree } from '../../rootfs/tree.ts'
import { contentReader, type ContentReader } from '../../store/content.ts'
import { cleanUp } from './cleanup.ts'
import { configureDebs } from './configure.ts'
import { withoutStubs } from './configure-stubs.ts'
import { withDownloadDirectories } from './download-directories.ts'
import { unpackSystem, type OpenedDeb, type UnpackingSystem } from './rootfs.ts'
import { ensureUnpacked, unpackDeb } from './unpack.ts'
import { recordUnpacked } from './unpacked-record.ts'

export interface InstallDeps {
  readonly store: Store
  readonly executor: Executor
  readonly emit: Emit
  readonly signal: AbortSignal
  /** called with the tree before scripts run: work on it may go on beside them */
  readonly onUnpacked?: ((tree: Tree) => void) | undefined
}

/**
 * Unpacks packages as their files arrive, a few at a time, those first that the plan has first. What was
 * unpacked by an earlier build is verified here, ahead of who reads it.
 */
export class PackageOpener {
  readonly #deps: Pick<InstallDeps, 'store' | 'signal' | 'emit'>
  readonly #results = new Map<PlannedPackage, PromiseWithResolvers<OpenedDeb>>()
  readonly #arrived = new Set<PlannedPackage>()
  readonly #running = new Set<Promise<void>>()
  readonly #unrecorded: OpenedDeb[] = []

  constructor(plan: Plan, deps: Pick<InstallDeps, 'store' | 'signal' | 'emit'>) {
    this.#deps = deps
    for (const pkg of plan.packages) {
      const result = withResolvers<OpenedDeb>()
      // whoever reads the result is told; nobody may be reading yet
      result.promise.catch(() => {})
      this.#results.set(pkg, result)
    }
  }

  /** The package's file is in the store now. */
  add(pkg: PlannedPackage): void {
    this.#arrived.add(pkg)
    if (this.#running.size >= slots) return
    const work = this.#work().finally(() => this.#running.delete(work))
    this.#running.add(work)
  }

  /** No file will come any more. */
  fail(error: unknown): void {
    for (const { reject } of this.#results.values()) reject(error)
  }

  /**
   * Keeps what packages were unpacked to for the next build: apart from unpacking, which has no time to spare.
   * Throws `DISK_FULL` or `IO`.
   */
  async remember(): Promise<void> {
    for (const { planned, deb } of this.#unrecorded.splice(0))
      await recordUnpacked(planned.digest, deb, this.#deps.store)
  }

  /** Resolves when nothing is being unpacked any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#running)
  }

  /** Every package of the plan, in its order, as it gets ready. */
  get opened(): readonly Promise<OpenedDeb>[] {
    return [...this.#results.values()].map(({ promise }) => promise)
  }

  async #work(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const [pkg, { resolve, reject }] = next
      this.#arrived.delete(pkg)
      try {
        this.#deps.signal.throwIfAborted()
        const deb = await unpackDeb(pkg.digest, nameOf(pkg), this.#deps.store, (fresh) => {
          this.#unrecorded.push({ planned: pkg, deb: fresh })
        })
        await ensureUnpacked(pkg.digest, deb.data, nameOf(pkg), this.#deps)
        resolve({ planned: pkg, deb })
      } catch (error) {
        reject(error)
      }
    }
  }

  #next(): [PlannedPackage, PromiseWithResolvers<OpenedDeb>] | undefined {
    for (const one of this.#results) if (this.#arrived.has(one[0])) return one
    return undefined
  }
}

function nameOf({ name, version }: PlannedPackage): string {
  return `${name} ${version}`
}

/**
 * Decompression runs on Node's thread pool of four threads; one stays free for reading and writing. More than
 * two also where there are two processors: each waits for the main thread now and then.
 */
const slots = 3

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/**
 * Makes the configured root filesystem of a plan: unpacks into a workspace while packages get ready, runs
 * their scripts there, and folds what those changed into the tree.
 * Errors: those of `unpackSystem`, `configureDebs` and the executor.
 */
export async function installDebs(
  plan: Plan,
  opened: readonly Promise<OpenedDeb>[],
  deps: InstallDeps,
): Promise<Tree> {
  if (!plan.packages.some(({ name }) => name === 'dpkg')) {
    throw new PlinthError(
      'UNSATISFIABLE',
      'cannot configure the packages: dpkg is not among them',
      {
        hint: "maintainer scripts need a system to run in: include dpkg, or choose variant 'essential' or larger",
      },
    )
  }
  using contents = contentReader(deps.store)
  const { system, workspace } = await unpack(plan, opened, contents, deps)
  const changes = await configure(plan, system, workspace, deps)
  const kept = withoutStubs(changes, system.tree)
  const tree = applyChanges(system.tree, kept)
  return cleanUp(await withDownloadDirectories(tree, plan.epoch, contents))
}

async function sameContent(a: Entry, b: Entry, contents: ContentReader): Promise<boolean> {
  if (a.type === 'symlink' && b.type === 'symlink') return a.target === b.target
  if (a.type !== 'file' || b.type !== 'file' || a.size !== b.size) return false
  const [left, right] = await Promise.all(
    [a, b].map((file) => contents.bytes(file.content, file.size)),
  )
  return Buffer.compare(left!, right!) === 0
}

/** Opens a workspace on the packages, as they get ready. */
async function unpack(
  plan: Plan,
  opened: readonly Promise<OpenedDeb>[],
  contents: ContentReader,
  deps: InstallDeps,
): Promise<{ readonly system: UnpackingSystem; readonly workspace: Workspace }> {
  const { emit, signal } = deps
  const id = 'unpack'
  const total = plan.packages.length
  let done = 0
  try {
    const system = await unpackSystem(plan, opened, {
      sameContent: (a, b) => sameContent(a, b, contents),
      onPackage: ({ planned }) => {
        // there is nothing to see before the first package is there
        if (done === 0)
          emit({ type: 'step-started', id, title: 'unpack packages', total, unit: 'items' })
        emit({ type: 'step-progress', id, done: done++, detail: planned.name })
      },
    })
    const workspace = await deps.executor.open(system.entries, {
      signal,
      // what late packages unpack and scripts make comes on top
      sizeHint: plan.packages.reduce((sum, pkg) => sum + pkg.installedSize, 0) * 2,
    })
    emit({ type: 'step-finished', id, detail: quantity(system.tree.size, 'path') })
    return { system, workspace }
  } catch (error) {
    if (done > 0) emit({ type: 'step-failed', id })
    throw error
  }
}

/** Runs the packages' scripts in the workspace, closes it, and gives what they changed. */
async function configure(
  plan: Plan,
  system: UnpackingSystem,
  opened: Workspace,
  deps: InstallDeps,
): Promise<readonly Change[]> {
  await using workspace = opened
  const { emit } = deps
  deps.onUnpacked?.(system.tree)
  const packages = system.packages()
  const id = 'configure'
  emit({
    type: 'step-started',
    id,
    title: 'configure packages',
    total: packages.length,
    unit: 'items',
  })
  try {
    await configureDebs(
      packages,
      { epoch: plan.epoch, tree: system.tree },
      {
        workspace,
        onLine: (stream, line) => emit({ type: 'output', id, stream, line }),
        onProgress: (done) => emit({ type: 'step-progress', id, done }),
      },
    )
    const changes = await workspace.changes()
    emit({ type: 'step-finished', id, detail: quantity(packages.length, 'package') })
    return changes
  } catch (error) {
    emit({ type: 'step-failed', id })
    throw error
  }
}
