import { createHash } from 'node:crypto'
import { compressionOf, decompress } from '../../archive/decompress.ts'
import { byHashPath, type IndexFile } from '../../deb/release-index.ts'
import type { ReleaseFile } from '../../deb/release.ts'
import { indexPackages, type PackagesIndex } from '../../deb/packages.ts'
import { PackagesScanner } from '../../deb/packages-scan.ts'
import { suiteUrl, type DebSource } from '../../deb/sources.ts'
import { digestHex, sha256, type Digest } from '../../digest.ts'
import { isPlinthError, PlinthError } from '../../errors.ts'
import { downloadBytes } from '../../http/download.ts'
import { fetchDocument } from '../../http/document.ts'
import { damageHint } from '../../store/failure.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import type { Reading } from '../repository-deps.ts'
import type { LoadedRelease } from './suite.ts'

/** An index that is at hand. */
export interface IndexContent {
  /** of the uncompressed file */
  readonly digest: Digest
  /**
   * The packages in it. The bytes are verified as they are read from the store, and fetched again when the
   * store turns out to be damaged. Throws `INDEX_INVALID` for what is no index.
   */
  readonly packages: () => Promise<PackagesIndex>
}

/**
 * Makes an index available: the store has it, or it is fetched in the form that is quickest to have,
 * verified compressed and again uncompressed, and kept. What nobody reads is not read from the store.
 */
export async function loadIndexFile(
  index: IndexFile,
  from: { readonly source: DebSource; readonly loaded: LoadedRelease },
  deps: Reading,
): Promise<IndexContent> {
  const key = recordKey(index)
  const digest =
    index.plain?.sha256 ??
    (await readRecord<{ digest: Digest }>(deps.store, 'indexes', key))?.digest
  const size = digest === undefined ? undefined : await deps.store.has(digest)
  if (digest !== undefined && size !== undefined && size === (index.plain?.size ?? size)) {
    const packages = async (): Promise<PackagesIndex> =>
      (await readStored(digest, labelOf(index, from.loaded), deps)) ??
      (await fetchIndex(index, from, deps)).packages()
    return { digest, packages }
  }
  const fetched = await fetchIndex(index, from, deps)
  if (index.plain?.sha256 === undefined)
    await writeRecord(deps.store, 'indexes', key, { digest: fetched.digest })
  return { digest: fetched.digest, packages: async () => fetched.packages() }
}

/** What a byte costs on the way and to unpack, in seconds: an ordinary line, one core. */
const cost = {
  transfer: 1 / 20e6,
  '': 0,
  '.gz': 1 / 250e6,
  '.zst': 1 / 400e6,
  '.xz': 1 / 110e6,
  '.bz2': 1 / 25e6,
}

/** The served forms of an index, the quickest to have first. The plain one comes last: mirrors list but do not serve it. */
function ranked(index: IndexFile): readonly (readonly [extension: string, file: ReleaseFile])[] {
  const plain = index.plain?.size ?? 0
  const seconds = ([extension, file]: readonly [string, ReleaseFile]): number =>
    extension === ''
      ? Infinity
      : file.size * cost.transfer + plain * (cost[extension as keyof typeof cost] ?? cost['.bz2'])
  return [...index.variants].toSorted((a, b) => seconds(a) - seconds(b))
}

interface FetchedIndex {
  readonly digest: Digest
  readonly packages: () => PackagesIndex
}

async function fetchIndex(
  index: IndexFile,
  from: { readonly source: DebSource; readonly loaded: LoadedRelease },
  deps: Reading,
): Promise<FetchedIndex> {
  const label = labelOf(index, from.loaded)
  if (deps.offline) {
    throw new PlinthError('UNREACHABLE', `cannot use ${label} offline: it is not in the store`, {
      hint: 'run once without --offline',
    })
  }
  let last: unknown
  for (const [extension, file] of ranked(index)) {
    try {
      const name = `${label} (${file.path})`
      const bytes = await fetchFile(file, name, from, deps)
      return await unpack(extension, bytes, { index, name, label }, deps)
    } catch (error) {
      // a mirror may have only some of the forms
      if (!isPlinthError(error, 'HTTP_STATUS')) throw error
      last = error
    }
  }
  throw last
}

/** Fetches a file of a Release, as far as its digests go. */
async function fetchFile(
  file: ReleaseFile,
  name: string,
  { source, loaded }: { readonly source: DebSource; readonly loaded: LoadedRelease },
  deps: Reading,
): Promise<Uint8Array> {
  const mirrors = source.uris.map((uri) => suiteUrl(uri, loaded.suite))
  const bases = [loaded.base, ...mirrors.filter((base) => base !== loaded.base)]
  const byHash =
    source.byHash === 'force' || (source.byHash !== 'no' && loaded.release.acquireByHash)
  const urls = bases.flatMap((base) => [
    ...(byHash ? [base + byHashPath(file)] : []),
    base + file.path,
  ])
  const onRetry = (error: PlinthError): void =>
    deps.emit({ type: 'warning', code: error.code, message: error.message, hint: 'trying again' })
  if (file.sha256 !== undefined) {
    deps.progress.expect(file.size)
    const onBytes = (count: number): void => deps.progress.add(count, file.path)
    const item = { name, urls, size: file.size, digest: file.sha256 }
    return downloadBytes(item, { ...deps, onRetry, onBytes })
  }
  const document = await fetchDocument({ urls, maxSize: file.size }, { ...deps, onRetry })
  if (document === undefined || document.unchanged) {
    throw new PlinthError('HTTP_STATUS', `cannot get ${name}: no mirror has it`, {
      hint: 'use another mirror',
      facts: { status: 404 },
    })
  }
  deps.progress.expect(file.size)
  deps.progress.add(document.bytes.length, file.path)
  check(document.bytes, file, name)
  return document.bytes
}

