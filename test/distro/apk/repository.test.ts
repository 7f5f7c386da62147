import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadIndexes, type ApkDeps, type LoadedIndex } from '../../../src/distro/apk/repository.ts'
import { isPlinthError } from '../../../src/errors.ts'
import type { Event } from '../../../src/events.ts'
import { createHttp } from '../../../src/http/client.ts'
import type { Http } from '../../../src/http/http.ts'
import type { Store } from '../../../src/ports.ts'
import type { ApkRepository } from '../../../src/recipe/apk-rootfs.ts'
import {
  buildApkRepository,
  writeApkRepository,
  type ApkRepositorySpec,
} from '../../support/apk-repository.ts'
import { buildIndex, indexParts, signatureMember, testSigner, trusting } from '../../support/apk.ts'
import { testRetry } from '../../support/network.ts'
import { scratchDirectory, scratchStore } from '../../support/scratch.ts'
import { startServer, type FaultServer } from '../../support/server.ts'

const alice = testSigner('alice.rsa.pub')
const mallory = testSigner('mallory.rsa.pub')
const packages = [{ name: 'alpha' }, { name: 'beta' }]
const indexPath = 'x86_64/APKINDEX.tar.gz'

let server: FaultServer
let store: Store
let http: Http
let events: Event[]

beforeEach(async () => {
  server = await startServer()
  store = await scratchStore()
  http = createHttp({ stall: 200 })
  events = []
})
afterEach(async () => {
  http.close()
  await server.stop()
})

function publish(...specs: readonly Partial<ApkRepositorySpec>[]): void {
  server.files.clear()
  const all = specs.map((spec) => ({ packages, signers: [alice], ...spec }))
  for (const [name, bytes] of buildApkRepository(...all)) server.files.set(name, bytes)
}

const load = (
  repositories: readonly ApkRepository[] = [{ uris: [server.url] }],
  overrides: Partial<ApkDeps> & { readonly keys?: ReturnType<typeof trusting> } = {},
): Promise<readonly LoadedIndex[]> => {
  const { keys = trusting(alice), ...more } = overrides
  return loadIndexes(
    repositories,
    { architecture: 'x86_64', keys },
    {
      http,
      store,
      retry: testRetry({ rounds: 2 }),
      now: () => new Date(),
      emit: (event) => void events.push(event),
      signal: new AbortController().signal,
      ...more,
    },
  )
}

async function names(...args: Parameters<typeof load>): Promise<string[][]> {
  const texts = await Promise.all((await load(...args)).map((index) => index.read()))
  return texts.map((text) => [...text.matchAll(/^P:(.*)$/gm)].map(([, name]) => name ?? ''))
}

async function failure(promise: Promise<unknown>) {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isPlinthError(error)) throw error ?? new Error('it did not fail')
  expect(error.hint).toBeTruthy()
  return { code: error.code, message: error.message }
}
const codeOf = async (promise: Promise<unknown>): Promise<string> => (await failure(promise)).code
const requests = (): string[] => server.seen.map(({ path: one }) => one)

