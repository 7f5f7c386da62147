import type * as openpgp from 'openpgp'
import type { Key, PartialConfig, SignaturePacket } from 'openpgp'
import { PlinthError, type ErrorCode } from '../errors.ts'
import { parseClearsigned } from './clearsign.ts'

/** Whom a source trusts. */
export interface Keyring {
  /** certificates: armored (several blocks may follow each other) or binary */
  readonly keys: readonly (string | Uint8Array)[]
  /**
   * Only these of them, when given: fingerprints in hex. One of a primary key stands for its subkeys too;
   * with `!` at the end it means exactly that key (apt's `Signed-By`).
   */
  readonly fingerprints?: readonly string[] | undefined
}

/** A signed text whose signature was good. */
export interface Verified {
  readonly text: string
  /** fingerprints of the keys or subkeys that signed, upper-case hex, sorted */
  readonly signers: readonly string[]
  /** when one of the signing keys expires: the verdict does not hold longer; undefined for never */
  readonly until: Date | undefined
}

/** What a verdict depends on besides the bytes. */
export interface VerifyOptions {
  readonly keyring: Keyring
  readonly now: Date
  /** what is verified, for messages: `InRelease of trixie` */
  readonly name: string
}

/**
 * Verifies a clearsigned document (`InRelease`). One good signature of a trusted key suffices, whatever the
 * other signatures are. Otherwise the error is the worst that was found: `SIGNATURE_INVALID`, `KEY_REVOKED`,
 * `KEY_EXPIRED`, `SIGNATURE_WEAK`, `KEY_UNKNOWN`; `SIGNATURE_MISSING` when there is none.
 */
export async function verifyClearsigned(
  document: Uint8Array,
  options: VerifyOptions,
): Promise<Verified> {
  const { text, signed, signature } = parseClearsigned(document, options.name)
  return { text, ...(await verify(signed, signature, 'text', options)) }
}

/** Verifies `Release` by `Release.gpg` (armored or binary); errors as `verifyClearsigned`. */
export async function verifyDetached(
  document: Uint8Array,
  signature: Uint8Array,
  options: VerifyOptions,
): Promise<Verified> {
  return {
    text: Buffer.from(document).toString('utf8'),
    ...(await verify(
      document,
      isArmored(signature) ? Buffer.from(signature).toString('latin1') : signature,
      'any',
      options,
    )),
  }
}

/**
 * Loads what verifying needs, which takes longer than verifying: for while the network is waited for. A failure
 * shows when it is needed.
 */
export function prepareVerifying(): void {
  import('openpgp').catch(() => {})
}

const clockTolerance = 24 * 3600 * 1000

type Pgp = typeof openpgp

/** The verdict on one signature; the codes in the order of how much they matter. */
type Verdict =
  | { readonly good: true; readonly signer: string; readonly until: Date | undefined }
  | { readonly good: false; readonly code: ErrorCode; readonly keyId: string; readonly why: string }

const worst: readonly ErrorCode[] = [
  'SIGNATURE_INVALID',
  'KEY_REVOKED',
  'KEY_EXPIRED',
  'SIGNATURE_WEAK',
  'KEY_UNKNOWN',
]

const hints: Partial<Record<ErrorCode, string>> = {
  SIGNATURE_INVALID: 'it was changed on its way or by its publisher; try another mirror',
  KEY_REVOKED:
    "its owner withdrew the key; get the publisher's current key and name it in signedBy",
  KEY_EXPIRED: "get the publisher's current key and name it in signedBy",
  SIGNATURE_WEAK:
    'ask the publisher to sign with RSA of 2048 bits or more, Ed25519 or ECDSA, and SHA-256 or SHA-512',
  KEY_UNKNOWN:
    "name the publisher's key in the source's signedBy, after checking its fingerprint with the publisher",
}

async function verify(
  signed: Uint8Array,
  signature: string | Uint8Array,
  kind: 'text' | 'any',
  options: VerifyOptions,
): Promise<Pick<Verified, 'signers' | 'until'>> {
  // an unchanged mirror needs none of it
  const pgp = await import('openpgp')
  const keys = await readKeyring(pgp, options.keyring)
  const packets = await readSignatures(pgp, signature, options.name)
  const verdicts = await Promise.all(
    packets.map(async (packet) => judge(pgp, packet, { keys, signed, kind, options })),
  )

  const good = verdicts.filter((verdict) => verdict.good)
  if (good.length > 0) {
    const ends = good.flatMap(({ until }) => (until === undefined ? [] : [until.getTime()]))
    return {
      signers: [...new Set(good.map(({ signer }) => signer))].toSorted(),
      until: ends.length === 0 ? undefined : new Date(Math.min(...ends)),
    }
  }
  const bad = verdicts.filter((verdict) => !verdict.good)
  const code =
    worst.find((candidate) => bad.some((verdict) => verdict.code === candidate)) ??
    'SIGNATURE_MISSING'
  const trusted = keys.map((key) => fingerprint(key)).toSorted()
  throw new PlinthError(
    code,
    bad.length === 0
      ? `cannot trust ${options.name}: its signature block holds no signature`
      : `cannot trust ${options.name}: ${bad.map(({ keyId, why }) => `signature of ${keyId}: ${why}`).join('; ')}` +
          (code === 'KEY_UNKNOWN' ? ` (trusted: ${trusted.join(', ') || 'none'})` : ''),
    {
      hint: hints[code],
      facts: {
        signatures: bad.map(({ keyId, code: verdict, why }) => ({ keyId, code: verdict, why })),
        trusted,
      },
    },
  )
}

