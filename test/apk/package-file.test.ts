import { createReadStream } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readDataFiles, type PackagedFile } from '../../src/apk/data-files.ts'
import { openApk, type OpenApkOptions } from '../../src/apk/package-file.ts'
import { readApkKeys } from '../../src/apk/signature.ts'
import { sha256 } from '../../src/digest.ts'
import { alpineData, alpineKeys, realApk } from '../support/alpine.ts'
import {
  apkParts,
  buildApk,
  identityOf,
  signatureMember,
  testSigner,
  trusting,
  type ApkSpec,
} from '../support/apk.ts'
import { needs } from '../support/needs.ts'
import { chunked, codeOf, gathered } from '../support/streams.ts'
import { rawTar } from '../support/tar.ts'

const alice = testSigner('alice@example.org-1.rsa.pub')
const mallory = testSigner('mallory@example.org-2.rsa.pub')
const keys = trusting(alice)
const maxSize = 1024 * 1024

const spec: ApkSpec = {
  name: 'hello',
  fields: { depend: ['musl', 'so:libz.so.1'], triggers: '/usr/share/* /x' },
  scripts: { 'post-install': '#!/bin/sh\nexit 0\n', trigger: '#!/bin/sh\n\xff' },
  files: {
    'usr/bin/hello': { content: 'hi', mode: 0o4755 },
    'usr/bin/hi': { symlink: 'hello' },
    'usr/bin/hey': { hardlink: 'usr/bin/hello' },
  },
  signers: [alice],
}

const everything = async (bytes: Uint8Array, more: Partial<OpenApkOptions> = {}) => {
  await using apk = await openApk(chunked(bytes, 100), {
    name: 'hello.apk',
    keys,
    maxSize,
    ...more,
  })
  const data = await gathered(apk.data())
  const files = (await readDataFiles(chunked(data), 'hello.apk'))(sha256(data))
  return { ...apk, data, files }
}
const listing = (files: readonly PackagedFile[]) =>
  files.map(({ entry, checksum = '-' }) => `${entry.path} ${entry.type} ${checksum}`)

test('openApk() gives all that is in a package', async () => {
  const apk = await everything(buildApk(spec), { identity: identityOf(spec) })
  expect(apk.signer).toBe(alice.name)
  expect(apk.identity).toBe(identityOf(spec))
  expect(apk.info).toMatchObject({
    name: 'hello',
    version: '1.0-r0',
    depends: ['musl', 'so:libz.so.1'],
    triggers: ['/usr/share/*', '/x'],
  })
  expect(apk.scripts.map(({ type, bytes }) => [type, Buffer.from(bytes).toString()])).toEqual([
    ['post-install', '#!/bin/sh\nexit 0\n'],
    ['trigger', '#!/bin/sh\n\xff'],
  ])
  expect(listing(apk.files)).toEqual([
    'usr directory -',
    'usr/bin directory -',
    'usr/bin/hello file Q1witfkXg0JglCjW9RssWvTAveakI=',
    'usr/bin/hi symlink Q1qvTGHdzF6KLavt4PO0gs2a6pQ00=',
    'usr/bin/hey hardlink Q1witfkXg0JglCjW9RssWvTAveakI=',
  ])
})

describe('openApk() takes', () => {
  const parts = apkParts(spec)
  const tar = rawTar([{ name: 'a', body: 'x'.repeat(2000) }])
  const cut = [tar.subarray(0, 700), tar.subarray(700)].map((part) => gzipSync(part))
  const identity = identityOf(spec)
  const unsigned = buildApk({ ...spec, signers: [] })
  test.each<[string, Uint8Array, Partial<OpenApkOptions>, string | undefined]>([
    [
      'two signatures of which one is trusted',
      buildApk({ ...spec, signers: [mallory, alice] }),
      {},
      alice.name,
    ],
    [
      'signatures in members of their own',
      Buffer.concat([signatureMember(parts.control, [mallory]), buildApk(spec)]),
      {},
      alice.name,
    ],
    ['RSA256', buildApk({ ...spec, signers: [{ ...alice, algorithm: 'RSA256' }] }), {}, alice.name],
    ['RSA512', buildApk({ ...spec, signers: [{ ...alice, algorithm: 'RSA512' }] }), {}, alice.name],
    ['an unsigned package that an index vouches for', unsigned, { identity }, undefined],
    [
      'a package of an unknown signer that an index vouches for',
      buildApk({ ...spec, signers: [mallory] }),
      { identity },
      undefined,
    ],
    [
      'data in several gzip members',
      buildApk({ ...spec, rawData: Buffer.concat(cut) }),
      {},
      alice.name,
    ],
    [
      'control files it does not know',
      buildApk({ ...spec, control: [{ name: '.melange.yaml', body: 'x' }] }),
      {},
      alice.name,
    ],
  ])('%s', async (_, bytes, options, signer) => {
    expect((await everything(bytes, options)).signer).toBe(signer)
  })
})

