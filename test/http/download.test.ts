import { mkdtemp, readdir, readFile, rm, writeFile, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestHex, sha256 } from '../../src/digest.ts'
import { isPlinthError } from '../../src/errors.ts'
import { createHttp } from '../../src/http/client.ts'
import {
  download,
  downloadBytes,
  type DownloadDeps,
  type DownloadItem,
} from '../../src/http/download.ts'
import type { Http } from '../../src/http/http.ts'
import type { Store } from '../../src/ports.ts'
import { openStore } from '../../src/store/store.ts'
import { needs } from '../support/needs.ts'
import { noise, testRetry } from '../support/network.ts'
import { startServer, type Fault, type FaultServer } from '../support/server.ts'

const content = noise(600_000)
const large = noise(6 * 1024 * 1024, 7)

let server: FaultServer
let mirror: FaultServer
let folder: string
let store: Store
let http: Http
let retry: ReturnType<typeof testRetry>
let bytesSeen: number

beforeEach(async () => {
  server = await startServer([
    ['file', content],
    ['large', large],
  ])
  mirror = await startServer([
    ['file', content],
    ['large', large],
  ])
  folder = await mkdtemp(join(tmpdir(), 'plinth-download-'))
  store = await openStore(join(folder, 'store'))
  http = createHttp({ stall: 150 })
  retry = testRetry()
  bytesSeen = 0
})
afterEach(async () => {
  http.close()
  await Promise.all([server.stop(), mirror.stop()])
  await rm(folder, { recursive: true, force: true })
})

function item(overrides: Partial<DownloadItem> = {}): DownloadItem {
  return {
    name: 'demo',
    urls: [`${server.url}/file`],
    size: content.length,
    digest: sha256(content),
    ...overrides,
  }
}
function deps(overrides: Partial<DownloadDeps> = {}): DownloadDeps & { store: Store } {
  return {
    http,
    store,
    retry,
    signal: new AbortController().signal,
    onBytes: (count) => void (bytesSeen += count),
    ...overrides,
  }
}
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (failure: unknown) => failure,
  )
  if (!isPlinthError(error)) throw error ?? new Error('it did not fail')
  expect(error.hint).toBeTruthy()
  return error.code
}
/** Nothing half-done may be left where blobs or temporary files are. */
async function expectNothingKept(): Promise<void> {
  expect(await store.has(sha256(content))).toBeUndefined()
  expect(await readdir(await store.directory('tmp'))).toEqual([])
}

/** Faults after which there is another request. */
const breaking = new Set(['cut', 'stall', 'short', 'wrong-range', 'status', 'bytes'])

