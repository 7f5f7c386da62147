import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseIndexRecords } from '../../../src/apk/index-record.ts'
import { planApks } from '../../../src/distro/apk/plan.ts'
import type { Event } from '../../../src/events.ts'
import { createHttp } from '../../../src/http/client.ts'
import type { Http } from '../../../src/http/http.ts'
import type { ApkPlan } from '../../../src/plan.ts'
import type { Store } from '../../../src/ports.ts'
import { parsePlatform } from '../../../src/platform.ts'
import { apk, type ApkCustomOptions } from '../../../src/recipe/apk-rootfs.ts'
import {
  buildApkRepository,
  writeApkRepository,
  type ApkRepositorySpec,
} from '../../support/apk-repository.ts'
import { buildApk, identityOf, testSigner, type ApkSpec } from '../../support/apk.ts'
import { testRetry } from '../../support/network.ts'
import { scratchDirectory, scratchStore } from '../../support/scratch.ts'
import { startServer, type FaultServer } from '../../support/server.ts'

const alice = testSigner('alice.rsa.pub')
const key = { name: alice.name, pem: alice.publicKey }

const app: ApkSpec = {
  name: 'app',
  arch: 'x86_64',
  fields: { depend: ['lib>1', 'meta'], builddate: '1600000000', origin: 'app' },
  files: { 'usr/bin/app': 'app' },
}
const lib: ApkSpec = { name: 'lib', version: '1.1-r0', fields: { builddate: '1650000000' } }
const meta: ApkSpec = { name: 'meta', fields: { size: '0', builddate: '1500000000' } }
const unused: ApkSpec = { name: 'unused', fields: { builddate: '1700000000' } }
const tool: ApkSpec = { name: 'tool', fields: { builddate: '1640000000' } }

let server: FaultServer
let store: Store
let http: Http
let events: Event[]

beforeEach(async () => {
  server = await startServer()
  store = await scratchStore()
  http = createHttp({ stall: 200 })
  events = []
  publish({ directory: 'main', packages: [app, lib, meta, unused] })
})
afterEach(async () => {
  http.close()
  await server.stop()
})

function publish(...specs: readonly Partial<ApkRepositorySpec>[]): void {
  const all = specs.map((spec) => ({ packages: [], signers: [alice], ...spec }))
  for (const [name, bytes] of buildApkRepository(...all)) server.files.set(name, bytes)
}

function planning(
  options: Partial<ApkCustomOptions> = {},
  more: { readonly epoch?: number; readonly platform?: string } = {},
): Promise<ApkPlan> {
  const rootfs = apk({
    distro: 'custom',
    packages: ['app'],
    repositories: [`${server.url}/main`],
    keys: [key],
    ...options,
  })
  const platform = parsePlatform(more.platform ?? 'linux/amd64')
  return planApks(
    { recipe: 'demo', platform, rootfs, epoch: more.epoch },
    {
      http,
      store,
      retry: testRetry({ rounds: 2 }),
      now: () => new Date(),
      emit: (event) => void events.push(event),
      signal: new AbortController().signal,
    },
  )
}
const steps = (): string[] =>
  events.flatMap((event) => (event.type === 'step-started' ? [event.id] : []))

