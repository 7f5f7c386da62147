import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestHex, sha256 } from '../../src/digest.ts'
import { debFiles, type DebFile } from '../../src/distro/deb/fetch.ts'
import { fetchPackages, type FetchDeps } from '../../src/distro/fetch.ts'
import type { Event } from '../../src/events.ts'
import { createHttp } from '../../src/http/client.ts'
import type { Http } from '../../src/http/http.ts'
import type { Store } from '../../src/ports.ts'
import { openStore } from '../../src/store/store.ts'
import { noise, testRetry } from '../support/network.ts'
import { startServer, type FaultServer } from '../support/server.ts'

let folder: string
let server: FaultServer
let store: Store
let http: Http
let events: Event[]
let landed: string[]

const contents = new Map(
  [300_000, 100_000, 500_000, 10, 200_000].map((size, seed) => [`p${seed}`, noise(size, seed + 1)]),
)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plinth-fetch-'))
  server = await startServer(contents)
  store = await openStore(join(folder, 'store'))
  http = createHttp({ stall: 200 })
  events = []
  landed = []
})
afterEach(async () => {
  http.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

function item(name: string): DebFile {
  const bytes = contents.get(name) ?? new Uint8Array()
  return {
    name,
    version: '1.0',
    architecture: 'amd64',
    digest: sha256(bytes),
    size: bytes.length,
    urls: [`${server.url}/${name}`],
  }
}
const all = (): DebFile[] => [...contents.keys()].map(item)
const total = [...contents.values()].reduce((sum, { length }) => sum + length, 0)

function fetching(items = all(), overrides: Partial<FetchDeps<DebFile>> = {}) {
  return fetchPackages(items, {
    kind: debFiles,
    http,
    store,
    retry: testRetry({ rounds: 2 }),
    emit: (event) => void events.push(event),
    signal: new AbortController().signal,
    onPackage: ({ name }) => void landed.push(name),
    ...overrides,
  })
}
const temporary = async (): Promise<string[]> => readdir(await store.directory('tmp'))
const requests = (): string[] => server.seen.map(({ path }) => path)

describe('fetchPackages()', () => {
  test('brings all into the store, in the order given, and hands each on', async () => {
    expect(await fetching(all(), { parallel: 1 })).toEqual({
      downloaded: 5,
      downloadedBytes: total,
      cached: 0,
    })
    expect(requests()).toEqual(['p0', 'p1', 'p2', 'p3', 'p4'])
    expect(landed.toSorted()).toEqual(['p0', 'p1', 'p2', 'p3', 'p4'])
    for (const { digest } of all()) await store.verified(digest)
    expect(events.at(0)).toMatchObject({ type: 'step-started', total })
    expect(events.findLast(({ type }) => type === 'step-progress')).toMatchObject({
      done: total,
      total,
    })
    expect(events.at(-1)).toMatchObject({ type: 'step-finished', cached: false })
  })

  test('keeps to the order given where the store has some', async () => {
    await fetching([item('p0'), item('p3')])
    landed.length = 0
    await fetching(all(), { parallel: 1 })
    expect(landed).toEqual(['p0', 'p1', 'p2', 'p3', 'p4'])
  })

  test('asks no server for what the store has', async () => {
    await fetching()
    server.seen.length = 0
    expect(await fetching()).toEqual({ downloaded: 0, downloadedBytes: 0, cached: 5 })
    expect(await fetching(all(), { offline: true })).toMatchObject({ cached: 5 })
    expect(server.seen).toEqual([])
    expect(landed).toHaveLength(15)
    expect(events.at(-2)).toMatchObject({ type: 'step-started', title: 'fetch 5 packages' })
    const detail = 'all in the store'
    expect(events.at(-1)).toMatchObject({ type: 'step-finished', cached: true, detail })
  })

  test.each([
    {
      name: 'changed',
      damage: (bytes: Uint8Array) => bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte)),
    },
    { name: 'cut short', damage: (bytes: Uint8Array) => bytes.subarray(0, 5000) },
    { name: 'empty', damage: () => new Uint8Array() },
  ])('fetches again what is $name in the store', async ({ damage }) => {
    await fetching()
    const { digest } = item('p0')
    const blob = join(store.root, 'blobs', 'sha256', digestHex(digest))
    await writeFile(blob, damage(contents.get('p0') ?? new Uint8Array()))
    store = await openStore(join(folder, 'store'))
    server.seen.length = 0
    expect(await fetching()).toEqual({ downloaded: 1, downloadedBytes: item('p0').size, cached: 4 })
    expect(requests()).toEqual(['p0'])
    await store.verified(digest)
    expect(events.filter(({ type }) => type === 'warning')).toMatchObject([
      {
        message: expect.stringMatching(/^p0 .*damaged in the store: fetching it again$/) as string,
      },
    ])
    expect(events.at(-1)).toMatchObject({
      cached: false,
      detail: expect.stringMatching(/^1 fetched, .* MB, 4 in the store$/) as string,
    })
  })

  test('fetches one file once for several packages that are the same', async () => {
    await fetching([item('p0'), { ...item('p0'), name: 'twin' }])
    expect(requests()).toEqual(['p0'])
    expect(landed).toEqual(['p0', 'twin'])
  })

  test('does not let a slow reader hold up the others', async () => {
    const gate = new AbortController()
    const held = new Promise((resolve) => gate.signal.addEventListener('abort', resolve))
    const running = fetching(all(), {
      parallel: 1,
      onPackage: async ({ name }) => {
        landed.push(name)
        if (name === 'p2') await held
      },
    })
    while (landed.length < 5) await pause(5)
    let done = false
    const finished = running.then(() => (done = true))
    await pause(20)
    expect(done).toBe(false)
    gate.abort()
    await finished
  })

  test.each([
    {
      name: 'tampered with',
      fault: { kind: 'bytes', bytes: noise(300_000, 50) },
      code: 'DIGEST_MISMATCH',
    },
    { name: 'cut short', fault: { kind: 'bytes', bytes: noise(1000, 1) }, code: 'SIZE_MISMATCH' },
    { name: 'missing', fault: { kind: 'status', status: 404 }, code: 'HTTP_STATUS' },
    { name: 'never ending', fault: { kind: 'endless' }, code: 'SIZE_MISMATCH' },
    { name: 'not coming', fault: { kind: 'stall', after: 1000 }, code: 'TRANSFER_TIMEOUT' },
  ] as const)(
    'a package that is $name ends everything and leaves nothing half-done',
    async ({ fault, code }) => {
      server.always('p0', fault)
      await expect(fetching()).rejects.toMatchObject({ code })
      expect(landed).not.toContain('p0')
      expect(await store.has(item('p0').digest)).toBeUndefined()
      expect(await temporary()).toEqual([])
      expect(events.at(-1)).toEqual({ type: 'step-failed', id: 'fetch' })
    },
  )

  test('names the package that could not be used', async () => {
    server.always('p0', { kind: 'bytes', bytes: noise(300_000, 50) })
    await expect(fetching()).rejects.toThrow('p0 1.0')
  })

  test('the first failure ends the other downloads at once', async () => {
    server.always('p2', { kind: 'drip', chunk: 1000, every: 50 })
    server.always('p1', { kind: 'status', status: 404 })
    const started = performance.now()
    await expect(fetching()).rejects.toMatchObject({ code: 'HTTP_STATUS' })
    expect(performance.now() - started).toBeLessThan(5000)
    expect(await temporary()).toEqual([])
  })

  test('what a reader throws ends everything', async () => {
    const failing = fetching(all(), {
      onPackage: async ({ name }) => {
        if (name === 'p3') throw new Error('no')
      },
    })
    await expect(failing).rejects.toThrow('no')
  })

  test('stops when aborted; what is complete stays for the next run', async () => {
    const controller = new AbortController()
    server.always('p2', { kind: 'drip', chunk: 1000, every: 20 })
    const running = fetching(all(), {
      signal: controller.signal,
      onPackage: ({ name }) => {
        landed.push(name)
        if (landed.length === 4) controller.abort(new Error('enough'))
      },
    })
    await expect(running).rejects.toThrow('enough')
    expect(await temporary()).toEqual([])
    server.seen.length = 0
    server.always('p2', { kind: 'no-range' })
    expect(await fetching()).toMatchObject({ downloaded: 1, cached: 4 })
  })

  test('offline, what is missing is UNREACHABLE and named', async () => {
    await expect(fetching(all(), { offline: true })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/p\d 1\.0/),
    })
    expect(server.seen).toEqual([])
  })

  test('two runs on one store do not disturb each other', async () => {
    const second = await openStore(join(folder, 'store'))
    await Promise.all([fetching(), fetching(all(), { store: second })])
    for (const { digest } of all()) await second.verified(digest)
    expect(await temporary()).toEqual([])
  })
})
