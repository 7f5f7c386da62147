import type { Emit } from '../../events.ts'
import type { Executor, Store } from '../../ports.ts'
import { quantity } from '../../quantity.ts'
import type { Tree } from '../../rootfs/tree.ts'
import { contentReader } from '../../store/content.ts'
import { accountsOf, Owners } from './accounts.ts'
import { ApkAssembly } from './assemble.ts'
import { busyboxLinks } from './busybox-links.ts'
import { cleanUp } from './cleanup.ts'
import { runsScripts } from './configure.ts'
import { installLive } from './install-live.ts'
import { openPackage, type InstallWork, type OpenedApk } from './opened.ts'
import { databaseOf, skeletonOf } from './skeleton.ts'
import type { ApkSystem } from './system.ts'

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
    const packages: OpenedApk[] = []
    for (const pkg of system.packages) packages.push(await openPackage(pkg))
    using contents = contentReader(deps.store)
    const work = { system, packages, contents }
    let tree: Tree
    if (system.scripts === 'run' && packages.some(runsScripts)) {
      deps.onUnpacked?.(await installQuietly(work, { emit }))
      const onLine = (stream: 'stdout' | 'stderr', line: string) =>
        emit({ type: 'output', id, stream, line })
      tree = await installLive(work, { ...deps, onPackage, onLine })
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

/** Installs without running anything: a value is made of values. */
async function installQuietly(
  { system, packages, contents }: InstallWork,
  { emit, onPackage }: { readonly emit: Emit; readonly onPackage?: (name: string) => void },
): Promise<Tree> {
  const { epoch } = system
  const assembly = new ApkAssembly(skeletonOf(system, packages), { mtime: epoch })
  const owners = new Owners()
  const look = async () => accountsOf(assembly.tree, contents)
  for (const { part, files } of packages) {
    onPackage?.(part.name)
    assembly.add(part, await owners.resolve(files, look))
  }
  assembly.settleDirectories()
  const tree = new Map(assembly.tree)
  if (system.scripts === 'off') {
    const links = await busyboxLinks(tree, contents, epoch)
    for (const link of links ?? []) tree.set(link.path, link)
    if (links === undefined) {
      emit({
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
