import { createReadStream } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readApkIndex } from '../../src/apk/apkindex.ts'
import { readApkKeys, type ApkKeys } from '../../src/apk/signature.ts'
import { alpineData, alpineKeys, realApk } from '../support/alpine.ts'
import {
  buildIndex,
  indexParts,
  indexRecord,
  signatureMember,
  testSigner,
  trusting,
  type IndexSpec,
} from '../support/apk.ts'
import { needs } from '../support/needs.ts'
import { chunked, codeOf } from '../support/streams.ts'
import { rawTar, type RawMember } from '../support/tar.ts'

const alice = testSigner('alice@example.org-1.rsa.pub')
const mallory = testSigner('mallory@example.org-2.rsa.pub')
const keys = trusting(alice)
const read = (bytes: Uint8Array, trusted: ApkKeys = keys) =>
  readApkIndex(chunked(bytes, 1000), { name: 'main', keys: trusted })
const spec: IndexSpec = {
  packages: [{ name: 'a', fields: { depend: ['b', 'c>1'] } }, { name: 'b' }],
  signers: [alice],
}
const text =
  indexRecord({ name: 'a', fields: { depend: ['b', 'c>1'] } }) + indexRecord({ name: 'b' })
const index: RawMember = { name: 'APKINDEX', body: text }

test.each(['RSA', 'RSA256', 'RSA512'] as const)(
  'readApkIndex() gives the text that %s vouches for',
  async (algorithm) => {
    const bytes = buildIndex({
      ...spec,
      description: 'v3.20\n',
      signers: [{ ...alice, algorithm }],
    })
    expect(await read(bytes)).toEqual({ text, description: 'v3.20', signer: alice.name })
  },
)

describe('readApkIndex() takes', () => {
  const { signature, content } = indexParts(spec)
  const bob = testSigner('bob.rsa.pub')
  const twice = gzipSync(rawTar([index]).subarray(0, 700))
  const cut = Buffer.concat([twice, gzipSync(rawTar([index]).subarray(700))])
  test.each([
    ['two signatures of which one is trusted', buildIndex({ ...spec, signers: [mallory, alice] })],
    ['the trusted one first', buildIndex({ ...spec, signers: [alice, mallory] })],
    [
      'signatures in members of their own',
      Buffer.concat([signatureMember(content, [mallory, bob]), signature, content]),
    ],
    [
      'a kind of signature it does not know beside one it does',
      buildIndex({ ...spec, signers: [{ ...alice, algorithm: 'DSA' }, alice] }),
    ],
    [
      'a good signature beside a bad one',
      buildIndex({ ...spec, signers: [{ ...alice, signs: Buffer.from('x') }, alice] }),
    ],
    ['content in several gzip members', Buffer.concat([signatureMember(cut, [alice]), cut])],
    [
      'other files, and no description',
      buildIndex({ ...spec, members: [{ name: 'extra', body: 'x' }, index] }),
    ],
  ])('%s', async (_, bytes) => {
    expect(await read(bytes)).toMatchObject({ text, signer: alice.name })
  })

  test('lines of more than 64 KB', async () => {
    const long = `C:Q1x\nP:coq\nV:1\np:${'cmd:tool=1 '.repeat(20_000).trimEnd()}\n\n`
    expect((await read(buildIndex({ text: long, signers: [alice] }))).text).toBe(long)
  })

  test('names outside ASCII, also where chunks cut them', async () => {
    const named = `P:a\nT:${'é–漢'.repeat(5000)}\n\n`
    expect((await read(buildIndex({ text: named, signers: [alice] }))).text).toBe(named)
  })
})

