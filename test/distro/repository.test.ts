import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { digestHex, sha256, type Digest } from '../../src/digest.ts'
import type { DebSource } from '../../src/deb/sources.ts'
import { loadIndexes, packageUrls, type LoadedIndex } from '../../src/distro/deb/repository.ts'
import type { DebDeps } from '../../src/distro/deb/suite.ts'
import { isPlinthError } from '../../src/errors.ts'
import type { Event } from '../../src/events.ts'
import { createHttp } from '../../src/http/client.ts'
import type { Http } from '../../src/http/http.ts'
import type { Store } from '../../src/ports.ts'
import { openStore } from '../../src/store/store.ts'
import { makeKey, type TestKey } from '../support/keys.ts'
import { testRetry } from '../support/network.ts'
import { buildRepository, writeRepository, type SuiteSpec } from '../support/repository.ts'
import { startServer, type FaultServer } from '../support/server.ts'

const day = 24 * 3600 * 1000
const ago = (days: number): Date => new Date(Date.now() - days * day)

let key: TestKey
let other: TestKey
let expired: TestKey
let revoked: TestKey
beforeAll(async () => {
  key = await makeKey()
  other = await makeKey({ name: 'other' })
  expired = await makeKey({ created: ago(100), expiresAfter: (50 * day) / 1000 })
  revoked = await makeKey({ revoked: true })
})

let folder: string
let server: FaultServer
let store: Store
let http: Http
let events: Event[]
let now: () => Date

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plinth-repository-'))
  server = await startServer()
  store = await openStore(join(folder, 'store'))
  http = createHttp({ stall: 200 })
  events = []
  now = () => new Date()
})
afterEach(async () => {
  http.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const packages = {
  main: [
    { name: 'alpha', architecture: 'amd64' },
    { name: 'beta', architecture: 'all' },
    { name: 'gamma', architecture: 'arm64' },
  ],
}

async function publish(...suites: readonly Partial<SuiteSpec>[]): Promise<void> {
  server.files.clear()
  const files = await buildRepository(
    ...suites.map((suite) => ({
      keys: [key],
      components: packages,
      architectures: ['amd64', 'arm64'],
      ...suite,
    })),
  )
  for (const [path, bytes] of files) server.files.set(path, bytes)
}
function source(overrides: Partial<DebSource> = {}): DebSource {
  return {
    uris: [server.url],
    suites: ['demo'],
    components: ['main'],
    signedBy: { keys: [key.armored, expired.armored, revoked.armored] },
    ...overrides,
  }
}
function deps(overrides: Partial<DebDeps> = {}): DebDeps {
  return {
    http,
    store,
    retry: testRetry({ rounds: 2 }),
    now: () => now(),
    emit: (event) => void events.push(event),
    signal: new AbortController().signal,
    skip: [],
    ...overrides,
  }
}
const load = (
  sources: readonly DebSource[] = [source()],
  overrides: Partial<DebDeps> = {},
  architecture = 'amd64',
) => loadIndexes(sources, architecture, deps(overrides))
async function loadOne(...args: Parameters<typeof load>): Promise<LoadedIndex> {
  const [index, ...others] = await load(...args)
  if (index === undefined || others.length > 0) throw new Error('not one index')
  return index
}
async function names(...args: Parameters<typeof load>): Promise<string[][]> {
  const indexes = await load(...args)
  const texts = await Promise.all(
    indexes.map(async (index) => (await index.packages()).bytes.toString()),
  )
  return texts.map((text) => [...text.matchAll(/^Package: (.*)$/gm)].map(([, name]) => name ?? ''))
}
async function failure(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; hint: string }> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isPlinthError(error)) throw error ?? new Error('it did not fail')
  expect(error.hint).toBeTruthy()
  return { code: error.code, message: error.message, hint: error.hint ?? '' }
}
const codeOf = async (promise: Promise<unknown>): Promise<string> => (await failure(promise)).code
const requests = (): string[] => server.seen.map(({ path }) => path)