describe('planApks()', () => {
  test('says what goes in, in what order, from where, and why', async () => {
    const plan = await planning()
    expect(plan).toMatchObject({
      recipe: 'demo',
      platform: 'linux/amd64',
      distribution: 'apk',
      release: 'custom',
      architecture: 'x86_64',
      scripts: 'run',
      world: ['app'],
      repositories: [`${server.url}/main`],
      keys: { 'alice.rsa.pub': alice.publicKey },
      skipped: [],
      sources: [{ uris: [`${server.url}/main`], tag: undefined, signers: ['alice.rsa.pub'] }],
    })
    expect(plan.packages).toMatchObject([
      {
        name: 'lib',
        version: '1.1-r0',
        architecture: 'noarch',
        identity: identityOf(lib),
        size: buildApk(lib).length,
        installedSize: 4096,
        path: 'noarch/lib-1.1-r0.apk',
        source: 0,
        tag: undefined,
        reasons: [{ kind: 'dependency', of: 'app', field: 'depends', relation: 'lib>1' }],
      },
      { name: 'meta', installedSize: 0 },
      { name: 'app', path: 'x86_64/app-1.0-r0.apk', reasons: [{ kind: 'asked', request: 'app' }] },
    ])
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
    // apk's database is made of the records
    const [record] = parseIndexRecords(plan.packages[2]!.record)
    expect(record).toMatchObject({ name: 'app', origin: 'app', checksum: identityOf(app) })
    expect(record?.depends.map(({ name }) => name)).toEqual(['lib', 'meta'])
  })

  test('the time is when the newest package that is in was built', async () => {
    expect((await planning()).epoch).toBe(1_650_000_000)
    expect((await planning({}, { epoch: 5 })).epoch).toBe(5)
  })

  test('is remembered while the indexes stay, and what was asked', async () => {
    const first = await planning()
    events = []
    expect(await planning()).toEqual(first)
    expect(steps()).toEqual(['indexes'])
    expect((await planning({ scripts: 'off' })).scripts).toBe('off')
    expect((await planning({ include: ['unused'] })).world).toEqual(['app', 'unused'])
    publish({ directory: 'main', packages: [app, { ...lib, version: '1.2-r0' }, meta] })
    expect((await planning()).packages[0]?.version).toBe('1.2-r0')
  })

  test('takes from a tagged repository what is asked of it, and nothing else', async () => {
    publish({ directory: 'edge', packages: [tool, { ...lib, version: '9-r0' }] })
    const repositories = [`${server.url}/main`, `@edge ${server.url}/edge`]
    const plan = await planning({ repositories, include: ['tool@edge'] })
    expect(
      plan.packages.map(({ name, version, source, tag }) => [name, version, source, tag]),
    ).toEqual([
      ['lib', '1.1-r0', 0, undefined],
      ['meta', '1.0-r0', 0, undefined],
      ['app', '1.0-r0', 0, undefined],
      ['tool', '1.0-r0', 1, 'edge'],
    ])
    expect(plan.world).toEqual(['app', 'tool@edge'])
    expect(plan.repositories).toEqual(repositories)
    await expect(planning({ repositories, include: ['tool'] })).rejects.toMatchObject({
      code: 'UNSATISFIABLE',
      message: expect.stringContaining('tool@edge') as string,
    })
    await expect(planning({ repositories, include: ['tool@egde'] })).rejects.toMatchObject({
      code: 'PARAM_INVALID',
    })
  })

  test('of packages that several repositories have the first one is asked', async () => {
    publish({ directory: 'again', packages: [lib] })
    const both = [`${server.url}/again`, `${server.url}/main`]
    const plan = await planning({ repositories: both })
    expect(plan.packages.map(({ name, source }) => [name, source])).toEqual([
      ['lib', 0],
      ['meta', 1],
      ['app', 1],
    ])
  })

  test('no image has the directories of the machine it was made on', async () => {
    const directory = path.join(scratchDirectory(), 'local')
    writeApkRepository(buildApkRepository({ packages: [tool], signers: [alice] }), directory)
    const repositories = [
      directory,
      { uris: [pathToFileURL(directory).href], tag: 'here' },
      `${server.url}/main/`,
    ]
    const plan = await planning({ repositories, include: ['tool'] })
    expect(plan.repositories).toEqual([`${server.url}/main`])
    expect(plan.packages.at(-1)).toMatchObject({ name: 'tool', source: 0 })
  })

  test('leaves out what nobody asked to keep, and says why it cannot do without', async () => {
    await expect(planning({ include: ['!lib'] })).rejects.toMatchObject({ code: 'UNSATISFIABLE' })
    expect(events.at(-1)).toEqual({ type: 'step-failed', id: 'solve' })
  })

  test.each([
    { name: 'an unknown package', options: { include: ['appp'] }, code: 'PACKAGE_NOT_FOUND' },
    { name: 'a version nobody has', options: { include: ['lib=2'] }, code: 'UNSATISFIABLE' },
  ])('refuses $name: $code', async ({ options, code }) => {
    await expect(planning(options)).rejects.toMatchObject({ code })
  })

  test('refuses a platform that Alpine has no name for', async () => {
    await expect(planning({}, { platform: 'linux/mips64le' })).rejects.toMatchObject({
      code: 'PLATFORM_INVALID',
    })
  })

  test('refuses an index whose text is broken', async () => {
    publish({ directory: 'main', index: { text: 'P:app\nnonsense\n\n', signers: [alice] } })
    await expect(planning()).rejects.toMatchObject({ code: 'INDEX_INVALID' })
  })
})