describe('loadIndexes()', () => {
  test('reads an index, and again from the store', async () => {
    publish({ index: { packages, description: 'v3.20' } })
    const [index] = await load()
    expect(index).toMatchObject({ signer: 'alice.rsa.pub', description: 'v3.20' })
    expect(await store.has(index!.digest)).toBe(server.files.get(indexPath)!.length)
    expect(await names()).toEqual([['alpha', 'beta']])
    expect(await names(undefined, { offline: true })).toEqual([['alpha', 'beta']])
  })

  test('keeps the order of repositories', async () => {
    publish(
      { directory: 'one', packages: [{ name: 'a' }] },
      { directory: 'two', packages: [{ name: 'b' }] },
    )
    server.always('two/*', { kind: 'drip', chunk: 200, every: 5 })
    const at = (name: string): ApkRepository => ({ uris: [`${server.url}/${name}`] })
    expect(await names([at('two'), at('one')])).toEqual([['b'], ['a']])
  })

  test('reads a repository in a directory', async () => {
    const directory = path.join(scratchDirectory(), 'a b')
    writeApkRepository(buildApkRepository({ packages, signers: [alice] }), directory)
    const uris = [pathToFileURL(directory).href]
    expect(await names([{ uris }])).toEqual([['alpha', 'beta']])
    expect(await names([{ uris }])).toEqual([['alpha', 'beta']])
    expect(events.at(-1)).toMatchObject({ type: 'step-finished', cached: true })
  })

  test('an unchanged repository costs one question', async () => {
    publish({})
    await load()
    server.seen.length = 0
    events.length = 0
    await load()
    expect(requests()).toEqual([indexPath])
    expect(server.seen[0]?.headers['if-none-match']).toBeTruthy()
    expect(events.at(-1)).toMatchObject({ type: 'step-finished', cached: true })
  })

  test('a changed repository is noticed', async () => {
    publish({})
    await load()
    publish({ packages: [{ name: 'delta' }] })
    expect(await names()).toEqual([['delta']])
  })

  test('fresh asks past every cache', async () => {
    publish({})
    await load()
    server.seen.length = 0
    await load(undefined, { fresh: true })
    expect(server.seen[0]?.headers).toMatchObject({ 'cache-control': 'no-cache' })
    expect(server.seen[0]?.headers['if-none-match']).toBeUndefined()
  })

  test('goes to the second mirror when the first is down or has nothing', async () => {
    publish({})
    const uris = ['http://127.0.0.1:1', `${server.url}/none`, server.url]
    expect(await names([{ uris }])).toEqual([['alpha', 'beta']])
  })

  test('is patient with a server that asks for it, and says so', async () => {
    publish({})
    server.fail(indexPath, { kind: 'status', status: 503 })
    expect(await names()).toEqual([['alpha', 'beta']])
    expect(events.filter(({ type }) => type === 'warning')).toMatchObject([{ code: 'HTTP_STATUS' }])
  })

  test('tells its progress in bytes', async () => {
    publish({})
    await load()
    const size = server.files.get(indexPath)!.length
    expect(events.map(({ type }) => type)).toEqual([
      'step-started',
      'step-progress',
      'step-finished',
    ])
    expect(events[1]).toMatchObject({ done: size, total: size })
  })

  test('several signatures, one of them trusted', async () => {
    publish({ signers: [mallory, alice] })
    expect((await load())[0]?.signer).toBe('alice.rsa.pub')
  })

  test('lines of more than 64 KiB', async () => {
    const depends = Array.from({ length: 9000 }, (_, at) => `so:lib${at}.so.1`)
    publish({ packages: [{ name: 'long', fields: { depend: depends } }] })
    const [index] = await load()
    expect(await index!.read()).toContain('so:lib8999.so.1\n')
  })
})

