import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enums } from 'openpgp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyClearsigned, verifyDetached, type Keyring } from '../../src/deb/openpgp.ts'
import { isPlinthError } from '../../src/errors.ts'
import {
  clearsign,
  issuerOf,
  makeKey,
  signDetached,
  type Issuer,
  type TestKey,
} from '../support/keys.ts'
import { needs } from '../support/needs.ts'

const text = 'Origin: Test\nSuite: stable\n- dashed\nDescription: two  \n'
const day = 24 * 3600 * 1000
const now = new Date()
const ago = (days: number): Date => new Date(now.getTime() - days * day)

let keys: Record<
  | 'good'
  | 'other'
  | 'sub'
  | 'expired'
  | 'revoked'
  | 'expiredSub'
  | 'revokedSub'
  | 'uncertifiedSub'
  | 'rsa1024'
  | 'rsa2048'
  | 'sha1Self',
  TestKey
>

beforeAll(async () => {
  keys = {
    good: await makeKey(),
    other: await makeKey({ name: 'someone else' }),
    sub: await makeKey({ subkey: {} }),
    expired: await makeKey({ created: ago(100), expiresAfter: (50 * day) / 1000 }),
    revoked: await makeKey({ revoked: true }),
    expiredSub: await makeKey({ created: ago(100), subkey: { expiresAfter: (50 * day) / 1000 } }),
    revokedSub: await makeKey({ subkey: { revoked: true } }),
    uncertifiedSub: await makeKey({ subkey: { crossCertified: false } }),
    rsa1024: await makeKey({ rsaBits: 1024 }),
    rsa2048: await makeKey({ rsaBits: 2048 }),
    sha1Self: await makeKey({ rsaBits: 2048, selfHash: enums.hash.sha1 }),
  }
})

const onlyKeyId = (key: TestKey): Issuer => ({ keyId: issuerOf(key).keyId })

/** Somebody else whose fingerprint ends as the key's does, which is all a key ID says. */
const namesake = (key: TestKey): Issuer => {
  const { keyId, fingerprint } = issuerOf(key)
  return { keyId, fingerprint: fingerprint.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) }
}

interface Case {
  readonly name: string
  readonly document: () => Promise<string>
  readonly trusted: () => readonly TestKey[]
  /** a code, or the fingerprints of the signers */
  readonly expected: string | (() => readonly string[])
  /** where we are stricter than gpgv, and why */
  readonly gpgvAccepts?: string
  /** where gpgv refuses for another reason */
  readonly gpgvSays?: RegExp
}

