import type { Emit } from '../../events.ts'
import type { Executor, Store } from '../../ports.ts'
import { quantity } from '../../quantity.ts'
import type { Tree } from '../../rootfs/tree.ts'
import { contentReader } from '../../store/content.ts'
import { accountsOf, Owners } from './accounts.ts'
import { ApkAssembly } from './assemble.ts'
import { busyboxLinks } from './busybox-links.ts'
import { cleanUp } from './cleanup.ts'
import { hasScript, runsScripts, scriptDirectory } from './configure.ts'
import { installLive } from './install-live.ts'
import { openPackage, type InstallWork, type OpenedApk } from './opened.ts'
import { databaseOf, skeletonOf } from './skeleton.ts'
import type { ApkSystem } from './system.ts'
import { WorkspaceAhead } from './workspace-ahead.ts'

export interface InstallApksDeps {
  readonly store: Store
  /** not touched when no script is to run */
  readonly executor: Executor
  readonly emit: Emit
  readonly signal: AbortSignal
  /** called with the packages' files in their places before scripts run: work on them may go on beside */
  readonly onUnpacked?: ((tree: Tree) => void) | undefined
}

/**
 * The root filesystem that `apk add --root --initdb` makes of these packages, its database included, byte for
 * byte as apk 2.14 writes it.
 *
 * Throws `FILE_CONFLICT` where apk would not install a file, `SCRIPT_FAILED`, what packages that are not there
 * yet reject with, and the executor's errors.
 */
export async function installApks(system: ApkSystem, deps: InstallApksDeps): Promise<Tree> {
  const { emit, signal } = deps
  const id = 'install'
  const total = system.packages.length
  let done = 0
  emit({ type: 'step-started', id, title: 'install packages', total, unit: 'items' })
  const onPackage = (name: string) => {
    signal.throwIfAborted()
    emit({ type: 'step-progress', id, done: done++, detail: name })
  }
  try {
    await using workspace = workspaceFor(system, deps)
    const packages: OpenedApk[] = []
    let live = false
    for (const pkg of system.packages) {
      const one = await openPackage(pkg)
      packages.push(one)
      if (system.scripts === 'off' || !runsScripts(one)) continue
      live = true
      workspace.begin()
    }
    using contents = contentReader(deps.store)
    const work = { system, packages, contents }
    let tree: Tree
    if (live) {
      if (deps.onUnpacked) deps.onUnpacked(await installQuietly(work))
      const onLine = (stream: 'stdout' | 'stderr', line: string) =>
        emit({ type: 'output', id, stream, line })
      tree = await installLive(work, { ...deps, workspace, onPackage, onLine })
    } else {
      tree = await installQuietly(work, { emit, onPackage })
      deps.onUnpacked?.(tree)
    }
    const detail = `${quantity(total, 'package')}, ${quantity(tree.size, 'path')}`
    emit({ type: 'step-finished', id, detail })
    return tree
  } catch (error) {
    emit({ type: 'step-failed', id })
    throw error
  }
}

function workspaceFor(
  { packages }: ApkSystem,
  { executor, signal }: InstallApksDeps,
): WorkspaceAhead {
  // packages that come later and what scripts make are on top of the base
  const sizeHint = packages.reduce((sum, { record }) => sum + record.installedSize, 0) * 2
  return new WorkspaceAhead(executor, { signal, sizeHint })
}

/**
 * Installs without running anything: a value is made of values. Without `told` it is a guess at what scripts will
 * make, which has what nearly every system gets from them.
 */
async function installQuietly(
  { system, packages, contents }: InstallWork,
  told?: { readonly emit: Emit; readonly onPackage: (name: string) => void },
): Promise<Tree> {
  const { epoch } = system
  const assembly = new ApkAssembly(skeletonOf(system, packages), { mtime: epoch })
  const owners = new Owners()
  const look = async () => accountsOf(assembly.tree, contents)
  let ran = told !== undefined
  const run = () => {
    const directory = ran ? undefined : scriptDirectory(assembly.tree, epoch)
    if (directory) assembly.observe(directory)
    ran = true
  }
  for (const one of packages) {
    told?.onPackage(one.part.name)
    if (hasScript(one, 'pre-install')) run()
    assembly.add(one.part, await owners.resolve(one.files, look))
    if (hasScript(one, 'post-install')) run()
  }
  assembly.settleDirectories()
  const tree = new Map(assembly.tree)
  if (system.scripts === 'off' || !told) {
    const links = await busyboxLinks(tree, contents, epoch)
    for (const link of links ?? []) tree.set(link.path, link)
    if (links === undefined) {
      told?.emit({
        type: 'warning',
        code: 'BUSYBOX_LINKS',
        message: 'the links to busybox are not made: its package does not list them',
        hint: "build with scripts: 'run', or take a release that brings etc/busybox-paths.d (Alpine 3.17 and later)",
      })
    }
  }
  for (const entry of databaseOf(system, packages, assembly)) tree.set(entry.path, entry)
  return cleanUp(tree, assembly)
}
