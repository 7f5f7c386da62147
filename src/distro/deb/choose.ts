import { PlinthError } from '../../errors.ts'
import type { DebPlan, PlannedDeb, PlannedDebSource } from '../../plan.ts'
import type { Platform } from '../../platform.ts'
import { quantity } from '../../quantity.ts'
import type { DebRootfs } from '../../recipe/rootfs.ts'
import { solve, type SelectedPackage } from '../../solver/apt/solve.ts'
import { createUniverse, type IndexSource } from '../../solver/apt/universe.ts'
import type { LoadedIndex } from './repository.ts'
import type { DebDeps } from './suite.ts'

/** What is planned. */
export interface DebPlanRequest {
  readonly recipe: string
  readonly platform: Platform
  readonly rootfs: DebRootfs
  /** the image's time instead of the snapshot's, seconds since 1970 */
  readonly epoch?: number | undefined
}

/**
 * Chooses the packages of a request from verified indexes, as apt does. Errors: those of `solve`, and
 * `INDEX_INVALID` for what is no index.
 */
export async function choose(
  { recipe, platform, rootfs, epoch }: DebPlanRequest,
  architecture: string,
  loaded: readonly LoadedIndex[],
  deps: DebDeps,
): Promise<Omit<DebPlan, 'files'>> {
  const id = 'solve'
  deps.emit({ type: 'step-started', id, title: 'choose packages' })
  try {
    const indexes = await Promise.all(
      loaded.map(async (one, number) => ({
        packages: await one.packages(),
        source: indexSource(one, number),
      })),
    )
    const solution = solve(createUniverse({ architecture, indexes }), {
      variant: rootfs.variant,
      include: rootfs.include,
      recommends: rootfs.recommends,
      suite: loaded[0]?.suite,
    })
    deps.emit({ type: 'step-finished', id, detail: quantity(solution.packages.length, 'package') })
    const dates = loaded.flatMap(({ release }) =>
      release.date ? [release.date.getTime() / 1000] : [],
    )
    return {
      recipe,
      platform,
      distribution: 'deb',
      variant: rootfs.variant,
      architecture,
      sources: loaded.map(plannedSource),
      packages: solution.packages.map(plannedPackage),
      epoch: epoch ?? Math.max(0, ...dates),
      skipped: [...new Set(loaded.flatMap(({ skipped }) => skipped))].toSorted(),
    }
  } catch (error) {
    deps.emit({ type: 'step-failed', id })
    throw error
  }
}

function indexSource({ suite, component, release }: LoadedIndex, number: number): IndexSource {
  return {
    id: String(number),
    suite,
    archive: release.suite,
    codename: release.codename,
    version: release.version,
    origin: release.origin,
    label: release.label,
    component,
    notAutomatic: release.notAutomatic,
    butAutomaticUpgrades: release.butAutomaticUpgrades,
  }
}

function plannedSource(one: LoadedIndex): PlannedDebSource {
  return {
    uris: one.source.uris,
    suite: one.suite,
    codename: one.release.codename,
    component: one.component ?? '',
    architecture: one.architecture,
    digest: one.digest,
    release: one.inReleaseDigest,
    date: (one.release.date?.getTime() ?? 0) / 1000,
    signers: one.signers,
  }
}

function plannedPackage(selected: SelectedPackage): PlannedDeb {
  const { record } = selected
  const source = selected.sources[0]
  if (source === undefined) throw new PlinthError('INTERNAL', `${record.name} has no source`)
  return {
    name: record.name,
    version: record.version,
    architecture: record.architecture,
    digest: record.sha256,
    size: record.size,
    installedSize: record.installedSize * 1024,
    path: record.filename,
    source: Number(source.id),
    automatic: selected.automatic,
    core: selected.stage === 'essential',
    configureFirst: selected.configureFirst,
    reasons: selected.reasons,
  }
}