/** What one signature is worth now. */
async function judge(
  pgp: Pgp,
  packet: SignaturePacket,
  context: {
    keys: readonly Key[]
    signed: Uint8Array
    kind: 'text' | 'any'
    options: VerifyOptions
  },
): Promise<Verdict> {
  const { keys, signed, kind, options } = context
  const { now } = options
  const issuer = packet.issuerKeyID
  const keyId = hex(packet.issuerFingerprint ?? undefined) ?? issuer.toHex().toUpperCase()
  const bad = (code: ErrorCode, why: string): Verdict => ({ good: false, code, keyId, why })

  const candidates = keys.flatMap((key) =>
    [key, ...key.subkeys]
      .filter((part) => part.getKeyID().equals(issuer))
      .filter(
        (part) =>
          packet.issuerFingerprint == null || fingerprint(part) === hex(packet.issuerFingerprint),
      )
      .filter((part) => isAllowed(key, part, options.keyring.fingerprints))
      .map((part) => ({ key, part })),
  )
  const found = candidates[0]
  if (found === undefined) return bad('KEY_UNKNOWN', 'the key is not trusted here')
  const { key, part } = found

  const { signature: types } = pgp.enums
  const { signatureType: type, hashAlgorithm } = packet
  if (type !== types.text && !(kind === 'any' && type === types.binary))
    return bad('SIGNATURE_INVALID', 'it is not a signature over a document')
  if (hashAlgorithm == null || weakHashes(pgp).has(hashAlgorithm))
    return bad(
      'SIGNATURE_WEAK',
      `it is made with ${nameOf(pgp.enums.hash, hashAlgorithm)}, which can be forged`,
    )
  const weak = weakness(pgp, part) ?? weakness(pgp, key)
  if (weak !== undefined) return bad('SIGNATURE_WEAK', weak)

  const [document] = (await pgp.createMessage({ binary: signed })).packets
  // a clock that is a little behind is no reason to refuse what was just signed
  const { created } = packet
  const at =
    created !== null && created > now && created.getTime() - now.getTime() <= clockTolerance
      ? created
      : now
  try {
    await packet.verify(part.keyPacket, type, document as object, at, false, strict(pgp))
  } catch (error) {
    return bad('SIGNATURE_INVALID', message(error))
  }
  if (await isRevoked(key, part, now)) return bad('KEY_REVOKED', 'the key is revoked')
  const ends = await expiry(key, part, now)
  if (ends !== undefined && ends <= now)
    return bad('KEY_EXPIRED', `the key expired on ${ends.toISOString().slice(0, 10)}`)
  try {
    // the library's own rule on top: bound to its primary key, cross-certified, allowed to sign
    const signer = await key.getSigningKey(part.getKeyID(), now, undefined, strict(pgp))
    if (fingerprint(signer) !== fingerprint(part))
      return bad('SIGNATURE_INVALID', 'the key may not sign')
  } catch (error) {
    const why = message(error)
    return bad(
      /Insecure hash/.test(chain(error)) ? 'SIGNATURE_WEAK' : 'SIGNATURE_INVALID',
      `the key cannot be used: ${why}`,
    )
  }
  return { good: true, signer: fingerprint(part), until: ends }
}

async function isRevoked(
  key: Key,
  part: Key | Key['subkeys'][number],
  now: Date,
): Promise<boolean> {
  if (await key.isRevoked(undefined, undefined, now)) return true
  if (part === key) return false
  // without a signature to check against, every valid revocation of the subkey counts
  return (part as Key['subkeys'][number]).isRevoked(undefined as never, undefined as never, now)
}

/** When the part or its primary key expires; undefined for never (or when it is not usable anyway). */
async function expiry(
  key: Key,
  part: Key | Key['subkeys'][number],
  now: Date,
): Promise<Date | undefined> {
  const dates = [
    await key.getExpirationTime(),
    part === key ? undefined : await part.getExpirationTime(now),
  ]
  const times = dates.flatMap((date) => (date instanceof Date ? [date.getTime()] : []))
  return times.length === 0 ? undefined : new Date(Math.min(...times))
}

