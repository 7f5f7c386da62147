import { formatDependency } from '../../apk/dependency.ts'
import { parseIndexRecords, type IndexRecord } from '../../apk/index-record.ts'
import { readApkKeys } from '../../apk/signature.ts'
import { digestHex, sha256 } from '../../digest.ts'
import type { ApkPlan, PlannedApk, PlannedApkSource } from '../../plan.ts'
import { alpineArchitecture, type Platform } from '../../platform.ts'
import { quantity } from '../../quantity.ts'
import type { ApkRootfs } from '../../recipe/apk-rootfs.ts'
import { solve, type SelectedPackage } from '../../solver/apk/solve.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import { loadIndexes, type ApkDeps, type LoadedIndex } from './repository.ts'
import { repositoryLine, resolveApk, type ResolvedApk } from './resolve.ts'

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

async function choose(
  { request }: ResolvedApk,
  architecture: string,
  indexes: readonly LoadedIndex[],
  { emit }: ApkDeps,
): Promise<Pick<ApkPlan, 'packages' | 'world'> & { readonly newest: number }> {
  const id = 'solve'
  emit({ type: 'step-started', id, title: 'choose packages' })
  try {
    const repositories = await Promise.all(
      indexes.map(async ({ repository, read }, number) => ({
        id: String(number),
        tag: repository.tag,
        records: parseIndexRecords(await read()),
      })),
    )
    const { packages, world } = solve({ repositories }, request)
    emit({ type: 'step-finished', id, detail: quantity(packages.length, 'package') })
    return {
      packages: packages.map((one) => plannedPackage(one, architecture)),
      world: world.map(formatDependency),
      // the newest of what is in: other packages of the index change nothing of the image
      newest: Math.max(0, ...packages.map(({ record }) => record.buildTime ?? 0)),
    }
  } catch (error) {
    emit({ type: 'step-failed', id })
    throw error
  }
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

function plannedPackage(selected: SelectedPackage, architecture: string): PlannedApk {
  const { record, repositories, tag, reasons } = selected
  return {
    name: record.name,
    version: record.version,
    architecture: record.architecture || architecture,
    identity: record.checksum,
    tag,
    size: record.size,
    installedSize: record.installedSize,
    path: pathOf(record, architecture),
    source: Number(repositories[0]?.id),
    record: record.text,
    reasons,
  }
}

/** apk looks for a package in the directory of its own architecture, `noarch` included. */
function pathOf({ name, version, architecture }: IndexRecord, own: string): string {
  return [architecture || own, `${name}-${version}.apk`].map(encodeURIComponent).join('/')
}
