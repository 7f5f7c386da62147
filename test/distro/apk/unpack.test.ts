import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { unpackApk, type ApkTrust, type UnpackedApk } from '../../../src/distro/apk/unpack.ts'
import type { Store } from '../../../src/ports.ts'
import { contentReader } from '../../../src/store/content.ts'
import { openStore } from '../../../src/store/store.ts'
import { buildApk, identityOf, testSigner, trusting, type ApkSpec } from '../../support/apk.ts'
import { scratchStore } from '../../support/scratch.ts'
import { codeOf } from '../../support/streams.ts'

const alice = testSigner('alice.rsa.pub')
const trust: ApkTrust = { name: 'hello.apk', keys: trusting(alice) }
const spec: ApkSpec = {
  name: 'hello',
  fields: { origin: '' },
  scripts: { 'post-install': '#!/bin/sh\n\xff' },
  files: {
    'etc/shadow': { content: 'secret', mode: 0o640, gid: 42, user: 'root', group: 'shadow' },
    'usr/bin/x': { content: Buffer.alloc(300_000, 'plinth'), xattrs: { 'user.a': '\0b' } },
    'usr/bin/y': { hardlink: 'usr/bin/x' },
    'usr/bin/z': { symlink: 'x' },
    'usr/bare': { content: 'x', sha1: false },
  },
  signers: [alice],
}
const put = async (store: Store, bytes: Uint8Array) => (await store.put([bytes])).digest
const blobs = (store: Store) => readdirSync(path.join(store.root, 'blobs', 'sha256'))

test('unpackApk() puts the contents into the store and says what is where', async () => {
  const store = await scratchStore()
  const apk = await unpackApk(await put(store, buildApk(spec)), trust, store)
  expect(apk).toMatchObject({ info: { name: 'hello' }, identity: identityOf(spec) })
  using contents = contentReader(store)
  const lines = await Promise.all(
    apk.files.map(async ({ entry, user, group }) => {
      const meta = `${entry.path} ${entry.type} ${entry.mode.toString(8)} ${user}:${group}`
      if (entry.type !== 'file') return meta
      const bytes = await contents.bytes(entry.content, entry.size)
      return `${meta} ${bytes.length} ${Buffer.from(bytes.subarray(0, 6)).toString()}`
    }),
  )
  expect(lines).toEqual([
    'etc directory 755 :',
    'etc/shadow file 640 root:shadow 6 secret',
    'usr directory 755 :',
    'usr/bin directory 755 :',
    'usr/bin/x file 644 : 300000 plinth',
    'usr/bin/y hardlink 644 :',
    'usr/bin/z symlink 777 :',
    'usr/bare file 644 : 1 x',
  ])
})

test('unpackApk() remembers all of it', async () => {
  const store = await scratchStore()
  const digest = await put(store, buildApk(spec))
  const first = await unpackApk(digest, trust, store)
  // only from the record: the package is gone
  await store.delete(digest)
  const second = await unpackApk(digest, trust, store)
  expect(plain(second)).toEqual(plain(first))
  expect(second.info.origin).toBe('')
})

test('unpackApk() unpacks again what is no longer in the store', async () => {
  const store = await scratchStore()
  const digest = await put(store, buildApk(spec))
  const { data } = await unpackApk(digest, trust, store)
  await store.delete(data)
  expect((await unpackApk(digest, trust, store)).data).toBe(data)
  expect(await store.has(data)).toBeGreaterThan(0)
})

test('what proved itself once must do so again to other keys, and to another index', async () => {
  const store = await scratchStore()
  const digest = await put(store, buildApk(spec))
  await unpackApk(digest, trust, store)
  const again = async (other: Partial<ApkTrust>) =>
    codeOf(unpackApk(digest, { ...trust, ...other }, store))
  expect(await again({})).toBe(undefined)
  expect(await again({ identity: identityOf(spec) })).toBe(undefined)
  expect(await again({ identity: identityOf({ ...spec, version: '2' }) })).toBe('DIGEST_MISMATCH')
  expect(await again({ keys: trusting(testSigner('bob.rsa.pub')) })).toBe('KEY_UNKNOWN')
  const namesake = { ...testSigner('mallory.rsa.pub'), name: alice.name }
  expect(await again({ keys: trusting(namesake) })).toBe('SIGNATURE_INVALID')
})

test.each([
  ['a wrong datahash', { ...spec, dataHash: 'ab'.repeat(32) }, 'DIGEST_MISMATCH'],
  [
    'a wrong checksum',
    { ...spec, files: { a: { content: 'x', sha1: '0'.repeat(40) } } },
    'DIGEST_MISMATCH',
  ],
  ['a climbing path', { ...spec, data: [{ name: '../x', body: 'x' }] }, 'PATH_UNSAFE'],
  ['no signature', { ...spec, signers: [] }, 'SIGNATURE_MISSING'],
])('unpackApk() leaves nothing behind of a package with %s', async (_, bad, code) => {
  const store = await scratchStore()
  const digest = await put(store, buildApk(bad))
  expect(await codeOf(unpackApk(digest, trust, store))).toBe(code)
  expect(blobs(store)).toEqual([digest.slice('sha256:'.length)])
  expect(readdirSync(path.join(store.root, 'tmp'))).toEqual([])
})

test('unpackApk() refuses a package that was damaged in the store', async () => {
  const store = await scratchStore()
  const digest = await put(store, buildApk(spec))
  writeFileSync(
    path.join(store.root, 'blobs', 'sha256', digest.slice('sha256:'.length)),
    buildApk({ ...spec, version: '2' }),
  )
  // as another process finds it
  expect(await codeOf(unpackApk(digest, trust, await openStore(store.root)))).toBe('STORE_CORRUPT')
})

const plain = (apk: UnpackedApk) => ({
  ...apk,
  scripts: apk.scripts.map(({ type, bytes }) => [type, Buffer.from(bytes).toString('hex')]),
  files: apk.files.map(({ entry, ...more }) => ({
    ...more,
    entry: { ...entry, xattrs: [...(entry.xattrs ?? [])].map(([k, v]) => [k, Buffer.from(v)]) },
  })),
})
