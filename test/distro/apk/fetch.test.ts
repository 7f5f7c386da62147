import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sha256 } from '../../../src/digest.ts'
import { apkFiles, type ApkFile } from '../../../src/distro/apk/fetch.ts'
import { fetchPackages } from '../../../src/distro/fetch.ts'
import { isPlinthError } from '../../../src/errors.ts'
import type { Event } from '../../../src/events.ts'
import { createHttp } from '../../../src/http/client.ts'
import type { Http } from '../../../src/http/http.ts'
import type { Store } from '../../../src/ports.ts'
import { openStore } from '../../../src/store/store.ts'
import { apkParts, buildApk, identityOf, testSigner, type ApkSpec } from '../../support/apk.ts'
import { noise, testRetry } from '../../support/network.ts'
import { scratchStore } from '../../support/scratch.ts'
import { startServer, type FaultServer } from '../../support/server.ts'

const spec: ApkSpec = { name: 'hello', files: { 'usr/share/hello': noise(200_000) } }
const bytes = buildApk(spec)

let server: FaultServer
let other: FaultServer
let store: Store
let http: Http
let events: Event[]

beforeEach(async () => {
  server = await startServer([['hello.apk', bytes]])
  other = await startServer([['hello.apk', bytes]])
  store = await scratchStore()
  http = createHttp({ stall: 200 })
  events = []
})
afterEach(async () => {
  http.close()
  await server.stop()
  await other.stop()
})

const hello = (overrides: Partial<ApkFile> = {}): ApkFile => ({
  name: 'hello',
  version: '1.0-r0',
  architecture: 'noarch',
  identity: identityOf(spec),
  size: bytes.length,
  urls: [`${server.url}/hello.apk`],
  ...overrides,
})

/** Fetches as another process would; gives the digests of the files. */
async function fetching(...items: readonly ApkFile[]): Promise<readonly string[]> {
  const fresh = await openStore(store.root)
  const landed: string[] = []
  await fetchPackages(items.length === 0 ? [hello()] : items, {
    kind: apkFiles(fresh),
    http,
    store: fresh,
    retry: testRetry({ rounds: 2 }),
    emit: (event) => void events.push(event),
    signal: new AbortController().signal,
    onPackage: (_, digest) => void landed.push(digest),
  })
  return landed
}
const blobs = (): string[] => readdirSync(path.join(store.root, 'blobs', 'sha256'))
const left = (): string[] => readdirSync(path.join(store.root, 'tmp'))

async function failure(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isPlinthError(error)) throw error ?? new Error('it did not fail')
  return error
}