describe('download()', () => {
  test('brings a file into the store and counts its bytes', async () => {
    await download(item(), deps())
    expect(await readFile(await store.verified(sha256(content)))).toEqual(Buffer.from(content))
    expect(bytesSeen).toBe(content.length)
    expect(server.seen).toHaveLength(1)
  })

  test('an empty file needs no server', async () => {
    await download(item({ urls: ['http://127.0.0.1:1/none'], size: 0, digest: sha256('') }), deps())
    expect(await store.has(sha256(''))).toBe(0)
  })

  const mended: readonly { name: string; faults: readonly Fault[]; ranged?: boolean }[] = [
    { name: 'cut off midway', faults: [{ kind: 'cut', after: 300_000 }], ranged: true },
    {
      name: 'cut off twice',
      faults: [
        { kind: 'cut', after: 300_000 },
        { kind: 'cut', after: 100_000 },
      ],
      ranged: true,
    },
    {
      name: 'cut off, then a server that ignores ranges',
      faults: [{ kind: 'cut', after: 300_000 }, { kind: 'no-range' }],
      ranged: true,
    },
    {
      name: 'cut off, then a server that sends another part',
      faults: [{ kind: 'cut', after: 300_000 }, { kind: 'wrong-range' }],
      ranged: true,
    },
    { name: 'silent midway', faults: [{ kind: 'stall', after: 200_000 }], ranged: true },
    { name: 'silent from the start', faults: [{ kind: 'stall', after: -1 }] },
    { name: 'ended early in good form', faults: [{ kind: 'short', after: 200_000 }], ranged: true },
    {
      name: 'cut off, then a server that starts earlier than asked',
      faults: [{ kind: 'cut', after: 300_000 }, { kind: 'early-range' }],
      ranged: true,
    },
    { name: '503', faults: [{ kind: 'status', status: 503 }] },
    {
      name: '429 with Retry-After',
      faults: [{ kind: 'status', status: 429, headers: { 'retry-after': '7' } }],
    },
    {
      name: 'other bytes once (damaged on the way)',
      faults: [{ kind: 'bytes', bytes: noise(content.length, 3) }],
    },
  ]
  test.each(mended)('gets over: $name', async ({ faults, ranged }) => {
    server.fail('file', ...faults)
    await download(item(), deps())
    await store.verified(sha256(content))
    expect(bytesSeen).toBe(content.length)
    // it went on instead of starting over
    expect(server.seen).toHaveLength(faults.filter(({ kind }) => breaking.has(kind)).length + 1)
    const wentOn = /^bytes=[1-9]/.test(server.seen.at(-1)?.headers.range ?? '')
    expect(wentOn).toBe(ranged ?? false)
  })

  test('asks a range only of the same version', async () => {
    server.fail('file', { kind: 'cut', after: 300_000 })
    await download(item(), deps())
    expect(server.seen[1]?.headers['if-range']).toMatch(/^"[0-9a-f]+"$/)
  })

  test('starts over when the file changed between two parts', async () => {
    const other = noise(content.length, 9)
    server.files.set('file', other)
    server.fail('file', { kind: 'cut', after: 300_000 })
    const failing = server.seen
    // what the first connection brought is of the old version: the digest tells, and it is fetched anew
    const running = download(item({ digest: sha256(content) }), deps())
    while (failing.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await new Promise((resolve) => setTimeout(resolve, 10))
    server.files.set('file', content)
    await running
    await store.verified(sha256(content))
  })

  const refused: readonly { name: string; fault: Fault; code: string }[] = [
    { name: '404', fault: { kind: 'status', status: 404 }, code: 'HTTP_STATUS' },
    { name: '403', fault: { kind: 'status', status: 403 }, code: 'HTTP_STATUS' },
    { name: '500 each time', fault: { kind: 'status', status: 500 }, code: 'HTTP_STATUS' },
    { name: '429 each time', fault: { kind: 'status', status: 429 }, code: 'HTTP_STATUS' },
    { name: 'silence each time', fault: { kind: 'stall', after: -1 }, code: 'TRANSFER_TIMEOUT' },
    {
      name: 'cut off before anything came',
      fault: { kind: 'cut', after: 0 },
      code: 'TRANSFER_INCOMPLETE',
    },
    {
      name: 'a length that is too long',
      fault: { kind: 'length', announce: content.length + 5000 },
      code: 'SIZE_MISMATCH',
    },
    {
      name: 'a length that is too short',
      fault: { kind: 'length', announce: content.length - 5000 },
      code: 'SIZE_MISMATCH',
    },
    { name: 'a body that never ends', fault: { kind: 'endless' }, code: 'SIZE_MISMATCH' },
    {
      name: 'other bytes',
      fault: { kind: 'bytes', bytes: noise(content.length, 3) },
      code: 'DIGEST_MISMATCH',
    },
    {
      name: 'fewer bytes',
      fault: { kind: 'bytes', bytes: content.subarray(0, 1000) },
      code: 'SIZE_MISMATCH',
    },
    {
      name: 'a redirect in circles',
      fault: { kind: 'redirect', to: '/file' },
      code: 'HTTP_STATUS',
    },
    {
      name: 'a redirect to a file',
      fault: { kind: 'redirect', to: 'file:///etc/passwd' },
      code: 'HTTP_STATUS',
    },
  ]
  test.each(refused)('refuses: $name', async ({ fault, code }) => {
    server.always('file', fault)
    expect(await codeOf(download(item(), deps()))).toBe(code)
    await expectNothingKept()
    expect(bytesSeen).toBe(0)
  })
  test.each(refused)('goes to the second mirror after: $name', async ({ fault }) => {
    server.always('file', fault)
    await download(item({ urls: [`${server.url}/file`, `${mirror.url}/file`] }), deps())
    await store.verified(sha256(content))
    expect(bytesSeen).toBe(content.length)
  })

  test('a server that is down is UNREACHABLE, and the second mirror is asked', async () => {
    await server.stop()
    expect(await codeOf(download(item(), deps()))).toBe('UNREACHABLE')
    await expectNothingKept()
    await download(item({ urls: [`${server.url}/file`, `${mirror.url}/file`] }), deps())
  })

  test('says the status of a refusal', async () => {
    server.always('file', { kind: 'status', status: 404 })
    await expect(download(item(), deps())).rejects.toMatchObject({ facts: { status: 404 } })
    expect(server.seen).toHaveLength(1)
  })

  test('waits longer each time, and as long as the server asks', async () => {
    server.always('file', { kind: 'status', status: 503 })
    await codeOf(download(item(), deps()))
    expect(retry.pauses).toEqual([375, 750, 1500, 3000])
    retry.pauses.length = 0
    server.always('file', { kind: 'status', status: 429, headers: { 'retry-after': '7' } })
    await codeOf(download(item(), deps()))
    expect(retry.pauses).toEqual([7000, 7000, 7000, 7000])
    retry.pauses.length = 0
    server.always('file', { kind: 'status', status: 429, headers: { 'retry-after': '3600' } })
    await codeOf(download(item(), deps()))
    expect(retry.pauses).toEqual([])
  })

  test('goes on with a second mirror where the first broke off', async () => {
    server.always('file', { kind: 'cut', after: 300_000 })
    await download(item({ urls: [`${server.url}/file`, `${mirror.url}/file`] }), deps())
    expect(mirror.seen[0]?.headers.range).toBe('bytes=300000-')
    expect(mirror.seen[0]?.headers['if-range']).toBeUndefined()
  })

  test('a slow but steady server is not a silent one', async () => {
    server.fail('file', { kind: 'drip', chunk: 60_000, every: 40 })
    await download(item(), deps())
    expect(server.seen).toHaveLength(1)
  })

  test('follows redirects', async () => {
    server.fail('file', { kind: 'redirect', to: `${mirror.url}/file` })
    await download(item(), deps())
    expect(mirror.seen).toHaveLength(1)
  })

  test('stops at once when it is aborted, and leaves nothing', async () => {
    const controller = new AbortController()
    server.always('file', { kind: 'drip', chunk: 1000, every: 20 })
    const running = download(item(), deps({ signal: controller.signal }))
    setTimeout(() => controller.abort(new Error('enough')), 100)
    await expect(running).rejects.toThrow('enough')
    await expectNothingKept()
  })

  test('reads file: addresses, whole and from the middle', async () => {
    await writeFile(join(folder, 'file'), content)
    const url = pathToFileURL(join(folder, 'file')).href
    await download(item({ urls: [url] }), deps())
    const missing = pathToFileURL(join(folder, 'none')).href
    await store.delete(sha256(content))
    expect(await codeOf(download(item({ urls: [missing] }), deps()))).toBe('HTTP_STATUS')
    server.always('file', { kind: 'cut', after: 300_000 })
    await download(item({ urls: [`${server.url}/file`, url] }), deps())
    await store.verified(sha256(content))
  })
})

const wanted = (urls: readonly string[]): DownloadItem => ({
  name: 'large',
  urls,
  size: large.length,
  digest: sha256(large),
})
const partials = async (): Promise<string[]> => readdir(await store.directory('partial'))

async function interrupt(): Promise<void> {
  const controller = new AbortController()
  server.fail('large', { kind: 'stall', after: 5 * 1024 * 1024 })
  const patient = createHttp({ stall: 10_000 })
  const running = download(
    wanted([`${server.url}/large`]),
    deps({
      http: patient,
      signal: controller.signal,
      onBytes: (count) =>
        void ((bytesSeen += count),
        bytesSeen >= 5 * 1024 * 1024 && controller.abort(new Error('enough'))),
    }),
  )
  await expect(running).rejects.toThrow('enough')
  patient.close()
}

describe('download() of a large file', () => {
  test('goes on in the next run where this one was interrupted', async () => {
    await interrupt()
    expect(await partials()).toEqual([digestHex(sha256(large))])
    await download(wanted([`${server.url}/large`]), deps())
    await store.verified(sha256(large))
    expect(server.seen.at(-1)?.headers.range).toMatch(/^bytes=[4-5]\d{6}-$/)
    expect(await partials()).toEqual([])
  })

  test('takes over what a killed process left', async () => {
    await interrupt()
    const [name = ''] = await partials()
    const directory = await store.directory('partial')
    const bytes = await readFile(join(directory, name))
    await rm(join(directory, name))
    await writeFile(join(directory, `${name}.999999999-1.abcd`), bytes)
    await download(wanted([`${server.url}/large`]), deps())
    expect(server.seen.at(-1)?.headers.range).toMatch(/^bytes=[4-5]\d{6}-$/)
    expect(await partials()).toEqual([])
  })

  test.each([
    { name: 'other bytes', bytes: noise(5_000_000, 99) },
    { name: 'more bytes than the file has', bytes: noise(7_000_000, 99) },
    { name: 'nothing', bytes: new Uint8Array() },
  ])('is not misled by a damaged beginning: $name', async ({ bytes }) => {
    const directory = await store.directory('partial')
    await writeFile(join(directory, digestHex(sha256(large))), bytes)
    await download(wanted([`${server.url}/large`]), deps())
    await store.verified(sha256(large))
    expect(await partials()).toEqual([])
  })

  test('two at once do not disturb each other', async () => {
    await interrupt()
    await Promise.all([1, 2, 3].map(() => download(wanted([`${server.url}/large`]), deps())))
    await store.verified(sha256(large))
    expect(await partials()).toEqual([])
  })
})

describe('downloadBytes()', () => {
  test('gives verified bytes', async () => {
    server.fail('file', { kind: 'cut', after: 1000 })
    expect(Buffer.from(await downloadBytes(item(), deps()))).toEqual(Buffer.from(content))
  })
  test('refuses other bytes', async () => {
    server.always('file', { kind: 'bytes', bytes: noise(content.length, 3) })
    expect(await codeOf(downloadBytes(item(), deps()))).toBe('DIGEST_MISMATCH')
    // once more, past caches
    expect(server.seen).toHaveLength(2)
    expect(server.seen[1]?.headers['cache-control']).toBe('no-cache')
  })
})

describe.skipIf(!needs('root', 'linux').available)('download() on a full disk', () => {
  test('fails with DISK_FULL and leaves nothing', async () => {
    const small = join(folder, 'small')
    await mkdir(small)
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small]).status).toBe(0)
    try {
      const tiny = await openStore(join(small, 'store'))
      expect(await codeOf(download(item(), { ...deps(), store: tiny }))).toBe('DISK_FULL')
      expect(await readdir(await tiny.directory('tmp'))).toEqual([])
      expect(await tiny.has(sha256(content))).toBeUndefined()
    } finally {
      spawnSync('umount', [small])
    }
  })
})