describe('loadIndexes() refuses', () => {
  const cut = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length - 20)
  const cases: readonly {
    readonly name: string
    readonly bytes: () => Uint8Array
    readonly code: string
    readonly says?: RegExp
  }[] = [
    {
      name: 'no signature',
      bytes: () => buildIndex({ packages }),
      code: 'SIGNATURE_MISSING',
    },
    {
      name: 'an unknown key, which is named',
      bytes: () => buildIndex({ packages, signers: [mallory] }),
      code: 'KEY_UNKNOWN',
      says: /mallory\.rsa\.pub/,
    },
    {
      name: "another key under a trusted one's name",
      bytes: () => buildIndex({ packages, signers: [{ ...mallory, name: alice.name }] }),
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'a signature of other bytes',
      bytes: () => {
        const { content } = indexParts({ packages })
        const other = indexParts({ packages: [{ name: 'other' }] }).content
        return Buffer.concat([signatureMember(other, [alice]), content])
      },
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'something after what is signed',
      bytes: () =>
        Buffer.concat([buildIndex({ packages, signers: [alice] }), gzipSync('and more')]),
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'the name of a key that is a path',
      bytes: () => buildIndex({ packages, signers: [{ ...alice, name: '../alice.rsa.pub' }] }),
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'an index that ends early',
      bytes: () => cut(buildIndex({ packages, signers: [alice] })),
      code: 'ARCHIVE_INVALID',
    },
    {
      name: 'an archive without an index',
      bytes: () => buildIndex({ members: [{ name: 'README', body: 'x' }], signers: [alice] }),
      code: 'INDEX_INVALID',
    },
    { name: 'a login page', bytes: () => Buffer.from('<html>'), code: 'ARCHIVE_INVALID' },
    { name: 'nothing', bytes: () => Buffer.alloc(0), code: 'ARCHIVE_INVALID' },
    {
      name: 'an index of apk v3, by its name',
      bytes: () => Buffer.concat([Buffer.from('ADBd'), Buffer.alloc(200)]),
      code: 'ARCHIVE_INVALID',
      says: /ADB.*apk v3/,
    },
  ]
  test.each(cases)('$name: $code', async ({ bytes, code, says }) => {
    publish({})
    server.files.set(indexPath, bytes())
    const { message, ...refused } = await failure(load())
    expect(refused).toEqual({ code })
    expect(message).toMatch(says ?? /APKINDEX\.tar\.gz of http/)
    expect(events.at(-1)).toMatchObject({ type: 'step-failed' })
    // nothing of it is believed the next time, nor held against a good one
    expect(await codeOf(load())).toBe(code)
    publish({})
    expect(await names()).toEqual([['alpha', 'beta']])
  })

  test('a tampered index also after a good one', async () => {
    publish({})
    await load()
    server.files.set(indexPath, buildIndex({ packages: [{ name: 'evil' }], signers: [mallory] }))
    expect(await codeOf(load())).toBe('KEY_UNKNOWN')
  })

  test('a verdict reached with other keys', async () => {
    publish({})
    await load()
    expect(await codeOf(load(undefined, { keys: trusting(mallory) }))).toBe('KEY_UNKNOWN')
    const namesake = trusting({ ...mallory, name: alice.name })
    expect(await codeOf(load(undefined, { keys: namesake }))).toBe('SIGNATURE_INVALID')
  })

  test('a repository that is not there', async () => {
    publish({})
    const refused = await failure(load([{ uris: [`${server.url}/v9.99/main`] }]))
    expect(refused).toMatchObject({ code: 'SUITE_NOT_FOUND' })
    expect(refused.message).toContain('v9.99/main/x86_64')
    const directory = scratchDirectory()
    expect(await codeOf(load([{ uris: [pathToFileURL(directory).href] }]))).toBe('SUITE_NOT_FOUND')
  })

  test('a repository that has the index of apk v3 alone, by its name', async () => {
    server.files.set('x86_64/Packages.adb', Buffer.from('ADBd'))
    const refused = await failure(load())
    expect(refused).toMatchObject({ code: 'ARCHIVE_INVALID' })
    expect(refused.message).toMatch(/Packages\.adb.*ADB.*apk v3/)
  })

  test('the first of several that are not there, by its name', async () => {
    for (let round = 0; round < 5; round++) {
      const uris = (name: string): ApkRepository => ({ uris: [`${server.url}/${name}`] })
      expect((await failure(load([uris('first'), uris('second')]))).message).toContain('first')
    }
  })

  test.each([
    { name: 'a mirror that is down', fault: undefined, code: 'UNREACHABLE' },
    { name: '500', fault: { kind: 'status', status: 500 }, code: 'HTTP_STATUS' },
    { name: '403', fault: { kind: 'status', status: 403 }, code: 'HTTP_STATUS' },
    { name: 'silence', fault: { kind: 'stall', after: 10 }, code: 'TRANSFER_TIMEOUT' },
    {
      name: 'a connection that breaks',
      fault: { kind: 'cut', after: 10 },
      code: 'TRANSFER_INCOMPLETE',
    },
    { name: 'a body that never ends', fault: { kind: 'endless' }, code: 'SIZE_MISMATCH' },
  ] as const)('$name: $code', async ({ fault, code }) => {
    publish({})
    if (fault === undefined) await server.stop()
    else server.always(indexPath, fault)
    expect(await codeOf(load())).toBe(code)
    if (fault === undefined) server = await startServer()
  })

  test('offline, what was never fetched', async () => {
    expect(await codeOf(load(undefined, { offline: true }))).toBe('UNREACHABLE')
    expect(server.seen).toEqual([])
  })
})