describe('loadIndexes()', () => {
  test.each([
    { name: 'InRelease', suite: {} },
    { name: 'Release and Release.gpg', suite: { signed: 'detached' } },
    { name: 'both', suite: { signed: 'both' } },
    { name: 'by-hash', suite: { byHash: true } },
    { name: 'xz', suite: { forms: ['', '.xz'] } },
    { name: 'xz alone, the plain file not even listed', suite: { forms: ['.xz'] } },
    { name: 'gzip alone', suite: { forms: ['.gz'] } },
    { name: 'plain alone', suite: { forms: [''] } },
    { name: 'SHA-512 alone', suite: { hashes: ['SHA512'] } },
    { name: 'a prefixed component', suite: { componentPrefix: 'updates/' } },
    { name: 'several signatures, one of them trusted', suite: () => ({ keys: [other, key] }) },
    { name: 'no Valid-Until', suite: { validUntil: undefined } },
    { name: 'Valid-Until ahead', suite: { validUntil: new Date(Date.now() + day) } },
  ] as { name: string; suite: Partial<SuiteSpec> | (() => Partial<SuiteSpec>) }[])(
    'reads $name, and again from the store',
    async ({ suite }) => {
      await publish(typeof suite === 'function' ? suite() : suite)
      expect(await names()).toEqual([['alpha', 'beta']])
      const index = await loadOne()
      expect(index).toMatchObject({
        suite: 'demo',
        component: 'main',
        architecture: 'amd64',
        signers: [key.fingerprint],
        skipped: [],
      })
      const { bytes } = await index.packages()
      expect(index.digest).toBe(sha256(bytes))
      expect(await store.has(index.digest)).toBe(bytes.length)
      server.seen.length = 0
      expect(await names()).toEqual([['alpha', 'beta']])
      expect(
        requests().filter((path) => path.includes('Packages') || path.includes('by-hash')),
      ).toEqual([])
      expect(await names([source()], { offline: true })).toEqual([['alpha', 'beta']])
    },
  )

  test('keeps the order of sources, suites and components', async () => {
    await publish(
      { codename: 'one', components: { main: [{ name: 'a' }], contrib: [{ name: 'b' }] } },
      { codename: 'two', components: { main: [{ name: 'c' }] } },
    )
    const sources = [
      source({ suites: ['two'] }),
      source({ suites: ['one'], components: ['contrib', 'main'] }),
    ]
    expect(await names(sources)).toEqual([['c'], ['b'], ['a']])
  })

  test('reads the packages for all where they are apart', async () => {
    await publish({ splitAll: true })
    const indexes = await load()
    expect(indexes.map(({ architecture }) => architecture)).toEqual(['amd64', 'all'])
    expect(await names()).toEqual([['alpha'], ['beta']])
  })

  test('reads a flat repository', async () => {
    await publish({ directory: './' })
    expect(await names([source({ suites: ['./'], components: [] })])).toEqual([
      ['alpha', 'beta', 'gamma'],
    ])
    await publish({ directory: 'sub/' })
    expect(await names([source({ suites: ['sub/'], components: [] })])).toEqual([
      ['alpha', 'beta', 'gamma'],
    ])
  })

  test('reads a repository on disk', async () => {
    const files = await buildRepository({ keys: [key], components: packages })
    await writeRepository(files, join(folder, 'mirror'))
    expect(await names([source({ uris: [pathToFileURL(join(folder, 'mirror')).href] })])).toEqual([
      ['alpha', 'beta'],
    ])
  })

  test('leaves out a source that is for other architectures', async () => {
    await publish({})
    expect(await load([source({ architectures: ['arm64'] })])).toEqual([])
    expect(await names([source({ architectures: ['arm64'] })], {}, 'arm64')).toEqual([
      ['beta', 'gamma'],
    ])
  })

  test('an unchanged mirror costs one question a suite', async () => {
    await publish({})
    await load()
    server.seen.length = 0
    await load()
    expect(requests()).toEqual(['dists/demo/InRelease'])
    expect(server.seen[0]?.headers['if-none-match']).toBeTruthy()
  })

  test('a changed mirror is noticed', async () => {
    await publish({})
    await load()
    await publish({ components: { main: [{ name: 'delta' }] } })
    expect(await names()).toEqual([['delta']])
  })

  test('tells its progress', async () => {
    await publish({})
    await load()
    const types = (): string[] => [...new Set(events.map(({ type }) => type))]
    expect(types()).toEqual(['step-started', 'step-progress', 'step-finished'])
    const fetched = [...server.files].filter(([name]) => /InRelease$|binary-amd64.*gz$/.test(name))
    const bytes = fetched.reduce((sum, [, { length }]) => sum + length, 0)
    const last = events.findLast(({ type }) => type === 'step-progress')
    expect(last).toMatchObject({ done: bytes, total: bytes })
    expect(events.at(-1)).toMatchObject({ cached: false })
    events.length = 0
    await load()
    expect(types()).toEqual(['step-started', 'step-finished'])
    expect(events.at(-1)).toMatchObject({ cached: true })
  })

  test('goes to the second mirror when the first is down', async () => {
    await publish({})
    expect(await names([source({ uris: ['http://127.0.0.1:1', server.url] })])).toEqual([
      ['alpha', 'beta'],
    ])
  })
})