/** Why a key is too weak to sign, if it is. */
function weakness(pgp: Pgp, part: Key | Key['subkeys'][number]): string | undefined {
  const { algorithm, bits, curve } = part.getAlgorithmInfo()
  if (algorithm === 'rsaEncryptSign' || algorithm === 'rsaSign') {
    // the top bit of a modulus may be unset
    return bits !== undefined && bits < 2047
      ? `the key is RSA with ${bits} bits, less than 2048`
      : undefined
  }
  if (soundAlgorithms.has(algorithm)) return undefined
  return `the key's algorithm (${algorithm}${curve === undefined ? '' : ` ${curve}`}) is no longer trusted`
}

const soundAlgorithms: ReadonlySet<string> = new Set(['ecdsa', 'eddsaLegacy', 'ed25519', 'ed448'])

function weakHashes(pgp: Pgp): Set<openpgp.enums.hash> {
  const { md5, sha1, ripemd } = pgp.enums.hash
  return new Set([md5, sha1, ripemd])
}

/** SHA-1 is refused in a key's own signatures too, as sqv does since February 2026. */
function strict(pgp: Pgp): Required<PartialConfig> {
  const weak = weakHashes(pgp)
  return {
    ...pgp.config,
    rejectHashAlgorithms: weak,
    rejectMessageHashAlgorithms: weak,
    rejectCurves: new Set(),
  }
}

/** The trusted certificates. `KEY_UNKNOWN` when there are none, `USAGE` when a key cannot be read. */
async function readKeyring(pgp: Pgp, keyring: Keyring): Promise<readonly Key[]> {
  const keys: Key[] = []
  for (const source of keyring.keys) {
    try {
      if (typeof source === 'string' || isArmored(source)) {
        const armored = typeof source === 'string' ? source : Buffer.from(source).toString('latin1')
        for (const block of blocks(armored))
          keys.push(...(await pgp.readKeys({ armoredKeys: block })))
      } else keys.push(...(await pgp.readKeys({ binaryKeys: source })))
    } catch (cause) {
      throw new PlinthError(
        'USAGE',
        'cannot read a key of signedBy: it is not an OpenPGP certificate',
        {
          cause,
          hint: 'give the content of an .asc or .gpg file that was made by gpg --export',
        },
      )
    }
  }
  return keys.filter((key) =>
    [key, ...key.subkeys].some((part) => isAllowed(key, part, keyring.fingerprints)),
  )
}

async function readSignatures(
  pgp: Pgp,
  signature: string | Uint8Array,
  name: string,
): Promise<readonly SignaturePacket[]> {
  try {
    const read =
      typeof signature === 'string'
        ? await pgp.readSignature({ armoredSignature: signature })
        : await pgp.readSignature({ binarySignature: signature })
    return [...read.packets].filter((packet) => packet instanceof pgp.SignaturePacket)
  } catch (cause) {
    throw new PlinthError(
      'SIGNATURE_INVALID',
      `cannot trust ${name}: its signature block is not OpenPGP`,
      {
        cause,
        hint: hints.SIGNATURE_INVALID,
      },
    )
  }
}

function isAllowed(
  key: Key,
  part: Key | Key['subkeys'][number],
  allowed: readonly string[] | undefined,
): boolean {
  if (allowed === undefined || allowed.length === 0) return true
  return allowed.some((wanted) => {
    const want = wanted.replaceAll(' ', '').toUpperCase()
    return want.endsWith('!')
      ? fingerprint(part) === want.slice(0, -1)
      : [fingerprint(key), fingerprint(part)].includes(want)
  })
}

function isArmored(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 4096))
    .toString('latin1')
    .trimStart()
    .startsWith('-----BEGIN PGP')
}

/** Armored blocks that follow each other, one string each. */
function blocks(armored: string): readonly string[] {
  return armored.match(/-----BEGIN PGP [\s\S]*?-----END PGP [A-Z ]+-----/g) ?? [armored]
}

function fingerprint(part: Key | Key['subkeys'][number]): string {
  return part.getFingerprint().toUpperCase()
}

function hex(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('hex').toUpperCase()
}

function nameOf(names: Record<string, unknown>, value: unknown): string {
  return (
    Object.entries(names)
      .find(([, candidate]) => candidate === value)?.[0]
      .toUpperCase() ?? `algorithm ${String(value)}`
  )
}

function message(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.charAt(0).toLowerCase() + text.slice(1)
}

function chain(error: unknown): string {
  return error instanceof Error ? `${error.message} ${chain(error.cause)}` : ''
}
