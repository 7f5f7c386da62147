import { createPublicKey, createVerify, type KeyObject, type Verify } from 'node:crypto'
import { printable } from '../archive/path.ts'
import type { TarMember } from '../archive/tar-read.ts'
import { PlinthError } from '../errors.ts'

/** Trusted keys by file name, as `.SIGN.RSA.<name>` refers to them. */
export type ApkKeys = ReadonlyMap<string, KeyObject>

/** RSA with PKCS #1 v1.5 padding over a digest, by what stands in the signature's name (apk-v2(5)). */
const digests = { RSA: 'RSA-SHA1', RSA256: 'RSA-SHA256', RSA512: 'RSA-SHA512' } as const
type Algorithm = keyof typeof digests

/** One signature of a package or an index. */
export interface Signature {
  /** undefined for one that plinth does not know */
  readonly algorithm: Algorithm | undefined
  /** file name of the key that made it */
  readonly key: string
  readonly value: Uint8Array
}

/** Where the names of signatures begin. */
export const signaturePrefix = '.SIGN.'

/** A signature is as long as its key. */
const maxSignature = 16 * 1024

/**
 * The trusted keys of a source: PEM by file name (`….rsa.pub`). Throws `USAGE` for a name that cannot be one,
 * or content that is no RSA public key, `SIGNATURE_WEAK` for a key of less than 2048 bits.
 */
export function readApkKeys(files: Readonly<Record<string, string>>): ApkKeys {
  const keys = new Map<string, KeyObject>()
  for (const [name, pem] of Object.entries(files)) {
    const refused = (why: string, cause?: unknown) =>
      new PlinthError('USAGE', `cannot use the key '${printable(name)}': ${why}`, {
        cause,
        hint: 'give the PEM text of an RSA public key under the name of its file, without directories',
      })
    if (!isKeyName(name)) throw refused('this is not the name of a file')
    let key: KeyObject
    try {
      key = createPublicKey(pem)
    } catch (cause) {
      throw refused('its content is not a public key in PEM', cause)
    }
    if (key.asymmetricKeyType !== 'rsa')
      throw refused(`it is a key for ${key.asymmetricKeyType}, and apk v2 signs with RSA alone`)
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
    // the top bit of a modulus may be unset
    if (bits < 2047) {
      throw new PlinthError(
        'SIGNATURE_WEAK',
        `cannot use the key '${name}': it has ${bits} bits, less than 2048`,
        { hint: 'ask the publisher to sign with a key of 2048 bits or more' },
      )
    }
    keys.set(name, key)
  }
  return keys
}

/** apk opens the key by this name in its directory of keys: it must not leave it. */
function isKeyName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\p{Cc}]/u.test(name)
}

/**
 * A signature from its member of the signature part's tar. Throws `SIGNATURE_INVALID` for anything that does
 * not belong there, and for the name of a key that is a path.
 */
export async function readSignature(member: TarMember, archive: string): Promise<Signature> {
  const { name } = member
  if (!name.startsWith(signaturePrefix) || member.type !== 'file')
    throw invalid(archive, `its signature part holds '${printable(name)}', a ${member.type}`)
  if (member.size > maxSignature) throw invalid(archive, 'it has one larger than any signature')
  const dot = name.indexOf('.', signaturePrefix.length)
  const type = name.slice(signaturePrefix.length, dot < 0 ? undefined : dot)
  const key = dot < 0 ? '' : name.slice(dot + 1)
  if (!isKeyName(key))
    throw invalid(archive, `it names '${printable(key)}' as its key, which is no file name`)
  const parts: Buffer[] = []
  for await (const part of member.body()) parts.push(part)
  const algorithm = Object.hasOwn(digests, type) ? (type as Algorithm) : undefined
  return { algorithm, key, value: Buffer.concat(parts) }
}

/** Judges the signatures over bytes that stream by. */
export class SignatureCheck {
  readonly #signatures: readonly Signature[]
  readonly #keys: ApkKeys
  readonly #archive: string
  readonly #candidates: { signature: Signature; key: KeyObject; verify: Verify }[] = []

  constructor(signatures: readonly Signature[], keys: ApkKeys, archive: string) {
    this.#signatures = signatures
    this.#keys = keys
    this.#archive = archive
    for (const signature of signatures) {
      const key = keys.get(signature.key)
      if (key === undefined || signature.algorithm === undefined) continue
      this.#candidates.push({ signature, key, verify: createVerify(digests[signature.algorithm]) })
    }
  }

  /** Whether a trusted key is among those that signed. */
  get hasTrusted(): boolean {
    return this.#candidates.length > 0
  }

  update(signed: Uint8Array): void {
    for (const { verify } of this.#candidates) verify.update(signed)
  }

  /**
   * The name of the trusted key that signed what was seen; one good signature suffices, whatever the others
   * are. Throws `SIGNATURE_MISSING` when there is none at all, `KEY_UNKNOWN` when none is of a trusted key,
   * `SIGNATURE_INVALID` when those are all wrong.
   */
  finish(): string {
    const good = this.#candidates.find(({ signature, key, verify }) =>
      verify.verify(key, signature.value),
    )
    if (good) return good.signature.key
    const trusted = [...this.#keys.keys()].toSorted()
    const signers = this.#signatures.map(({ key }) => key)
    const facts = { signers, trusted }
    if (signers.length === 0) {
      throw new PlinthError(
        'SIGNATURE_MISSING',
        `cannot trust ${this.#archive}: it is not signed`,
        { hint: 'ask the publisher to sign it, or sign it with abuild-sign', facts },
      )
    }
    const names = signers.map((name) => `'${printable(name)}'`).join(', ')
    if (this.#candidates.length === 0) {
      const known = this.#signatures.some(({ key }) => this.#keys.has(key))
      throw new PlinthError(
        'KEY_UNKNOWN',
        `cannot trust ${this.#archive}: ` +
          (known
            ? `the signature of ${names} is of a kind plinth does not know (known: ${Object.keys(digests).join(', ')})`
            : `it is signed with ${names}, which is not trusted here (trusted: ${trusted.join(', ') || 'none'})`),
        {
          hint: "name the publisher's key in the source's keys, after checking it with the publisher",
          facts,
        },
      )
    }
    throw new PlinthError(
      'SIGNATURE_INVALID',
      `cannot trust ${this.#archive}: the signature of ${this.#candidates.map(({ signature }) => `'${signature.key}'`).join(', ')} does not match its content`,
      { hint: 'it was changed on its way or by its publisher; try another mirror', facts },
    )
  }
}

function invalid(archive: string, why: string): PlinthError {
  return new PlinthError('SIGNATURE_INVALID', `cannot trust ${archive}: ${why}`, {
    hint: 'it is malformed or hostile: report it to its publisher',
    facts: { archive },
  })
}