describe('loadIndexes() refuses', () => {
  const signed: readonly { name: string; suite: () => Partial<SuiteSpec>; code: string }[] = [
    { name: 'an unknown key', suite: () => ({ keys: [other] }), code: 'KEY_UNKNOWN' },
    {
      name: 'an expired key',
      suite: () => ({ keys: [expired], signing: { date: ago(60) } }),
      code: 'KEY_EXPIRED',
    },
    { name: 'a revoked key', suite: () => ({ keys: [revoked] }), code: 'KEY_REVOKED' },
    { name: 'an expired Release', suite: () => ({ validUntil: ago(1) }), code: 'RELEASE_EXPIRED' },
    {
      name: 'a Release from the future',
      suite: () => ({ date: ago(-3) }),
      code: 'RELEASE_INVALID',
    },
    {
      name: 'another suite under this name',
      suite: () => ({ directory: 'demo', codename: 'elsewhere', suite: 'else' }),
      code: 'RELEASE_INVALID',
    },
    { name: 'MD5 alone', suite: () => ({ hashes: ['MD5Sum'] }), code: 'SIGNATURE_WEAK' },
    { name: 'no signature', suite: () => ({ signed: 'none' }), code: 'SIGNATURE_MISSING' },
  ]
  test.each(signed)('$name', async ({ suite, code }) => {
    await publish(suite())
    expect(await codeOf(load())).toBe(code)
    expect(events.at(-1)).toMatchObject({ type: 'step-failed' })
    // nothing of it is believed the next time
    expect(await codeOf(load())).toBe(code)
  })

  test('a tampered InRelease, also after a good one', async () => {
    await publish({})
    const good = server.files.get('dists/demo/InRelease')!
    const bad = Buffer.from(Buffer.from(good).toString().replace('Origin: Test', 'Origin: Tesu'))
    server.files.set('dists/demo/InRelease', bad)
    expect(await codeOf(load())).toBe('SIGNATURE_INVALID')
    server.files.set('dists/demo/InRelease', good)
    await load()
    server.files.set('dists/demo/InRelease', bad)
    expect(await codeOf(load())).toBe('SIGNATURE_INVALID')
  })

  test('a tampered Release beside its old signature', async () => {
    await publish({ signed: 'detached' })
    const release = server.files.get('dists/demo/Release')!
    server.files.set('dists/demo/Release', Buffer.concat([release, Buffer.from('\n')]))
    expect(await codeOf(load())).toBe('SIGNATURE_INVALID')
  })

  test('a key that expired since the last time', async () => {
    const short = await makeKey({ created: ago(10), expiresAfter: (20 * day) / 1000 })
    await publish({ keys: [short] })
    const trusting = [source({ signedBy: { keys: [short.armored] } })]
    await load(trusting)
    now = () => ago(-20)
    expect(await codeOf(load(trusting))).toBe('KEY_EXPIRED')
  })

  test('a Release that expired since the last time, even offline', async () => {
    await publish({ validUntil: new Date(Date.now() + day) })
    await load()
    now = () => ago(-2)
    expect(await codeOf(load())).toBe('RELEASE_EXPIRED')
    expect(await codeOf(load([source()], { offline: true }))).toBe('RELEASE_EXPIRED')
  })

  test('a verdict reached with other keys', async () => {
    await publish({})
    await load()
    expect(await codeOf(load([source({ signedBy: { keys: [other.armored] } })]))).toBe(
      'KEY_UNKNOWN',
    )
  })

  test('what is missing, saying what there is', async () => {
    await publish({})
    expect(await failure(load([source({ suites: ['dmeo'] })]))).toMatchObject({
      code: 'SUITE_NOT_FOUND',
      message: expect.stringContaining("'dmeo'"),
    })
    expect(await failure(load([source({ components: ['mian'] })]))).toMatchObject({
      code: 'COMPONENT_NOT_FOUND',
      hint: expect.stringContaining('main'),
    })
    expect(await failure(load([source()], {}, 's390x'))).toMatchObject({
      code: 'ARCHITECTURE_NOT_FOUND',
      hint: expect.stringContaining('arm64'),
    })
  })

  test('an unknown suite, offering the nearest of what the mirror shows', async () => {
    await publish({ codename: 'plucky' })
    server.files.set(
      'dists/',
      Buffer.from('<a href="../">up</a> <a href="plucky/">plucky/</a> <a href="x.txt">x</a>'),
    )
    expect((await failure(load([source({ suites: ['pluckj'] })]))).hint).toContain(
      'did you mean plucky?',
    )
    server.files.delete('dists/')
    expect((await failure(load([source({ suites: ['trixe'] })]))).hint).toContain(
      'did you mean trixie?',
    )
  })

  test('the first of several unknown suites by its name', async () => {
    await publish({})
    for (let i = 0; i < 5; i++) {
      expect(
        (await failure(load([source({ suites: ['none', 'none-updates'] })]))).message,
      ).toContain("'none'")
    }
  })

  test.each([
    { name: 'a mirror that is down', fault: undefined, code: 'UNREACHABLE' },
    { name: '500', fault: { kind: 'status', status: 500 }, code: 'HTTP_STATUS' },
    { name: '429', fault: { kind: 'status', status: 429 }, code: 'HTTP_STATUS' },
    { name: 'silence', fault: { kind: 'stall', after: 10 }, code: 'TRANSFER_TIMEOUT' },
    {
      name: 'a connection that breaks',
      fault: { kind: 'cut', after: 10 },
      code: 'TRANSFER_INCOMPLETE',
    },
    { name: 'a body that never ends', fault: { kind: 'endless' }, code: 'SIZE_MISMATCH' },
    {
      name: 'a login page',
      fault: { kind: 'bytes', bytes: Buffer.from('<html>') },
      code: 'SIGNATURE_MISSING',
    },
  ] as const)('InRelease: $name', async ({ fault, code }) => {
    await publish({})
    if (fault === undefined) await server.stop()
    else server.always('dists/demo/InRelease', fault)
    expect(await codeOf(load())).toBe(code)
    if (fault === undefined) server = await startServer()
  })

  test('what was never fetched, offline', async () => {
    await publish({})
    expect(await codeOf(load([source()], { offline: true }))).toBe('UNREACHABLE')
    expect(server.seen).toEqual([])
  })
})

