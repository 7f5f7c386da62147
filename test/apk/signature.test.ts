import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readApkKeys } from '../../src/apk/signature.ts'
import { testSigner } from '../support/apk.ts'
import { codeOf } from '../support/streams.ts'

const { publicKey } = testSigner('a.rsa.pub')

test('readApkKeys() reads keys by name, as Alpine ships them and as PKCS #1', () => {
  const pkcs1 = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
    type: 'pkcs1',
    format: 'pem',
  }) as string
  const keys = readApkKeys({ 'alpine-devel@lists.example.org-1.rsa.pub': publicKey, b: pkcs1 })
  expect([...keys.keys()]).toEqual(['alpine-devel@lists.example.org-1.rsa.pub', 'b'])
})

describe('readApkKeys() refuses', () => {
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  test.each([
    ['a name with a slash', { 'keys/a.rsa.pub': publicKey }, 'USAGE'],
    ['a name that climbs', { '..': publicKey }, 'USAGE'],
    ['an empty name', { '': publicKey }, 'USAGE'],
    ['a name of two lines', { 'a\nb': publicKey }, 'USAGE'],
    ['what is no key', { a: 'hello' }, 'USAGE'],
    [
      'another kind of key',
      { a: elliptic.export({ type: 'spki', format: 'pem' }) as string },
      'USAGE',
    ],
    ['a short key', { a: testSigner('short', { bits: 1024 }).publicKey }, 'SIGNATURE_WEAK'],
  ])('%s', async (_, files, code) => {
    expect(await codeOf(() => readApkKeys(files))).toBe(code)
  })
})
