import { readApkKeys } from '../../apk/signature.ts'
import { digestHex, sha256 } from '../../digest.ts'
import type { ApkPlan, PlannedApkSource } from '../../plan.ts'
import { alpineArchitecture, type Platform } from '../../platform.ts'
import type { ApkRootfs } from '../../recipe/apk-rootfs.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import { loadIndexes, type ApkDeps, type LoadedIndex } from './repository.ts'
import { repositoryLine, resolveApk } from './resolve.ts'

/** Raised when the same request and indexes give another plan. */
const recordKind = 'apk-plan-1'

/** What is planned. */
export interface ApkPlanRequest {
  readonly recipe: string
  readonly platform: Platform
  readonly rootfs: ApkRootfs
  /** the image's time instead of the packages', seconds since 1970 */
  readonly epoch?: number | undefined
}

/**
 * Resolves a root filesystem of apk packages against its repositories, verified from the signature on. The
 * plan of the same request on the same indexes is remembered.
 *
 * Errors: those of `loadIndexes`, `resolveApk` and `solve`; `PLATFORM_INVALID` when Alpine has no such
 * architecture, `INDEX_INVALID` for an index whose text cannot be read.
 */
export async function planApks(request: ApkPlanRequest, deps: ApkDeps): Promise<ApkPlan> {
  const { recipe, platform, rootfs, epoch } = request
  const architecture = alpineArchitecture(platform)
  const resolved = await resolveApk(rootfs, architecture)
  const keys = readApkKeys(resolved.keys)
  const indexes = await loadIndexes(resolved.repositories, { architecture, keys }, deps)
  const key = sha256(
    JSON.stringify([
      [recipe, platform, rootfs.scripts, epoch ?? null],
      resolved,
      indexes.map(({ digest, signer }) => [digest, signer]),
    ]),
  )
  const known = await readRecord<ApkPlan>(deps.store, recordKind, digestHex(key))
  if (known) return known
  // a plan that is known comes by without loading the solver
  const { choose } = await import('./choose.ts')
  const chosen = await choose(resolved, architecture, indexes, deps)
  const plan: ApkPlan = {
    recipe,
    platform,
    distribution: 'apk',
    release: resolved.release,
    architecture,
    sources: indexes.map((one) => plannedSource(one, architecture)),
    packages: chosen.packages,
    scripts: rootfs.scripts,
    world: chosen.world,
    repositories: resolved.repositories.flatMap(repositoryLine),
    keys: resolved.keys,
    epoch: epoch ?? chosen.newest,
    skipped: [],
  }
  await writeRecord(deps.store, recordKind, digestHex(key), plan)
  return plan
}

function plannedSource(index: LoadedIndex, architecture: string): PlannedApkSource {
  return {
    uris: index.repository.uris,
    tag: index.repository.tag,
    description: index.description,
    architecture,
    digest: index.digest,
    signers: [index.signer],
  }
}