describe('loadIndexes() and Packages', () => {
  const path = 'dists/demo/main/binary-amd64/Packages.gz'

  test.each([
    {
      name: 'tampered with',
      bytes: (good: Uint8Array) =>
        Buffer.from(good.map((byte, at) => (at === 30 ? byte ^ 1 : byte))),
      code: 'DIGEST_MISMATCH',
    },
    { name: 'another file', bytes: () => gzipSync('Package: evil\n'), code: 'SIZE_MISMATCH' },
    { name: 'cut off', bytes: (good: Uint8Array) => good.subarray(0, 50), code: 'SIZE_MISMATCH' },
    {
      name: 'too long',
      bytes: (good: Uint8Array) => Buffer.concat([good, Buffer.from('x')]),
      code: 'SIZE_MISMATCH',
    },
  ])('refuses it: $name', async ({ bytes, code }) => {
    await publish({})
    server.files.set(path, bytes(server.files.get(path)!))
    expect(await codeOf(load())).toBe(code)
    const blobs = await readdir(join(store.root, 'blobs', 'sha256'))
    expect(blobs.length).toBe(1) // InRelease
  })

  test('takes a mirror that is just updating: looks once more at InRelease', async () => {
    await publish({})
    const old = server.files.get('dists/demo/InRelease')!
    await publish({ components: { main: [{ name: 'newer' }] } })
    server.fail('dists/demo/InRelease', { kind: 'bytes', bytes: old })
    expect(await names()).toEqual([['newer']])
    expect(server.seen.some(({ headers }) => headers['cache-control'] === 'no-cache')).toBe(true)
  })

  test('by-hash survives that without looking again', async () => {
    await publish({ byHash: true })
    const old = new Map(server.files)
    await publish({ byHash: true, components: { main: [{ name: 'newer' }] } })
    for (const [name, bytes] of old) if (name.includes('by-hash')) server.files.set(name, bytes)
    server.always('dists/demo/InRelease', {
      kind: 'bytes',
      bytes: old.get('dists/demo/InRelease')!,
    })
    expect(await names()).toEqual([['alpha', 'beta']])
  })

  test('falls back to the plain path where by-hash is not served', async () => {
    await publish({ byHash: true })
    for (const name of server.files.keys()) if (name.includes('by-hash')) server.files.delete(name)
    expect(await names()).toEqual([['alpha', 'beta']])
  })

  test.each([
    { byHash: 'no', listed: true, asked: false },
    { byHash: 'force', listed: false, asked: true },
    { byHash: undefined, listed: true, asked: true },
    { byHash: undefined, listed: false, asked: false },
  ] as const)(
    'by-hash $byHash where the Release says $listed',
    async ({ byHash, listed, asked }) => {
      await publish({ byHash: listed })
      await load([source({ byHash })])
      expect(requests().some((name) => name.includes('by-hash'))).toBe(asked)
    },
  )

  test('falls back to another form where one is listed but not served', async () => {
    await publish({ forms: ['', '.gz', '.xz'] })
    for (const name of server.files.keys()) if (name.endsWith('.gz')) server.files.delete(name)
    expect(await names()).toEqual([['alpha', 'beta']])
  })

  test('notices a publisher whose compressed and plain files differ', async () => {
    await publish({})
    // a well-signed Release over a Packages.gz that is not the Packages it lists
    const { clearsign } = await import('../support/keys.ts')
    const { releaseText } = await import('../support/repository.ts')
    const text = 'Package: one\n'
    const indexes = new Map<string, Uint8Array>([
      ['main/binary-amd64/Packages', Buffer.from(text)],
      ['main/binary-amd64/Packages.gz', gzipSync('Package: two\n')],
    ])
    server.files.set(
      'dists/demo/InRelease',
      Buffer.from(await clearsign(releaseText({ keys: [] }, indexes), [key])),
    )
    server.files.set(path, indexes.get('main/binary-amd64/Packages.gz')!)
    expect(await codeOf(load())).toBe('DIGEST_MISMATCH')
  })

  test('a bomb ends where the Release says the file ends', async () => {
    await publish({})
    const { clearsign } = await import('../support/keys.ts')
    const { releaseText } = await import('../support/repository.ts')
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    const indexes = new Map<string, Uint8Array>([
      ['main/binary-amd64/Packages', Buffer.from('x')],
      ['main/binary-amd64/Packages.gz', bomb],
    ])
    server.files.set(
      'dists/demo/InRelease',
      Buffer.from(await clearsign(releaseText({ keys: [] }, indexes), [key])),
    )
    server.files.set(path, bomb)
    expect(await codeOf(load())).toBe('DECOMPRESSION_BOMB')
  })

  test('is fetched again when the store has a damaged one', async () => {
    await publish({})
    const index = await loadOne()
    const { bytes } = await index.packages()
    const blob = (digest: Digest): string => join(store.root, 'blobs', 'sha256', digestHex(digest))
    for (const damage of [
      Buffer.from('Package: evil\n'),
      Buffer.from(bytes.subarray(0, 10)),
      Buffer.from(bytes).fill('x'),
      Buffer.alloc(bytes.length + 5),
    ]) {
      await writeFile(blob(index.digest), damage)
      store = await openStore(join(folder, 'store'))
      events.length = 0
      expect(await names()).toEqual([['alpha', 'beta']])
      // of another size it is as if it had never been fetched
      const warned = events.filter(({ type }) => type === 'warning')
      expect(warned).toHaveLength(damage.length === bytes.length ? 1 : 0)
      for (const warning of warned)
        expect(warning).toMatchObject({ message: expect.stringContaining('Packages of') as string })
    }
    await writeFile(blob(index.inReleaseDigest), 'x')
    store = await openStore(join(folder, 'store'))
    expect(await names()).toEqual([['alpha', 'beta']])
  })
})

describe('loadIndexes() with skipped checks', () => {
  test('says which failed', async () => {
    await publish({ validUntil: ago(1) })
    const index = await loadOne([source()], { skip: ['check/valid-until', 'check/date'] })
    expect(index.skipped).toEqual(['check/valid-until'])
    const own = await loadOne([source({ checkValidUntil: false })])
    expect(own.skipped).toEqual(['check/valid-until'])
  })
})

// apt escapes `+` as well: some object stores take it for a space
test('packageUrls() names a file on each mirror', () => {
  const two = source({ uris: ['http://a/debian', 'http://b'] })
  expect(packageUrls(two, './pool/main/g/g++/g++_4%3a1~b_amd64.deb')).toEqual([
    'http://a/debian/pool/main/g/g%2B%2B/g%2B%2B_4%253a1~b_amd64.deb',
    'http://b/pool/main/g/g%2B%2B/g%2B%2B_4%253a1~b_amd64.deb',
  ])
})
