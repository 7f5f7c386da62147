import { digestHex, sha256, type Digest } from '../../digest.ts'
import {
  prepareVerifying,
  verifyClearsigned,
  verifyDetached,
  type Keyring,
  type Verified,
} from '../../deb/openpgp.ts'
import { checkRelease, type SkippableCheck } from '../../deb/release-check.ts'
import { parseRelease, type Release } from '../../deb/release.ts'
import { parseClearsigned } from '../../deb/clearsign.ts'
import { suiteUrl, type DebSource } from '../../deb/sources.ts'
import { PlinthError } from '../../errors.ts'
import { displayUrl } from '../../http/http.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import type { Reading, RepositoryDeps } from '../repository-deps.ts'
import { areStored, fetchServed, type Served } from '../served.ts'
import { suiteNotFound } from './suite-names.ts'

/** What reading Debian's repositories needs of the world. */
export interface DebDeps extends RepositoryDeps {
  /** checks that may fail */
  readonly skip: readonly SkippableCheck[]
}

/** A suite's Release, verified now and valid now. */
export interface LoadedRelease {
  readonly suite: string
  /** for messages: `trixie of http://…` */
  readonly name: string
  /** the directory it came from: the same mirror is asked first for what it lists */
  readonly base: string
  /** of InRelease, or of Release where that is signed apart */
  readonly digest: Digest
  readonly release: Release
  readonly signers: readonly string[]
  readonly skipped: readonly SkippableCheck[]
}

/** Larger than any Release there is (Ubuntu's have 300 kB), small enough to hold. */
const maxSize = 32 * 1024 * 1024

/** What was served: `InRelease`, or `Release` when `signature` is there. */
interface ServedRelease extends Served {
  readonly signature?: Digest | undefined
}

/**
 * Loads and verifies the Release of a suite: `InRelease`, or `Release` with `Release.gpg` where a mirror has
 * no such file. `fresh` asks for it past every cache.
 */
export async function loadRelease(
  source: DebSource,
  suite: string,
  deps: Reading<DebDeps> & { readonly fresh?: boolean | undefined },
): Promise<LoadedRelease> {
  const key = digestHex(sha256(JSON.stringify([source.uris, suite])))
  const known = await readRecord<ServedRelease>(deps.store, 'releases', key)
  const serving = serve(source, suite, known, deps)
  if (known === undefined) prepareVerifying()
  const served = await serving
  const base = served.url.slice(0, served.url.lastIndexOf('/') + 1)
  const name = `${suite} of ${displayUrl(base.slice(0, base.length - suiteUrl('', suite).length))}`

  const document = await readBlob(deps, served.document)
  const signature =
    served.signature === undefined ? undefined : await readBlob(deps, served.signature)
  const { text, signers } = await verifyOnce(document, signature, { source, name, served }, deps)
  const release = parseRelease(text, name)
  const skip: readonly SkippableCheck[] =
    source.checkValidUntil === false ? [...deps.skip, 'check/valid-until'] : deps.skip
  const skipped = checkRelease(release, { suite, now: deps.now(), skip, name })
  for (const check of skipped) {
    deps.emit({
      type: 'warning',
      code: 'CHECK_SKIPPED',
      message: `${name} is used although ${why[check](release)}: ${check} is skipped`,
    })
  }
  // only what was good is worth coming back to
  if (known === undefined || JSON.stringify(known) !== JSON.stringify(served)) {
    await writeRecord(deps.store, 'releases', key, served)
  }
  return { suite, name, base, digest: served.document, release, signers, skipped }
}

/** What a skipped check would have refused. */
const why: Readonly<Record<SkippableCheck, (release: Release) => string>> = {
  'check/valid-until': ({ validUntil }) => `it was valid until ${validUntil?.toISOString()}`,
  'check/date': ({ date }) => `it was made in the future, on ${date?.toISOString()}`,
  'check/suite': ({ suite, codename }) => `it calls itself ${codename ?? suite}`,
}

async function serve(
  source: DebSource,
  suite: string,
  known: ServedRelease | undefined,
  deps: Reading<DebDeps> & { readonly fresh?: boolean | undefined },
): Promise<ServedRelease> {
  const bases = source.uris.map((uri) => suiteUrl(uri, suite))
  const usable =
    known !== undefined && !deps.fresh && (await areStored(digestsOf(known), deps.store))
      ? known
      : undefined
  if (deps.offline) {
    if (usable !== undefined) return usable
    throw new PlinthError(
      'UNREACHABLE',
      `cannot use suite '${suite}' offline: it was never fetched into this store`,
      {
        hint: 'run once without --offline',
      },
    )
  }
  const inRelease = await fetchServed(
    {
      ...fileOf(bases, 'InRelease'),
      known: usable?.signature === undefined ? usable : undefined,
      fresh: deps.fresh,
    },
    deps,
  )
  if (inRelease !== undefined) return inRelease
  const release = await fetchServed({ ...fileOf(bases, 'Release'), fresh: deps.fresh }, deps)
  if (release === undefined) throw await suiteNotFound(source, suite, deps)
  const base = release.url.slice(0, release.url.lastIndexOf('/') + 1)
  const signature = await fetchServed({ ...fileOf([base], 'Release.gpg'), fresh: deps.fresh }, deps)
  if (signature === undefined) {
    throw new PlinthError(
      'SIGNATURE_MISSING',
      `cannot trust suite '${suite}' of ${displayUrl(source.uris[0] ?? '')}: it has neither InRelease nor Release.gpg`,
      {
        hint: 'ask the publisher to sign the repository; an unsigned one cannot be used',
      },
    )
  }
  return { ...release, signature: signature.document }
}

function fileOf(bases: readonly string[], name: string) {
  return { urls: bases.map((base) => `${base}${name}`), name, maxSize }
}

function digestsOf({ document, signature }: ServedRelease): readonly Digest[] {
  return signature === undefined ? [document] : [document, signature]
}

async function readBlob({ store }: Reading, digest: Digest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(digest)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** A verdict that was reached before, for exactly these bytes and these keys. */
interface Verdict {
  readonly signers: readonly string[]
  readonly until: string | undefined
}

/** Verifies, or recalls the verdict on the same bytes and keys while none of the signing keys has expired. */
async function verifyOnce(
  document: Uint8Array,
  signature: Uint8Array | undefined,
  { source, name, served }: { source: DebSource; name: string; served: ServedRelease },
  deps: Reading<DebDeps>,
): Promise<Pick<Verified, 'text' | 'signers'>> {
  const now = deps.now()
  const key = digestHex(
    sha256(JSON.stringify([served.document, served.signature, keyringDigest(source.signedBy)])),
  )
  const known = await readRecord<Verdict>(deps.store, 'verdicts', key)
  if (known !== undefined && (known.until === undefined || new Date(known.until) > now)) {
    const text =
      signature === undefined
        ? parseClearsigned(document, name).text
        : Buffer.from(document).toString('utf8')
    return { text, signers: known.signers }
  }
  const options = { keyring: source.signedBy, now, name }
  const verified =
    signature === undefined
      ? await verifyClearsigned(document, options)
      : await verifyDetached(document, signature, options)
  await writeRecord(deps.store, 'verdicts', key, {
    signers: verified.signers,
    until: verified.until?.toISOString(),
  })
  return verified
}

function keyringDigest(keyring: Keyring): Digest {
  return sha256(
    JSON.stringify([keyring.keys.map((key) => sha256(key)), keyring.fingerprints ?? []]),
  )
}
