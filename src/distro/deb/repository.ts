import type { Digest } from '../../digest.ts'
import type { IndexFile } from '../../deb/release-index.ts'
import { findFlatIndex, findIndexes } from '../../deb/release-index.ts'
import type { SkippableCheck } from '../../deb/release-check.ts'
import type { Release } from '../../deb/release.ts'
import { isFlat, type DebSource } from '../../deb/sources.ts'
import { isPlinthError } from '../../errors.ts'
import { readIndexes } from '../read-indexes.ts'
import type { Reading } from '../repository-deps.ts'
import { loadIndexFile, type IndexContent } from './index-file.ts'
import { loadRelease, type DebDeps, type LoadedRelease } from './suite.ts'

/** One package index, verified from its suite's signature down to its last byte. */
export interface LoadedIndex {
  readonly source: DebSource
  readonly suite: string
  readonly release: Release
  /** undefined in a flat repository */
  readonly component: string | undefined
  /** the architecture that was asked for, or `all` where the index of those is apart */
  readonly architecture: string
  /** fingerprints of the trusted keys that signed */
  readonly signers: readonly string[]
  /** checks that failed and were skipped because they were named */
  readonly skipped: readonly SkippableCheck[]
  readonly inReleaseDigest: Digest
  /** of the uncompressed Packages file, which is a blob of the store */
  readonly digest: Digest
  /** The packages of the file, verified as it is read. */
  readonly packages: IndexContent['packages']
}

/**
 * Loads every package index of `sources` for `architecture`, all at once, in the order of sources, suites,
 * components. Unchanged indexes come from the store and are verified again.
 *
 * Errors: those of `verifyClearsigned`, `checkRelease`, `findIndexes` and the network; `SUITE_NOT_FOUND`;
 * `DIGEST_MISMATCH` and `SIZE_MISMATCH` for an index that is not what its Release says.
 */
export async function loadIndexes(
  sources: readonly DebSource[],
  architecture: string,
  deps: DebDeps,
): Promise<readonly LoadedIndex[]> {
  const wanted = sources
    .filter(
      ({ architectures }) => architectures === undefined || architectures.includes(architecture),
    )
    .flatMap((source) => source.suites.map((suite) => ({ source, suite })))
  return readIndexes(
    wanted,
    deps,
    ({ source, suite }, reading) => loadSuite(source, suite, architecture, reading),
    ({ release }) => release.date,
  )
}

async function loadSuite(
  source: DebSource,
  suite: string,
  architecture: string,
  deps: Reading<DebDeps>,
): Promise<readonly LoadedIndex[]> {
  const loaded = await loadRelease(source, suite, deps)
  try {
    return await loadAll(source, loaded, architecture, deps)
  } catch (error) {
    // a mirror in the middle of its update serves old and new files: look once more at what it says now
    if (deps.offline || !isPlinthError(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH', 'HTTP_STATUS'))
      throw error
    const again = await loadRelease(source, suite, { ...deps, fresh: true })
    if (again.digest === loaded.digest) throw error
    return loadAll(source, again, architecture, deps)
  }
}

function loadAll(
  source: DebSource,
  loaded: LoadedRelease,
  architecture: string,
  deps: Reading<DebDeps>,
): Promise<readonly LoadedIndex[]> {
  const { release, suite, name } = loaded
  const files: readonly IndexFile[] = isFlat(suite)
    ? [findFlatIndex(release, architecture, name)]
    : source.components.flatMap((component) =>
        findIndexes(release, { component, architecture, name }),
      )
  return Promise.all(
    files.map(async (file): Promise<LoadedIndex> => {
      const { digest, packages } = await loadIndexFile(file, { source, loaded }, deps)
      return {
        source,
        suite,
        release,
        component: file.component,
        architecture: file.architecture,
        signers: loaded.signers,
        skipped: loaded.skipped,
        inReleaseDigest: loaded.digest,
        digest,
        packages,
      }
    }),
  )
}

/** Where a package's file is, on every mirror of its source. `Filename` is relative to the mirror, flat or not. */
export function packageUrls(source: DebSource, filename: string): readonly string[] {
  const path = filename
    .replace(/^(?:\.\/)+/, '')
    .split('/')
    .map(encodeURIComponent)
    .join('/')
  return source.uris.map((uri) => `${uri}/${path}`)
}