describe('openApk() refuses', () => {
  const { signature, control, data } = apkParts(spec)
  const other = apkParts({ ...spec, files: { evil: 'x' } })
  const identity = identityOf(spec)
  const withControl = (...more: NonNullable<ApkSpec['control']>) =>
    buildApk({ ...spec, control: more })
  const named = (name: string) => gzipSync(rawTar([{ name, body: 'x' }], { end: 0 }))
  test.each<[string, Uint8Array, Partial<OpenApkOptions>, string]>([
    ['an unsigned package', Buffer.concat([control, data]), {}, 'SIGNATURE_MISSING'],
    ['an unknown key', buildApk({ ...spec, signers: [mallory] }), {}, 'KEY_UNKNOWN'],
    [
      'a trusted name with another key',
      buildApk({ ...spec, signers: [{ ...mallory, name: alice.name }] }),
      {},
      'SIGNATURE_INVALID',
    ],
    [
      'a wrong signature even where an index vouches for it',
      buildApk({ ...spec, signers: [{ ...mallory, name: alice.name }] }),
      { identity },
      'SIGNATURE_INVALID',
    ],
    [
      "another package's signature",
      Buffer.concat([signature, other.control, other.data]),
      {},
      'SIGNATURE_INVALID',
    ],
    [
      'another package than the index says',
      buildApk({ ...spec, version: '1.0-r1' }),
      { identity },
      'DIGEST_MISMATCH',
    ],
    [
      "another package's data",
      Buffer.concat([signature, control, other.data]),
      {},
      'DIGEST_MISMATCH',
    ],
    [
      'something put after the data',
      Buffer.concat([buildApk(spec), gzipSync('more')]),
      {},
      'DIGEST_MISMATCH',
    ],
    [
      'zeros after the data',
      Buffer.concat([buildApk(spec), Buffer.alloc(4096)]),
      {},
      'ARCHIVE_INVALID',
    ],
    [
      'a datahash that is wrong',
      buildApk({ ...spec, dataHash: 'ab'.repeat(32) }),
      {},
      'DIGEST_MISMATCH',
    ],
    [
      'a file that is not what the package says',
      buildApk({ ...spec, files: { a: { content: 'x', sha1: 'ab'.repeat(20) } } }),
      {},
      'DIGEST_MISMATCH',
    ],
    [
      'a symbolic link that is not what the package says',
      buildApk({ ...spec, files: { a: { symlink: 'x', sha1: 'ab'.repeat(20) } } }),
      {},
      'DIGEST_MISMATCH',
    ],
    [
      'a checksum that is none',
      buildApk({ ...spec, files: { a: { content: 'x', sha1: 'zz' } } }),
      {},
      'DIGEST_MISMATCH',
    ],
    [
      'a key name with a slash',
      Buffer.concat([named('.SIGN.RSA.a/b'), control, data]),
      {},
      'SIGNATURE_INVALID',
    ],
    [
      'no .PKGINFO',
      Buffer.concat([named('.post-install'), data]),
      { identity: undefined },
      'SIGNATURE_MISSING',
    ],
    ['.PKGINFO twice', withControl({ name: '.PKGINFO', body: 'x' }), {}, 'CONTROL_INVALID'],
    [
      'data in its control part',
      withControl({ name: 'usr/bin/x', body: 'x' }),
      {},
      'CONTROL_INVALID',
    ],
    ['a directory in its control part', withControl({ name: '.d/' }), {}, 'CONTROL_INVALID'],
    [
      'a script that is a link',
      withControl({ name: '.pre-install', type: '2', linkname: '/bin/sh' }),
      {},
      'CONTROL_INVALID',
    ],
    ['a malformed .PKGINFO', buildApk({ ...spec, name: 'a/b' }), {}, 'CONTROL_INVALID'],
    ['no data', Buffer.concat([signature, control]), {}, 'ARCHIVE_INVALID'],
    ['no control part', signature, {}, 'ARCHIVE_INVALID'],
    ['nothing', Buffer.alloc(0), {}, 'ARCHIVE_INVALID'],
    ['an ADB package', Buffer.from('ADB.pckg0000'), {}, 'ARCHIVE_INVALID'],
    [
      'data without its closing blocks',
      buildApk({ ...spec, rawData: gzipSync(rawTar([{ name: 'a', body: 'x' }], { end: 0 })) }),
      {},
      'ARCHIVE_INVALID',
    ],
    ['more data than allowed', buildApk(spec), { maxSize: 1000 }, 'DECOMPRESSION_BOMB'],
    [
      'a control part that never ends',
      Buffer.concat([gzipSync(Buffer.alloc(70 * 1024 * 1024)), data]),
      {},
      'DECOMPRESSION_BOMB',
    ],
  ])('%s', async (_, bytes, options, code) => {
    expect(await codeOf(everything(bytes, options))).toBe(code)
  })

  test('every truncation', async () => {
    const whole = buildApk(spec)
    for (let length = 0; length < whole.length; length += 11) {
      const code = await codeOf(everything(whole.subarray(0, length)))
      expect({ length, code }).toEqual({ length, code: 'ARCHIVE_INVALID' })
    }
  })

  test('a change of any byte after the signature', async () => {
    const whole = buildApk(spec)
    for (let at = signature.length; at < whole.length; at += 3) {
      const changed = Buffer.from(whole)
      changed[at]! ^= 1
      const code = await codeOf(everything(changed))
      expect({ at, code }).not.toEqual({ at, code: undefined })
    }
  })

  test('a change in the signature, unless it still says the same', async () => {
    const whole = buildApk(spec)
    const { data: expected } = await everything(whole)
    for (let at = 0; at < signature.length; at += 5) {
      const changed = Buffer.from(whole)
      changed[at]! ^= 1
      const found = await everything(changed).catch(() => undefined)
      if (found) expect(found).toMatchObject({ signer: alice.name, data: expected })
    }
  })
})

