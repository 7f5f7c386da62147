import * as openpgp from 'openpgp'

/** A throw-away OpenPGP key. */
export interface TestKey {
  readonly secret: openpgp.PrivateKey
  /** the certificate as it is published */
  readonly armored: string
  readonly binary: Uint8Array
  readonly fingerprint: string
  /** fingerprints of the subkeys */
  readonly subkeys: readonly string[]
}

export interface TestKeySpec {
  readonly name?: string
  /** default Ed25519 in the encoding that every gpgv reads */
  readonly rsaBits?: number
  readonly created?: Date
  /** seconds after `created` */
  readonly expiresAfter?: number
  /** a signing subkey (it then signs), perhaps with its own expiry */
  readonly subkey?: {
    readonly expiresAfter?: number
    readonly revoked?: boolean
    readonly crossCertified?: boolean
  }
  readonly revoked?: boolean
  /** of the key's own signatures */
  readonly selfHash?: openpgp.enums.hash
}

const day = 24 * 3600 * 1000

/** Makes a key (about 5 ms for Ed25519, 100 ms and more for RSA). */
export async function makeKey(spec: TestKeySpec = {}): Promise<TestKey> {
  const {
    name = 'test archive',
    created = new Date(Date.now() - 100 * day),
    subkey,
    expiresAfter = 0,
  } = spec
  const config = { minRSABits: 0 }
  const { privateKey } = await openpgp.generateKey({
    ...(spec.rsaBits === undefined
      ? { type: 'ecc', curve: 'ed25519Legacy' }
      : { type: 'rsa', rsaBits: spec.rsaBits }),
    userIDs: [{ name, email: 'archive@example.org' }],
    date: created,
    keyExpirationTime: expiresAfter,
    subkeys: subkey
      ? [
          {
            sign: true,
            ...(subkey.expiresAfter !== undefined && { keyExpirationTime: subkey.expiresAfter }),
          },
        ]
      : [],
    format: 'object',
    config,
  })
  let secret = privateKey
  const [sub] = secret.subkeys
  if (spec.selfHash !== undefined) await recertify(secret, spec.selfHash, created)
  if (sub !== undefined && subkey?.crossCertified === false)
    sub.bindingSignatures = [await bind(secret, sub, created)]
  if (sub !== undefined && subkey?.revoked) {
    secret.subkeys[0] = await sub.revoke(
      secret.keyPacket as openpgp.SecretKeyPacket,
      undefined,
      new Date(created.getTime() + day),
    )
  }
  const { publicKey } = spec.revoked
    ? await openpgp.revokeKey({
        key: secret,
        date: new Date(created.getTime() + day),
        format: 'object',
      })
    : { publicKey: secret.toPublic() }
  return {
    secret,
    armored: publicKey.armor(),
    binary: publicKey.write(),
    fingerprint: secret.getFingerprint().toUpperCase(),
    subkeys: secret.subkeys.map((each) => each.getFingerprint().toUpperCase()),
  }
}

/** Replaces the key's certification of its own name by one with another hash. */
async function recertify(
  secret: openpgp.PrivateKey,
  hash: openpgp.enums.hash,
  date: Date,
): Promise<void> {
  for (const user of secret.users) {
    const packet = new openpgp.SignaturePacket()
    packet.signatureType = openpgp.enums.signature.certGeneric
    packet.publicKeyAlgorithm = secret.keyPacket.algorithm
    packet.hashAlgorithm = hash
    packet.keyFlags = Uint8Array.of(
      openpgp.enums.keyFlags.signData | openpgp.enums.keyFlags.certifyKeys,
    )
    await sign(packet, secret.keyPacket, { userID: user.userID, key: secret.keyPacket }, date)
    user.selfCertifications = [packet]
  }
}

/** A binding signature without the subkey's own consent (RFC 9580 §5.2.1.9 wants it for signing subkeys). */
async function bind(
  secret: openpgp.PrivateKey,
  sub: openpgp.Subkey,
  date: Date,
): Promise<openpgp.SignaturePacket> {
  const packet = new openpgp.SignaturePacket()
  packet.signatureType = openpgp.enums.signature.subkeyBinding
  packet.publicKeyAlgorithm = secret.keyPacket.algorithm
  packet.hashAlgorithm = openpgp.enums.hash.sha256
  packet.keyFlags = Uint8Array.of(openpgp.enums.keyFlags.signData)
  await sign(packet, secret.keyPacket, { key: secret.keyPacket, bind: sub.keyPacket }, date)
  return packet
}

export interface SignSpec {
  readonly date?: Date
  readonly hash?: openpgp.enums.hash
  /** seconds after `date`; what openpgp cannot make, `signPackets` below does */
  readonly expiresAfter?: number
  /** whom the signature calls its maker, whoever that is */
  readonly issuer?: Issuer
}