describe('readApkIndex() refuses', () => {
  const { signature, content } = indexParts(spec)
  const forged = indexParts({ ...spec, packages: [{ name: 'evil' }] })
  const named = (name: string, type = '0') =>
    gzipSync(rawTar([{ name, body: 'x', type }], { end: 0 }))
  test.each([
    ['an unsigned index', content, 'SIGNATURE_MISSING'],
    ['an unknown key', buildIndex({ ...spec, signers: [mallory] }), 'KEY_UNKNOWN'],
    [
      'a trusted name with another key',
      buildIndex({ ...spec, signers: [{ ...mallory, name: alice.name }] }),
      'SIGNATURE_INVALID',
    ],
    ['other content', Buffer.concat([signature, forged.content]), 'SIGNATURE_INVALID'],
    [
      'something put after the signed content',
      Buffer.concat([signature, content, gzipSync(rawTar([{ name: 'more' }]))]),
      'SIGNATURE_INVALID',
    ],
    [
      'something put before the signed content',
      Buffer.concat([signature, gzipSync(rawTar([index], { end: 0 })), content]),
      'INDEX_INVALID',
    ],
    [
      'a signature by another algorithm than it says',
      buildIndex({ ...spec, signers: [{ ...alice, label: 'RSA256' }] }),
      'SIGNATURE_INVALID',
    ],
    [
      'a kind of signature it does not know',
      buildIndex({ ...spec, signers: [{ ...alice, algorithm: 'DSA' }] }),
      'KEY_UNKNOWN',
    ],
    [
      'a key name with a slash',
      Buffer.concat([named(`.SIGN.RSA.../keys/${alice.name}`), content]),
      'SIGNATURE_INVALID',
    ],
    [
      'a key name that climbs',
      Buffer.concat([named('.SIGN.RSA...'), content]),
      'SIGNATURE_INVALID',
    ],
    [
      'a signature without a key name',
      Buffer.concat([named('.SIGN.RSA'), content]),
      'SIGNATURE_INVALID',
    ],
    [
      'a signature that is a link',
      Buffer.concat([named(`.SIGN.RSA.${alice.name}`, '2'), content]),
      'SIGNATURE_INVALID',
    ],
    [
      'content in the signature part',
      gzipSync(rawTar([{ name: `.SIGN.RSA.${alice.name}`, body: 'x' }, index])),
      'SIGNATURE_INVALID',
    ],
    ['nothing but a signature', signature, 'ARCHIVE_INVALID'],
    ['nothing', Buffer.alloc(0), 'ARCHIVE_INVALID'],
    [
      'no APKINDEX',
      buildIndex({ ...spec, members: [{ name: 'other', body: '' }] }),
      'INDEX_INVALID',
    ],
    ['APKINDEX twice', buildIndex({ ...spec, members: [index, index] }), 'INDEX_INVALID'],
    [
      'APKINDEX that is a link',
      buildIndex({ ...spec, members: [{ name: 'APKINDEX', type: '2', linkname: 'x' }] }),
      'INDEX_INVALID',
    ],
    ['an ADB index', Buffer.from('ADBd\0\0\0\0\0\0\0\0'), 'ARCHIVE_INVALID'],
    ['a page instead', Buffer.from('<html></html>'), 'ARCHIVE_INVALID'],
  ])('%s', async (_, bytes, code) => {
    expect(await codeOf(read(bytes))).toBe(code)
  })

  test('everything when nobody is trusted', async () => {
    expect(await codeOf(read(buildIndex(spec), new Map()))).toBe('KEY_UNKNOWN')
  })

  test('every truncation', async () => {
    const bytes = buildIndex(spec)
    for (let length = 0; length < bytes.length; length += 7) {
      const code = await codeOf(read(bytes.subarray(0, length)))
      expect({ length, code }).toEqual({ length, code: 'ARCHIVE_INVALID' })
    }
  })

  test('a change of any byte of what is signed, and of the signature all that says something', async () => {
    const bytes = buildIndex(spec)
    const whole = await read(bytes)
    for (let at = 0; at < bytes.length; at += 5) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1
      // how the signature itself is compressed is not signed: the same may be said in other bits
      const outcome = at < signature.length ? await read(changed).catch(() => whole) : undefined
      if (outcome) expect(outcome).toEqual(whole)
      else expect({ at, code: await codeOf(read(changed)) }).not.toEqual({ at, code: undefined })
    }
  })

  test('a signature part that never ends', async () => {
    const many = Array.from({ length: 100 }, (): RawMember => ({
      name: `.SIGN.RSA.${alice.name}`,
      body: Buffer.alloc(512),
    }))
    const bytes = Buffer.concat([gzipSync(rawTar(many, { end: 0 })), content])
    expect(await codeOf(read(bytes))).toBe('DECOMPRESSION_BOMB')
    const zeros = Buffer.concat([
      gzipSync(Buffer.concat([rawTar(many.slice(0, 1)), Buffer.alloc(4_000_000)])),
      content,
    ])
    expect(await codeOf(read(zeros))).toBe('DECOMPRESSION_BOMB')
  })
})

const real = needs('alpine')

describe.skipIf(!real.available)('with real Alpine', () => {
  const official = path.join(alpineData, 'index/v3.16/main/x86_64/APKINDEX.tar.gz')

  test('readApkIndex() verifies the index of Alpine 3.16 main', async () => {
    const trusted = readApkKeys(await alpineKeys())
    const main = await readApkIndex(createReadStream(official), { name: 'main', keys: trusted })
    expect(main.signer).toBe('alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub')
    expect(main.description).toMatch(/^v3\.16/)
    expect(main.text.match(/^P:/gm)).toHaveLength(4929)
    const other = readApkIndex(createReadStream(official), { name: 'main', keys })
    expect(await codeOf(other)).toBe('KEY_UNKNOWN')
  })

  test('the real apk and readApkIndex() say the same of an index', async () => {
    const apk = await realApk([alice])
    const { signature, content } = indexParts(spec)
    const cases: [name: string, bytes: Buffer][] = [
      ['good', buildIndex(spec)],
      ['rsa256', buildIndex({ ...spec, signers: [{ ...alice, algorithm: 'RSA256' }] })],
      ['rsa512', buildIndex({ ...spec, signers: [{ ...alice, algorithm: 'RSA512' }] })],
      ['two signers', buildIndex({ ...spec, signers: [mallory, alice] })],
      ['unsigned', content],
      ['unknown', buildIndex({ ...spec, signers: [mallory] })],
      ['forged', buildIndex({ ...spec, signers: [{ ...mallory, name: alice.name }] })],
      ['swapped', Buffer.concat([signature, indexParts({ packages: [{ name: 'a' }] }).content])],
      ['cut short', buildIndex(spec).subarray(0, -20)],
    ]
    const said = cases.map(([name, bytes]) => [
      name,
      apk.run('verify', apk.keep(name, bytes)).status === 0,
    ])
    const ours = await Promise.all(
      cases.map(async ([name, bytes]) => [name, (await codeOf(read(bytes))) === undefined]),
    )
    expect(ours).toEqual(said)
    expect(said.map(([, good]) => (good ? '+' : '-')).join('')).toBe('++++-----')
  })
})
