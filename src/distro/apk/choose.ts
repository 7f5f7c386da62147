import { formatDependency } from '../../apk/dependency.ts'
import { parseIndexRecords, type IndexRecord } from '../../apk/index-record.ts'
import type { ApkPlan, PlannedApk } from '../../plan.ts'
import { quantity } from '../../quantity.ts'
import { solve, type SelectedPackage } from '../../solver/apk/solve.ts'
import type { ApkDeps, LoadedIndex } from './repository.ts'
import type { ResolvedApk } from './resolve.ts'

/** Chooses the packages of a plan, as one step. Throws `INDEX_INVALID` and what `solve` does. */
export async function choose(
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
