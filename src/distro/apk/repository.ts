import { readApkIndex, type VerifiedIndex } from '../../apk/apkindex.ts'
import type { ApkKeys } from '../../apk/signature.ts'
import { digestHex, sha256, type Digest } from '../../digest.ts'
import { PlinthError } from '../../errors.ts'
import { displayUrl } from '../../http/http.ts'
import type { ApkRepository } from '../../recipe/apk-rootfs.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import { readIndexes } from '../read-indexes.ts'
import type { Reading, RepositoryDeps } from '../repository-deps.ts'
import { areStored, fetchServed, type Served } from '../served.ts'
import { keysDigest } from './keys-digest.ts'

/** The index of one repository, its signature verified. */
export interface LoadedIndex {
  readonly repository: ApkRepository
  /** of the signed file */
  readonly digest: Digest
  /** file name of the trusted key that signed it */
  readonly signer: string
  /** what it calls itself */
  readonly description: string
  /** The text of its records; the bytes it is read from are verified again. */
  readonly read: () => Promise<string>
}

export interface ApkDeps extends RepositoryDeps {
  /** past every cache on the way */
  readonly fresh?: boolean | undefined
}

/** Larger than the largest there is by far; compressed */
const maxSize = 128 * 1024 * 1024

/**
 * Loads the indexes of all repositories for an architecture at once, in their order. Unchanged ones come from
 * the store and are verified again.
 *
 * Errors: those of the network and of `readApkIndex`; `SUITE_NOT_FOUND` for a repository that is not there,
 * `ARCHIVE_INVALID` for one of apk v3 (ADB).
 */
export async function loadIndexes(
  repositories: readonly ApkRepository[],
  { architecture, keys }: { readonly architecture: string; readonly keys: ApkKeys },
  deps: ApkDeps,
): Promise<readonly LoadedIndex[]> {
  return readIndexes(repositories, deps, async (repository, reading) => [
    await loadIndex({ repository, architecture, keys }, reading),
  ])
}

interface Wanted {
  readonly repository: ApkRepository
  readonly architecture: string
  readonly keys: ApkKeys
}

async function loadIndex(wanted: Wanted, deps: Reading<ApkDeps>): Promise<LoadedIndex> {
  const { repository, architecture } = wanted
  const key = digestHex(sha256(JSON.stringify([repository.uris, architecture])))
  const known = await readRecord<Served>(deps.store, 'apk-indexes', key)
  const served = await serve(wanted, known, deps)
  const name = `${indexFile} of ${displayUrl(served.url.slice(0, -indexFile.length - 1))}`
  const verified = await verifyOnce(served.document, { name, keys: wanted.keys }, deps)
  // only what was good is worth coming back to
  if (JSON.stringify(known) !== JSON.stringify(served))
    await writeRecord(deps.store, 'apk-indexes', key, served)
  return { repository, digest: served.document, ...verified }
}

const indexFile = 'APKINDEX.tar.gz'

async function serve(
  { repository, architecture }: Wanted,
  known: Served | undefined,
  deps: Reading<ApkDeps>,
): Promise<Served> {
  const bases = repository.uris.map((uri) => `${uri}/${architecture}`)
  const usable =
    known !== undefined && (await areStored([known.document], deps.store)) ? known : undefined
  if (deps.offline) {
    if (usable !== undefined) return usable
    throw new PlinthError(
      'UNREACHABLE',
      `cannot use ${displayUrl(bases[0] ?? '')} offline: its index was never fetched into this store`,
      { hint: 'run once without --offline' },
    )
  }
  const urls = bases.map((base) => `${base}/${indexFile}`)
  const request = { urls, name: indexFile, maxSize, fresh: deps.fresh }
  const served = await fetchServed({ ...request, known: deps.fresh ? undefined : usable }, deps)
  if (served === undefined) throw await indexNotFound(bases, architecture, deps)
  return served
}

/** The error for a repository without an index, which may be one of apk v3. */
async function indexNotFound(
  bases: readonly string[],
  architecture: string,
  deps: Reading<ApkDeps>,
): Promise<PlinthError> {
  const at = bases.map(displayUrl).join(', ')
  const facts = { uris: bases.map(displayUrl), architecture }
  for (const base of bases) {
    if (!(await exists(`${base}/Packages.adb`, deps))) continue
    return new PlinthError(
      'ARCHIVE_INVALID',
      `cannot read the repository ${displayUrl(base)}: its index is Packages.adb, which is ADB, the format of apk-tools 3 (apk v3); plinth reads v2`,
      {
        hint: `use a repository that publishes ${indexFile} and v2 packages, as Alpine and Wolfi do`,
        facts: { ...facts, format: 'adb' },
      },
    )
  }
  return new PlinthError('SUITE_NOT_FOUND', `there is no repository for ${architecture} at ${at}`, {
    hint: `check the release, the mirror and the platform; an index is at ADDRESS/${architecture}/${indexFile}`,
    facts,
  })
}

async function exists(url: string, { http, signal }: Reading<ApkDeps>): Promise<boolean> {
  try {
    const response = await http.get(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
    })
    response.discard()
    return response.status === 200
  } catch {
    // it is asked for a better message, not for another error
    return false
  }
}

/** How long a person waits for a better error message. */
const patience = 3000

/** A verdict that was reached before, for exactly these bytes and these keys. */
type Verdict = Omit<VerifiedIndex, 'text'>

/** Verifies, or recalls the verdict on the same bytes and keys. */
async function verifyOnce(
  document: Digest,
  options: { readonly name: string; readonly keys: ApkKeys },
  { store }: Reading<ApkDeps>,
): Promise<Verdict & Pick<LoadedIndex, 'read'>> {
  const verify = () => readApkIndex(store.get(document), options)
  const key = digestHex(sha256(JSON.stringify([document, keysDigest(options.keys)])))
  const known = await readRecord<Verdict>(store, 'apk-verdicts', key)
  if (known !== undefined) return { ...known, read: async () => (await verify()).text }
  const { text, ...verdict } = await verify()
  await writeRecord(store, 'apk-verdicts', key, verdict)
  return { ...verdict, read: async () => text }
}