describe('readDataFiles()', () => {
  const files = async (one: Omit<ApkSpec, 'signers'>) =>
    (await everything(buildApk({ ...one, signers: [alice] }))).files

  test('gives owners by name and number, modes, times and binary attributes', async () => {
    const capability = Buffer.from([1, 0, 0, 2, 0xff, 0])
    const [etc, shadow, ping] = await files({
      files: {
        'etc/': { mode: 0o1777, mtime: 5 },
        'etc/shadow': { content: 'x', mode: 0o640, gid: 42, user: 'root', group: 'shadow' },
        'etc/ping': { content: 'x', xattrs: { 'security.capability': capability } },
      },
    })
    expect(etc).toMatchObject({ entry: { type: 'directory', mode: 0o1777, mtime: 5 }, user: '' })
    expect(shadow).toMatchObject({
      entry: { mode: 0o640, uid: 0, gid: 42, size: 1 },
      user: 'root',
      group: 'shadow',
    })
    expect(ping!.entry.xattrs).toEqual(new Map([['security.capability', capability]]))
  })

  test('gives no checksum where the package has none', async () => {
    const bare = { content: 'x', sha1: false } as const
    expect(listing(await files({ files: { a: bare, b: { hardlink: 'a' } } }))).toEqual([
      'a file -',
      'b hardlink -',
    ])
  })

  test('passes over what begins with a dot at the top, as apk does', async () => {
    const found = await files({ files: { '.x': 'x', '.d/': {}, './y': 'y', 'd/.z': 'z' } })
    expect(found.map(({ entry }) => entry.path)).toEqual(['d', 'd/.z'])
  })

  test.each<[string, NonNullable<ApkSpec['data']>, string]>([
    ['an absolute path', [{ name: '/etc/passwd', body: 'x' }], 'PATH_UNSAFE'],
    ['a path that climbs', [{ name: '../x', body: 'x' }], 'PATH_UNSAFE'],
    ['a path that climbs behind a dot', [{ name: './../x', body: 'x' }], 'PATH_UNSAFE'],
    ['a path that climbs later', [{ name: 'a/' }, { name: 'a/../../x', body: 'x' }], 'PATH_UNSAFE'],
    ['a path of two lines', [{ name: 'a\nR:b', body: 'x' }], 'PATH_UNSAFE'],
    ['a path twice', [{ name: 'a' }, { name: 'a' }], 'PATH_UNSAFE'],
    [
      'a file over a directory',
      [{ name: 'a/' }, { name: 'a', type: '2', linkname: '/etc' }],
      'PATH_UNSAFE',
    ],
    [
      'a file behind a link',
      [{ name: 'a', type: '2', linkname: '/etc' }, { name: 'a/b' }],
      'ARCHIVE_INVALID',
    ],
    ['a hard link out', [{ name: 'a', type: '1', linkname: '/etc/shadow' }], 'PATH_UNSAFE'],
    ['a hard link to another package', [{ name: 'a', type: '1', linkname: 'b' }], 'PATH_UNSAFE'],
    ['a device', [{ name: 'a', type: '3', major: 1, minor: 3 }], 'ENTRY_UNSUPPORTED'],
    ['a file without its directory', [{ name: 'a/b', body: 'x' }], 'ARCHIVE_INVALID'],
  ])('refuses %s', async (_, data, code) => {
    expect(await codeOf(files({ data }))).toBe(code)
  })
})

