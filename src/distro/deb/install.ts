import type { Change, Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Emit } from '../../events.ts'
import type { DebPlan, PlannedDeb } from '../../plan.ts'
import type { Executor, Store, Workspace } from '../../ports.ts'
import { quantity } from '../../quantity.ts'
import { applyChanges, type Tree } from '../../rootfs/tree.ts'
import { contentReader, type ContentReader } from '../../store/content.ts'
import { ensureUnpacked } from '../ensure-unpacked.ts'
import { PackageOpener } from '../package-opener.ts'
import { cleanUp } from './cleanup.ts'
import { configureDebs } from './configure.ts'
import { withoutStubs } from './configure-stubs.ts'
import { withDownloadDirectories } from './download-directories.ts'
import { unpackSystem, type OpenedDeb, type UnpackingSystem } from './rootfs.ts'
import { unpackAnew, unpackDeb } from './unpack.ts'
import { recordUnpacked } from './unpacked-record.ts'

export interface InstallDeps {
  readonly store: Store
  readonly executor: Executor
  readonly emit: Emit
  readonly signal: AbortSignal
  /** called with the tree before scripts run: work on it may go on beside them */
  readonly onUnpacked?: ((expected: Tree) => void) | undefined
}

/**
 * Unpacks a plan's packages as their files arrive. What was unpacked by an earlier build is verified here, ahead
 * of who reads it; what is unpacked now is kept for the next one later.
 */
export function debOpener(
  plan: DebPlan,
  { store, signal, emit }: Pick<InstallDeps, 'store' | 'signal' | 'emit'>,
): PackageOpener<PlannedDeb, OpenedDeb> {
  return new PackageOpener(plan.packages, signal, async (planned, digest, later) => {
    const name = nameOf(planned)
    const deb = await unpackDeb(digest, name, store, (fresh) =>
      later(() => recordUnpacked(digest, fresh, store)),
    )
    const again = () => unpackAnew(digest, name, store)
    await ensureUnpacked({ data: deb.data, name, again }, { store, emit })
    return { planned, deb }
  })
}

function nameOf({ name, version }: PlannedDeb): string {
  return `${name} ${version}`
}

/**
 * Makes the configured root filesystem of a plan: unpacks into a workspace while packages get ready, runs
 * their scripts there, and folds what those changed into the tree.
 * Errors: those of `unpackSystem`, `configureDebs` and the executor.
 */
export async function installDebs(
  plan: DebPlan,
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
  plan: DebPlan,
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
  plan: DebPlan,
  system: UnpackingSystem,
  opened: Workspace,
  deps: InstallDeps,
): Promise<readonly Change[]> {
  await using workspace = opened
  const { emit } = deps
  // nothing waits for it: the scripts begin meanwhile
  const told = system.expected().then((tree) => deps.onUnpacked?.(cleanUp(tree)))
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
    await told
    const changes = await workspace.changes()
    emit({ type: 'step-finished', id, detail: quantity(packages.length, 'package') })
    return changes
  } catch (error) {
    emit({ type: 'step-failed', id })
    throw error
  }
}