const cases: readonly Case[] = [
  {
    name: 'a good signature',
    document: () => clearsign(text, [keys.good]),
    trusted: () => [keys.good],
    expected: () => [keys.good.fingerprint],
  },
  {
    name: 'a signature by a subkey',
    document: () => clearsign(text, [keys.sub]),
    trusted: () => [keys.sub],
    expected: () => keys.sub.subkeys,
  },
  {
    name: 'RSA with 2048 bits',
    document: () => clearsign(text, [keys.rsa2048]),
    trusted: () => [keys.rsa2048],
    expected: () => [keys.rsa2048.fingerprint],
  },
  {
    name: 'several signatures of which one is trusted',
    document: () => clearsign(text, [keys.other, keys.sub, keys.good]),
    trusted: () => [keys.good],
    expected: () => [keys.good.fingerprint],
  },
  {
    name: 'one trusted signature beside one of an expired key',
    document: () => clearsign(text, [keys.expired, keys.good], { date: ago(60) }),
    trusted: () => [keys.expired, keys.good],
    expected: () => [keys.good.fingerprint],
  },
  {
    name: 'CRLF line ends',
    document: async () => (await clearsign(text, [keys.good])).replaceAll('\n', '\r\n'),
    trusted: () => [keys.good],
    expected: () => [keys.good.fingerprint],
  },
  {
    name: 'trailing white space added, which is not signed',
    document: async () =>
      (await clearsign(text, [keys.good])).replace('Suite: stable', 'Suite: stable \t'),
    trusted: () => [keys.good],
    expected: () => [keys.good.fingerprint],
  },
  {
    name: 'an unknown key',
    document: () => clearsign(text, [keys.other]),
    trusted: () => [keys.good],
    expected: 'KEY_UNKNOWN',
  },
  {
    name: 'a signature that names its key by ID only, as old ones do',
    document: () => clearsign(text, [keys.good], { issuer: onlyKeyId(keys.good) }),
    trusted: () => [keys.good],
    expected: () => [keys.good.fingerprint],
  },
  {
    name: 'a signature that names another key of the same ID',
    document: () => clearsign(text, [keys.good], { issuer: namesake(keys.good) }),
    trusted: () => [keys.good],
    expected: 'KEY_UNKNOWN',
    gpgvAccepts: 'gpgv goes on with the key ID when it does not know the fingerprint',
  },
  {
    name: 'a signature by a subkey that names another key of its ID',
    document: () =>
      clearsign(text, [keys.sub], {
        issuer: namesake({ ...keys.sub, fingerprint: keys.sub.subkeys[0]! }),
      }),
    trusted: () => [keys.sub],
    expected: 'KEY_UNKNOWN',
    gpgvAccepts: 'gpgv goes on with the key ID when it does not know the fingerprint',
  },
  {
    name: 'an unknown key that goes by the ID of a trusted one',
    document: () => clearsign(text, [keys.other], { issuer: onlyKeyId(keys.good) }),
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'an unknown key that goes by the fingerprint of a trusted one',
    document: () => clearsign(text, [keys.other], { issuer: issuerOf(keys.good) }),
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'an unknown key with the ID of a trusted one, and a fingerprint of its own',
    document: () => clearsign(text, [keys.other], { issuer: namesake(keys.good) }),
    trusted: () => [keys.good],
    expected: 'KEY_UNKNOWN',
    gpgvSays: /BADSIG/,
  },
  {
    name: 'a trusted key that goes by the name of another trusted one',
    document: () => clearsign(text, [keys.good], { issuer: issuerOf(keys.other) }),
    trusted: () => [keys.good, keys.other],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'a fingerprint beside which stands, unsigned, the ID of another key',
    document: () =>
      clearsign(text, [keys.good], {
        issuer: { ...issuerOf(keys.good), unsignedKeyId: keys.other.fingerprint.slice(-16) },
      }),
    trusted: () => [keys.good, keys.other],
    expected: 'KEY_UNKNOWN',
    gpgvAccepts: 'gpgv does not look at the key ID when it knows the fingerprint',
  },
  {
    name: 'a changed byte',
    document: async () => (await clearsign(text, [keys.good])).replace('Test', 'Tesu'),
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'a removed line',
    document: async () => (await clearsign(text, [keys.good])).replace('Origin: Test\n', ''),
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'the signature of another text',
    document: async () => {
      const [head] = (await clearsign(text, [keys.good])).split('-----BEGIN PGP SIGNATURE')
      const [, tail] = (await clearsign('Other: text\n', [keys.good])).split(
        '-----BEGIN PGP SIGNATURE',
      )
      return `${head}-----BEGIN PGP SIGNATURE${tail}`
    },
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'an expired key',
    document: () => clearsign(text, [keys.expired], { date: ago(60) }),
    trusted: () => [keys.expired],
    expected: 'KEY_EXPIRED',
  },
  {
    name: 'a revoked key',
    document: () => clearsign(text, [keys.revoked]),
    trusted: () => [keys.revoked],
    expected: 'KEY_REVOKED',
  },
  {
    name: 'an expired subkey',
    document: () => clearsign(text, [keys.expiredSub], { date: ago(60) }),
    trusted: () => [keys.expiredSub],
    expected: 'KEY_EXPIRED',
  },
  {
    name: 'a revoked subkey',
    document: () => clearsign(text, [keys.revokedSub]),
    trusted: () => [keys.revokedSub],
    expected: 'KEY_REVOKED',
  },
  {
    name: 'a subkey that never agreed',
    document: () => clearsign(text, [keys.uncertifiedSub]),
    trusted: () => [keys.uncertifiedSub],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'an expired signature',
    document: () => clearsign(text, [keys.good], { date: ago(10), expiresAfter: (5 * day) / 1000 }),
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'a signature a little ahead of our clock',
    document: () => clearsign(text, [keys.good], { date: new Date(now.getTime() + 3600_000) }),
    trusted: () => [keys.good],
    expected: () => [keys.good.fingerprint],
  },
  {
    name: 'a signature from the future',
    document: () => clearsign(text, [keys.good], { date: ago(-5) }),
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
    gpgvAccepts: 'gpgv warns only; sqv refuses it',
  },
  {
    name: 'a SHA-1 signature',
    document: () => clearsign(text, [keys.rsa2048], { hash: enums.hash.sha1 }),
    trusted: () => [keys.rsa2048],
    expected: 'SIGNATURE_WEAK',
    gpgvAccepts: 'gpgv 2.2 still takes SHA-1; apt itself refuses it',
  },
  {
    name: 'RSA with 1024 bits',
    document: () => clearsign(text, [keys.rsa1024]),
    trusted: () => [keys.rsa1024],
    expected: 'SIGNATURE_WEAK',
    gpgvAccepts: 'gpgv has no lower limit; apt sets one (rsa2048)',
  },
  {
    name: 'a key that certifies itself with SHA-1',
    document: () => clearsign(text, [keys.sha1Self]),
    trusted: () => [keys.sha1Self],
    expected: 'SIGNATURE_WEAK',
    gpgvAccepts: 'gpgv takes them, sqv refuses them since February 2026',
  },
  {
    name: 'text before the signed block',
    document: async () => `Suite: evil\n${await clearsign(text, [keys.good])}`,
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
    gpgvAccepts: 'gpgv only speaks of the block; who reads the file has to look (CVE-2013-1051)',
  },
  {
    name: 'text after the signed block',
    document: async () => `${await clearsign(text, [keys.good])}Suite: evil\n`,
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
    gpgvAccepts: 'as before',
  },
  {
    name: 'an unescaped dash',
    document: async () => (await clearsign(text, [keys.good])).replace('- - dashed', '-- dashed'),
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'no signature at all',
    document: async () => text,
    trusted: () => [keys.good],
    expected: 'SIGNATURE_MISSING',
  },
  {
    name: 'a login page',
    document: async () => '<html>Please log in</html>',
    trusted: () => [keys.good],
    expected: 'SIGNATURE_MISSING',
  },
  {
    name: 'an unreadable signature block',
    document: async () =>
      (await clearsign(text, [keys.good])).replace(
        /(BEGIN PGP SIGNATURE-----\n\n)[\s\S]*?\n-----END/,
        '$1AAAA\n-----END',
      ),
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
  },
  {
    name: 'a signature block that does not end',
    document: async () => (await clearsign(text, [keys.good])).replace(/-----END.*\n/, ''),
    trusted: () => [keys.good],
    expected: 'SIGNATURE_INVALID',
    gpgvAccepts: 'for gpgv the end of the file ends the armor',
  },
]