const real = needs('alpine')

describe.skipIf(!real.available)('with real Alpine', () => {
  test.each([
    [
      'alpine-baselayout-3.2.0-r23.aarch64.apk',
      'alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub',
      83,
    ],
    ['hello-wolfi-2.12.1-r0.x86_64.apk', undefined, 144],
  ])('openApk() reads %s', async (name, signer, count) => {
    const trusted = readApkKeys(await alpineKeys())
    const file = path.join(alpineData, 'packages', name)
    const options = { name, keys: trusted, maxSize: 2 ** 30 }
    await using unidentified = await openApk(createReadStream(file), {
      ...options,
      identity: signer === undefined ? await identityOfFile(file) : undefined,
    })
    expect(unidentified.signer).toBe(signer)
    const found = (await readDataFiles(unidentified.data(), name))(sha256(''))
    expect(found).toHaveLength(count)
    const bare = found.filter(
      ({ entry, checksum }) => entry.type === 'file' && checksum === undefined,
    )
    expect(bare).toEqual([])
    expect(found.every(({ user, group }) => user === 'root' && group !== '')).toBe(true)
  })

  test('the real apk and openApk() say the same of a package', async () => {
    const apk = await realApk([alice])
    const { signature, control, data } = apkParts(spec)
    const other = apkParts({ ...spec, files: { evil: 'x' } })
    const cases: [name: string, bytes: Buffer, good: boolean][] = [
      ['good', buildApk(spec), true],
      ['without files', buildApk({ signers: [alice] }), true],
      ['rsa256', buildApk({ ...spec, signers: [{ ...alice, algorithm: 'RSA256' }] }), true],
      ['rsa512', buildApk({ ...spec, signers: [{ ...alice, algorithm: 'RSA512' }] }), true],
      ['two signers', buildApk({ ...spec, signers: [mallory, alice] }), true],
      ['re-signed', Buffer.concat([signatureMember(control, [mallory]), buildApk(spec)]), true],
      [
        'odd pkginfo',
        buildApk({ ...spec, fields: { pkgdesc: 'a # "b" ; = c', size: '1k' } }),
        true,
      ],
      ['unsigned', Buffer.concat([control, data]), false],
      ['unknown', buildApk({ ...spec, signers: [mallory] }), false],
      ['forged', buildApk({ ...spec, signers: [{ ...mallory, name: alice.name }] }), false],
      ['mislabelled', buildApk({ ...spec, signers: [{ ...alice, label: 'RSA512' }] }), false],
      ['swapped data', Buffer.concat([signature, control, other.data]), false],
      ['swapped signature', Buffer.concat([signature, other.control, other.data]), false],
      ['wrong datahash', buildApk({ ...spec, dataHash: 'ab'.repeat(32) }), false],
      ['more after the data', Buffer.concat([buildApk(spec), gzipSync('more')]), false],
      ['cut short', buildApk(spec).subarray(0, -20), false],
    ]
    const expected = cases.map(([name, , good]) => [name, good])
    const said = cases.map(([name, bytes]) => [
      name,
      apk.run('verify', apk.keep(`${name}.apk`, bytes)).status === 0,
    ])
    const ours = await Promise.all(
      cases.map(async ([name, bytes]) => [name, (await codeOf(everything(bytes))) === undefined]),
    )
    expect(said).toEqual(expected)
    expect(ours).toEqual(expected)
  })
})

/** What an index would say of it. */
async function identityOfFile(file: string): Promise<string> {
  const probe = openApk(createReadStream(file), { name: file, keys, identity: 'Q1', maxSize })
  const error: unknown = await probe.catch((reason: unknown) => reason)
  return (error as { facts: { got: string } }).facts.got
}