describe('apkFiles()', () => {
  test('brings a package into the store, and finds it there the next time', async () => {
    expect(await fetching()).toEqual([sha256(bytes)])
    expect(await fetching()).toEqual([sha256(bytes)])
    expect(server.seen).toHaveLength(1)
    expect(events.at(-1)).toMatchObject({ cached: true, detail: 'all in the store' })
  })

  test('fetches one file once for packages that are the same', async () => {
    expect(await fetching(hello(), hello({ name: 'twin' }))).toHaveLength(2)
    expect(server.seen).toHaveLength(1)
  })

  test('fetches again what is damaged in the store', async () => {
    const [digest = ''] = await fetching()
    const file = path.join(store.root, 'blobs', 'sha256', digest.slice('sha256:'.length))
    writeFileSync(file, buildApk({ ...spec, version: '2' }))
    expect(await fetching()).toEqual([digest])
    expect(server.seen).toHaveLength(2)
    expect(events.filter(({ type }) => type === 'warning')).toMatchObject([
      { message: 'hello 1.0-r0 is damaged in the store: fetching it again' },
    ])
  })

  test('a file of the same size that is another package is not taken for it', async () => {
    await fetching()
    const renamed = hello({ identity: identityOf({ ...spec, version: '1.1-r0' }) })
    const error = await failure(fetching(renamed))
    expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' })
    expect(error.message).toContain('hello 1.0-r0')
  })

  const { control, data } = apkParts(spec)
  const flipped = Buffer.from(bytes)
  flipped[control.length + (data.length >> 1)]! ^= 1
  const otherData = apkParts({ ...spec, files: { 'usr/share/hello': noise(200_000, 2) } })
  const adb = Buffer.alloc(bytes.length)
  adb.write('ADBd')
  const bad = [
    { name: 'another package', served: buildApk({ ...spec, version: '0.9-r0' }) },
    { name: 'its data changed', served: flipped, code: 'DIGEST_MISMATCH' },
    {
      name: 'the data of another',
      served: Buffer.concat([control, otherData.data]),
      size: control.length + otherData.data.length,
      code: 'DIGEST_MISMATCH',
    },
    { name: 'cut short', served: bytes.subarray(0, -1), code: 'SIZE_MISMATCH' },
    { name: 'followed by more', served: Buffer.concat([bytes, bytes]), code: 'SIZE_MISMATCH' },
    { name: 'no package', served: noise(bytes.length, 7), code: 'ARCHIVE_INVALID' },
    { name: 'a package of apk v3', served: adb, code: 'ARCHIVE_INVALID', says: /ADB.*apk v3/ },
  ].map(({ size, code, says, ...one }) => ({
    ...one,
    size: size ?? (code === 'SIZE_MISMATCH' ? bytes.length : one.served.length),
    code: code ?? 'DIGEST_MISMATCH',
    says: says ?? /hello/,
  }))

  test.each(bad)(
    'refuses $name: $code, and leaves nothing',
    async ({ served, size, code, says }) => {
      server.files.set('hello.apk', served)
      const error = await failure(fetching(hello({ size })))
      expect(error).toMatchObject({ code, message: expect.stringMatching(says) as string })
      expect(error.hint).toBeTruthy()
      expect(blobs()).toEqual([])
      expect(left()).toEqual([])
      expect(events.at(-1)).toEqual({ type: 'step-failed', id: 'fetch' })
    },
  )

  test.each(bad.filter(({ size }) => size === bytes.length))(
    'takes the good one of another mirror instead of $name',
    async ({ served }) => {
      server.files.set('hello.apk', served)
      const urls = [`${server.url}/hello.apk`, `${other.url}/hello.apk`]
      expect(await fetching(hello({ urls }))).toEqual([sha256(bytes)])
      expect(blobs()).toEqual([sha256(bytes).slice('sha256:'.length)])
    },
  )

  test('what is signed by whomever is fetched all the same: unpacking looks at that', async () => {
    const signed = { ...spec, signers: [testSigner('stranger.rsa.pub')] }
    const file = buildApk(signed)
    server.files.set('hello.apk', file)
    expect(await fetching(hello({ size: file.length }))).toEqual([sha256(file)])
  })

  test.each([
    { fault: { kind: 'status', status: 404 }, code: 'HTTP_STATUS' },
    { fault: { kind: 'cut', after: 1000 }, code: 'TRANSFER_INCOMPLETE' },
    { fault: { kind: 'stall', after: 1000 }, code: 'TRANSFER_TIMEOUT' },
    // it is no package from its first byte on
    { fault: { kind: 'endless' }, code: 'ARCHIVE_INVALID' },
  ] as const)('$fault.kind each time: $code', async ({ fault, code }) => {
    server.always('hello.apk', fault)
    expect(await failure(fetching())).toMatchObject({ code })
    expect(blobs()).toEqual([])
    expect(left()).toEqual([])
  })

  test('goes on where a connection broke', async () => {
    server.fail('hello.apk', { kind: 'cut', after: 100_000 })
    expect(await fetching()).toEqual([sha256(bytes)])
    expect(server.seen.at(-1)?.headers.range).toBe('bytes=100000-')
  })
})