async function verdict(
  run: () => Promise<{ readonly signers: readonly string[] }>,
): Promise<string | readonly string[]> {
  try {
    return (await run()).signers
  } catch (error) {
    if (isPlinthError(error)) return error.code
    throw error
  }
}

const keyringOf = (trusted: readonly TestKey[]): Keyring => ({
  keys: trusted.map(({ armored }) => armored),
})

describe('verifyClearsigned()', () => {
  test.each(cases)('$name', async ({ document, trusted, expected }) => {
    const bytes = Buffer.from(await document())
    const actual = await verdict(() =>
      verifyClearsigned(bytes, { keyring: keyringOf(trusted()), now, name: 'InRelease' }),
    )
    expect(actual).toEqual(typeof expected === 'string' ? expected : [...expected()].toSorted())
  })

  test('gives the text that was signed, unescaped', async () => {
    const bytes = Buffer.from(await clearsign(text, [keys.good]))
    const verified = await verifyClearsigned(bytes, {
      keyring: keyringOf([keys.good]),
      now,
      name: 'InRelease',
    })
    expect(verified.text).toBe('Origin: Test\nSuite: stable\n- dashed\nDescription: two\n')
  })

  test('takes binary keyrings and several armored blocks in one', async () => {
    const bytes = Buffer.from(await clearsign(text, [keys.good]))
    for (const key of [
      keys.good.binary,
      `${keys.other.armored}\n${keys.good.armored}`,
      Buffer.from(keys.good.armored),
    ]) {
      const verified = await verifyClearsigned(bytes, {
        keyring: { keys: [key] },
        now,
        name: 'InRelease',
      })
      expect(verified.signers).toEqual([keys.good.fingerprint])
    }
  })

  test('says until when the verdict holds', async () => {
    const key = await makeKey({ created: ago(10), expiresAfter: (20 * day) / 1000 })
    const bytes = Buffer.from(await clearsign(text, [key]))
    const verified = await verifyClearsigned(bytes, {
      keyring: keyringOf([key]),
      now,
      name: 'InRelease',
    })
    expect(Math.round((verified.until!.getTime() - now.getTime()) / day)).toBe(10)
    const later = { keyring: keyringOf([key]), now: ago(-11), name: 'InRelease' }
    expect(await verdict(() => verifyClearsigned(bytes, later))).toBe('KEY_EXPIRED')
  })

  test.each([
    { name: 'the primary key', of: () => keys.sub.fingerprint, ok: true },
    { name: 'the subkey', of: () => keys.sub.subkeys.join(), ok: true },
    { name: 'exactly the subkey', of: () => `${keys.sub.subkeys[0]}!`, ok: true },
    {
      name: 'exactly the primary key, which did not sign',
      of: () => `${keys.sub.fingerprint}!`,
      ok: false,
    },
    { name: 'another key', of: () => keys.good.fingerprint, ok: false },
  ])('restricts to fingerprints: $name', async ({ of, ok }) => {
    const bytes = Buffer.from(await clearsign(text, [keys.sub]))
    const keyring = { ...keyringOf([keys.sub, keys.good]), fingerprints: [of()] }
    const actual = await verdict(() =>
      verifyClearsigned(bytes, { keyring, now, name: 'InRelease' }),
    )
    expect(actual).toEqual(ok ? keys.sub.subkeys : 'KEY_UNKNOWN')
  })

  test('names who signed and who is trusted when no key is known', async () => {
    const bytes = Buffer.from(await clearsign(text, [keys.other]))
    const failing = verifyClearsigned(bytes, {
      keyring: keyringOf([keys.good]),
      now,
      name: 'InRelease',
    })
    await expect(failing).rejects.toThrow(keys.other.fingerprint)
    await expect(failing).rejects.toThrow(keys.good.fingerprint)
  })

  test('refuses a keyring that is none', async () => {
    const bytes = Buffer.from(await clearsign(text, [keys.good]))
    await expect(
      verifyClearsigned(bytes, { keyring: { keys: ['hello'] }, now, name: 'InRelease' }),
    ).rejects.toMatchObject({ code: 'USAGE' })
  })
})