/** What a signature says of its maker (RFC 9580 §5.2.3.12 and §5.2.3.35). */
export interface Issuer {
  readonly keyId: string
  /** none in signatures of old */
  readonly fingerprint?: string
  /** another key ID, where the signature does not cover it */
  readonly unsignedKeyId?: string
}

const issuerSubpacket = 16

/** As a key truly calls itself. */
export function issuerOf({
  fingerprint,
}: TestKey): Required<Pick<Issuer, 'keyId' | 'fingerprint'>> {
  return { keyId: fingerprint.slice(-16), fingerprint }
}

/** Signature packets over bytes, made without asking whether the keys may sign. */
export async function signPackets(
  bytes: Uint8Array,
  keys: readonly TestKey[],
  {
    type,
    date = new Date(Date.now() - day),
    hash = openpgp.enums.hash.sha256,
    expiresAfter,
    issuer,
  }: SignSpec & { readonly type: openpgp.enums.signature },
): Promise<openpgp.Signature> {
  const list = new openpgp.PacketList<openpgp.SignaturePacket>()
  for (const { secret } of keys) {
    const signer = (secret.subkeys[0]?.keyPacket ?? secret.keyPacket) as openpgp.SecretKeyPacket
    const packet = new openpgp.SignaturePacket()
    packet.signatureType = type
    packet.publicKeyAlgorithm = signer.algorithm
    packet.hashAlgorithm = hash
    if (expiresAfter !== undefined) {
      packet.signatureExpirationTime = expiresAfter
      packet.signatureNeverExpires = false
    }
    const [literal] = (await openpgp.createMessage({ binary: bytes })).packets
    await sign(packet, issuer === undefined ? signer : calledAs(signer, issuer), literal, date)
    if (issuer?.unsignedKeyId !== undefined) {
      const body = Buffer.from(issuer.unsignedKeyId, 'hex')
      ;(packet as unknown as { unhashedSubpackets: unknown[] }).unhashedSubpackets.push({
        type: issuerSubpacket,
        critical: false,
        body,
      })
    }
    list.push(packet)
  }
  return new openpgp.Signature(list)
}

/** The same key under another name: `sign` writes into a signature what the key says of itself. */
function calledAs(
  signer: openpgp.SecretKeyPacket,
  { keyId, fingerprint }: Issuer,
): openpgp.SecretKeyPacket {
  const named = Object.create(signer) as openpgp.SecretKeyPacket
  const id = Object.create(signer.getKeyID()) as object
  Object.assign(id, { bytes: Buffer.from(keyId, 'hex').toString('latin1') })
  return Object.assign(named, {
    getKeyID: () => id,
    getFingerprintBytes: () => (fingerprint === undefined ? null : Buffer.from(fingerprint, 'hex')),
  })
}

/** Clearsigns a text as `InRelease` is; keys with a subkey sign with that. */
export async function clearsign(
  text: string,
  keys: readonly TestKey[],
  spec: SignSpec = {},
): Promise<string> {
  const body = text.replace(/\n$/, '')
  const canonical = body
    .split('\n')
    .map((line) => line.replace(/[ \t\r]+$/, ''))
    .join('\r\n')
  const signature = await signPackets(Buffer.from(canonical), keys, {
    ...spec,
    type: openpgp.enums.signature.text,
  })
  const escaped = body
    .split('\n')
    .map((line) => (line.startsWith('-') ? `- ${line}` : line))
    .join('\n')
  const hash = openpgp.enums
    .read(openpgp.enums.hash, spec.hash ?? openpgp.enums.hash.sha256)
    .toUpperCase()
  return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: ${hash}\n\n${escaped}\n${unix(signature.armor())}`
}

/** A detached armored signature as `Release.gpg` is. */
export async function signDetached(
  bytes: Uint8Array,
  keys: readonly TestKey[],
  spec: SignSpec = {},
): Promise<string> {
  return unix(
    (await signPackets(bytes, keys, { ...spec, type: openpgp.enums.signature.binary })).armor(),
  )
}

/** The library's own types leave out what `sign` needs. */
async function sign(
  packet: openpgp.SignaturePacket,
  key: unknown,
  data: unknown,
  date: Date,
): Promise<void> {
  const signing = packet as unknown as {
    sign(
      key: unknown,
      data: unknown,
      date: Date,
      detached: boolean,
      config: openpgp.Config,
    ): Promise<void>
  }
  // a random notation would be another SHA-256, and there is none for SHA-1
  const config = { ...openpgp.config, nonDeterministicSignaturesViaNotation: false }
  await signing.sign(key, data, date, false, config)
}

function unix(text: string): string {
  return text.replaceAll('\r\n', '\n')
}
