import { parseIndexRecords } from '../../apk/index-record.ts'
import { readApkKeys } from '../../apk/signature.ts'
import { PlinthError } from '../../errors.ts'
import type { Emit } from '../../events.ts'
import type { ApkPlan, PlannedApk } from '../../plan.ts'
import type { Store } from '../../ports.ts'
import { ensureUnpacked } from '../ensure-unpacked.ts'
import { PackageOpener } from '../package-opener.ts'
import type { ApkPackage, ApkSystem } from './system.ts'
import { recordUnpackedApk, unpackAnew, unpackApk, type UnpackedApk } from './unpack.ts'

/** The packages of a plan that have a file: apk asks for none of those that take no space. */
export function fetchedPackages({ packages }: ApkPlan): readonly PlannedApk[] {
  return packages.filter(({ installedSize }) => installedSize > 0)
}

/**
 * Unpacks a plan's packages as their files arrive, verified by the plan's identities and keys. What was unpacked
 * by an earlier build is verified here, ahead of who reads it; what is unpacked now is kept for the next one later.
 */
export function apkOpener(
  plan: ApkPlan,
  {
    store,
    signal,
    emit,
  }: { readonly store: Store; readonly signal: AbortSignal; readonly emit: Emit },
): PackageOpener<PlannedApk, UnpackedApk> {
  const keys = readApkKeys(plan.keys)
  return new PackageOpener(fetchedPackages(plan), signal, async (pkg, file, later) => {
    const name = `${pkg.name} ${pkg.version}`
    const trust = { name, keys, identity: pkg.identity }
    const apk = await unpackApk(file, trust, store, (fresh) =>
      later(() => recordUnpackedApk(file, trust, fresh, store)),
    )
    const again = () => unpackAnew(file, trust, store)
    await ensureUnpacked({ data: apk.data, name, again }, { store, emit })
    return apk
  })
}

/** What to install of a plan, with its packages as they get ready. */
export function plannedSystem(
  plan: ApkPlan,
  opened: ReadonlyMap<PlannedApk, Promise<UnpackedApk>>,
): ApkSystem {
  const { architecture, world, repositories, keys, epoch, scripts } = plan
  const packages = plan.packages.map((pkg): ApkPackage => {
    const [record] = parseIndexRecords(pkg.record)
    if (record === undefined) throw new PlinthError('INTERNAL', `${pkg.name} has no record`)
    return { record, tag: pkg.tag, apk: opened.get(pkg) }
  })
  return { architecture, packages, world, repositories, keys, epoch, scripts }
}