/**
 * Uncompresses into memory and the store at once, and scans what has come so far while the next piece is being
 * decompressed; what comes out has to be what the Release says as well.
 */
async function unpack(
  extension: string,
  bytes: Uint8Array,
  {
    index,
    name,
    label,
  }: { readonly index: IndexFile; readonly name: string; readonly label: string },
  { store }: Reading,
): Promise<FetchedIndex> {
  const { plain } = index
  const limit = { name, maxSize: plain?.size ?? maxUnlisted }
  const whole = plain === undefined ? undefined : Buffer.allocUnsafeSlow(plain.size)
  const scanner = whole && new PackagesScanner(whole)
  const chunks: Uint8Array[] = []
  let at = 0
  const writer = await store.writer()
  try {
    for await (const chunk of decompress(compressionOf(extension, name), once(bytes), limit)) {
      if (whole === undefined) chunks.push(chunk)
      else whole.set(chunk, at)
      at += chunk.length
      await writer.write(chunk)
      scanner?.advance(at)
    }
    const content = whole?.subarray(0, at) ?? Buffer.concat(chunks)
    if (plain !== undefined) check(content, plain, name)
    const expected = plain?.sha256 && { digest: plain.sha256, size: plain.size }
    const { digest } = await writer.commit(expected).catch((error: unknown) => {
      throw isPlinthError(error, 'DIGEST_MISMATCH') ? differs(name, error) : error
    })
    return { digest, packages: () => indexPackages(content, label, scanner) }
  } finally {
    await writer.abort()
  }
}

/** A plain index that its Release does not list has no announced size. */
const maxUnlisted = 1024 * 1024 * 1024

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1024 * 1024) yield bytes.subarray(at, at + 1024 * 1024)
}

async function readStored(
  digest: Digest,
  label: string,
  { store, emit }: Reading,
): Promise<PackagesIndex | undefined> {
  const size = await store.has(digest)
  if (size === undefined) return undefined
  const bytes = Buffer.allocUnsafeSlow(size)
  const scanner = new PackagesScanner(bytes)
  let at = 0
  try {
    for await (const chunk of store.get(digest)) {
      bytes.set(chunk.subarray(0, size - at), at)
      at += chunk.length
      scanner.advance(Math.min(at, size))
    }
  } catch (error) {
    if (!isPlinthError(error, 'STORE_CORRUPT')) throw error
    // the store has dropped it
    emit({
      type: 'warning',
      code: error.code,
      message: `${label} is damaged in the store: fetching it again`,
      hint: damageHint,
    })
    return undefined
  }
  return indexPackages(bytes, label, scanner)
}

/** Size, and SHA-512 where that is all a Release gives; SHA-256 is checked where the bytes pass. */
function check(bytes: Uint8Array, file: ReleaseFile, name: string): void {
  if (bytes.length !== file.size) {
    throw new PlinthError(
      'SIZE_MISMATCH',
      `cannot use ${name}: it has ${bytes.length} bytes, its Release says ${file.size}`,
      {
        hint: 'the mirror may be just changing or damaged: try again later, or use another mirror',
      },
    )
  }
  if (file.sha256 !== undefined || file.sha512 === undefined) return
  const actual = createHash('sha512').update(bytes).digest('hex')
  if (actual === file.sha512) return
  throw new PlinthError(
    'DIGEST_MISMATCH',
    `cannot use ${name}: expected sha512:${file.sha512}, got sha512:${actual}`,
    {
      hint: 'the mirror may be just changing or damaged: try again later, or use another mirror',
    },
  )
}

/** The compressed form was right: so it is not the mirror's fault. */
function differs(name: string, cause: PlinthError): PlinthError {
  return new PlinthError(
    'DIGEST_MISMATCH',
    `cannot use ${name}: uncompressed it is not the file its Release lists`,
    {
      cause,
      hint: 'the publisher signed two different indexes: tell them',
      facts: cause.facts,
    },
  )
}

function labelOf({ component, architecture }: IndexFile, { name }: LoadedRelease): string {
  return `Packages of ${component === undefined ? '' : `${component} `}${architecture} in ${name}`
}

/** Names an index by what its Release lists, where that has no SHA-256 of the plain file. */
function recordKey(index: IndexFile): string {
  return digestHex(sha256(JSON.stringify([...index.variants.values()])))
}