describe('verifyDetached()', () => {
  const bytes = Buffer.from(text)

  test('accepts a good signature, armored or binary', async () => {
    const armored = await signDetached(bytes, [keys.good])
    const { unarmor } = await import('openpgp')
    const binary = (await unarmor(armored)).data as Uint8Array
    for (const signature of [Buffer.from(armored), binary]) {
      const verified = await verifyDetached(bytes, signature, {
        keyring: keyringOf([keys.good]),
        now,
        name: 'Release',
      })
      expect(verified).toMatchObject({ text, signers: [keys.good.fingerprint] })
    }
  })

  test.each([
    {
      name: 'a changed document',
      document: 'Origin: Tesu\n',
      signer: () => keys.good,
      code: 'SIGNATURE_INVALID',
    },
    { name: 'an unknown key', document: text, signer: () => keys.other, code: 'KEY_UNKNOWN' },
    { name: 'a revoked key', document: text, signer: () => keys.revoked, code: 'KEY_REVOKED' },
  ])('refuses $name', async ({ document, signer, code }) => {
    const signature = Buffer.from(await signDetached(bytes, [signer()]))
    const keyring = keyringOf([keys.good, keys.revoked])
    expect(
      await verdict(() =>
        verifyDetached(Buffer.from(document), signature, { keyring, now, name: 'Release' }),
      ),
    ).toBe(code)
  })

  test('refuses a file that is no signature', async () => {
    const options = { keyring: keyringOf([keys.good]), now, name: 'Release' }
    expect(await verdict(() => verifyDetached(bytes, Buffer.from('nonsense'), options))).toBe(
      'SIGNATURE_INVALID',
    )
  })
})

const gpgvSays = new Map([
  ['KEY_EXPIRED', /EXPKEYSIG/],
  ['KEY_REVOKED', /REVKEYSIG/],
  ['KEY_UNKNOWN', /NO_PUBKEY/],
])

describe.skipIf(!needs('gpgv').available)('verifyClearsigned() and gpgv agree', () => {
  const folder = mkdtempSync(join(tmpdir(), 'plinth-gpgv-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(cases)('$name', async (one) => {
    const { document, trusted, expected, gpgvAccepts } = one
    const file = join(folder, 'InRelease')
    const keyring = join(folder, 'keyring.gpg')
    writeFileSync(file, await document())
    writeFileSync(keyring, Buffer.concat(trusted().map(({ binary }) => binary)))
    const { stdout } = spawnSync('gpgv', ['--status-fd', '1', '--keyring', keyring, file], {
      encoding: 'utf8',
      env: { GNUPGHOME: folder, PATH: process.env['PATH'] },
    })
    const accepted = /^\[GNUPG:\] GOODSIG /m.test(stdout)
    expect(accepted).toBe(gpgvAccepts !== undefined || typeof expected !== 'string')
    const says = accepted ? undefined : (one.gpgvSays ?? gpgvSays.get(String(expected)))
    expect(stdout).toMatch(says ?? /^/)
  })
})
