import { digestHex, sha256 } from '../../digest.ts'
import type { DebPlan } from '../../plan.ts'
import { debianArchitecture } from '../../platform.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import type { DebPlanRequest } from './choose.ts'
import { loadIndexes } from './repository.ts'
import type { DebDeps } from './suite.ts'
import { resolveSources, sourceFiles } from './resolve-sources.ts'

/** Raised when the same request and indexes give another plan. */
const recordKind = 'plan-3'

/**
 * Resolves a root filesystem of Debian packages against its repositories, verified from the signature on.
 * The plan of the same request on the same indexes is remembered.
 *
 * Errors: those of `loadIndexes` and `solve`; `PLATFORM_INVALID` when Debian has no such architecture.
 */
export async function planDebs(request: DebPlanRequest, deps: DebDeps): Promise<DebPlan> {
  const { rootfs, platform } = request
  const architecture = debianArchitecture(platform)
  const sources = await resolveSources(rootfs, architecture)
  const indexes = await loadIndexes(sources, architecture, { ...deps, skip: rootfs.skip })
  const files = await sourceFiles(rootfs, sources)
  const asked = { ...request, rootfs: { ...rootfs, keys: undefined, sources: undefined } }
  const key = sha256(
    JSON.stringify([
      asked,
      files,
      indexes.map((one) => [one.inReleaseDigest, one.suite, one.digest, one.source.uris]),
    ]),
  )
  const known = await readRecord<DebPlan>(deps.store, recordKind, digestHex(key))
  if (known) return known
  // a plan that is known comes by without loading the solver
  const { choose } = await import('./choose.ts')
  const plan = { ...(await choose(request, architecture, indexes, deps)), files }
  await writeRecord(deps.store, recordKind, digestHex(key), plan)
  return plan
}
