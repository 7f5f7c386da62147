import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { exitCodes, type ErrorCode } from '../../src/errors.ts'
import { bench, codeOf, type Bench, type Run } from '../support/builds.ts'
import { expectClean } from '../support/expect-clean.ts'
import { makeKey, type TestKey } from '../support/keys.ts'
import { localRecipe, type LocalRecipe } from '../support/local-recipe.ts'
import { needs } from '../support/needs.ts'
import { buildRepository, type SuiteSpec } from '../support/repository.ts'
import { startServer, type FaultServer } from '../support/server.ts'

const day = 24 * 3600 * 1000
const ago = (days: number): Date => new Date(Date.now() - days * day)

const packages = {
  main: [
    { name: 'hello', fields: { Depends: 'greeting (>= 1.0)' } },
    { name: 'greeting' },
    { name: 'wants-newer', fields: { Depends: 'greeting (>= 2.0)' } },
    { name: 'wants-nothing', fields: { Depends: 'nonexistent-library' } },
    { name: 'rude', fields: { Conflicts: 'greeting' } },
  ],
  extra: [],
}

let key: TestKey
let stranger: TestKey
let expired: TestKey
let revoked: TestKey
beforeAll(async () => {
  key = await makeKey()
  stranger = await makeKey({ name: 'stranger' })
  expired = await makeKey({ created: ago(100), expiresAfter: (50 * day) / 1000 })
  revoked = await makeKey({ revoked: true })
})

interface Place {
  readonly bench: Bench
  readonly server: FaultServer
  /** Plans the recipe; fields replace those of the good one. */
  plan(recipe?: Partial<LocalRecipe>, ...args: readonly string[]): Promise<Run>
  /** Puts another repository where the good one was. */
  publish(suite?: Partial<SuiteSpec>): Promise<void>
}

/** A server with a good repository, and a store of its own. */
async function place(): Promise<Place & AsyncDisposable> {
  const server = await startServer()
  const here = await bench()
  const publish: Place['publish'] = async (suite = {}) => {
    const files = await buildRepository({ keys: [key], components: packages, ...suite })
    server.files.clear()
    for (const [name, bytes] of files) server.files.set(name, bytes)
  }
  await publish()
  let count = 0
  return {
    bench: here,
    server,
    publish,
    plan(recipe = {}, ...args) {
      const good = { mirrors: [server.url], keys: [key], include: ['hello'] }
      const file = here.file(`recipe-${count++}.ts`, localRecipe({ ...good, ...recipe }))
      return here.plinth(['plan', file, '--json', '--progress', 'plain', ...args])
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      here[Symbol.dispose]()
    },
  }
}

const packagesFile = 'dists/demo/main/binary-amd64/Packages.gz'
const releaseFile = 'dists/demo/InRelease'

/** Serves other bytes for a file. */
function change({ server }: Place, file: string, edit: (text: string) => string): void {
  const bytes = Buffer.from(server.files.get(file)!)
  server.files.set(file, Buffer.from(edit(bytes.toString('latin1')), 'latin1'))
}

interface Case {
  readonly name: string
  readonly code: ErrorCode
  /** in what is said */
  readonly says: readonly (string | RegExp)[]
  readonly break?: (place: Place) => Promise<void> | void
  readonly recipe?: (place: Place) => Partial<LocalRecipe>
}

const cases: readonly Case[] = [
  {
    name: 'an unknown package, with the nearest name',
    code: 'PACKAGE_NOT_FOUND',
    says: ['helo', /hint: .*\bhello\b/],
    recipe: () => ({ include: ['helo'] }),
  },
  {
    name: 'an unknown version, with those there are',
    code: 'VERSION_NOT_FOUND',
    says: ['hello', '2.0', /\b1\.0\b/],
    recipe: () => ({ include: ['hello=2.0'] }),
  },
  {
    name: 'an unknown suite',
    code: 'SUITE_NOT_FOUND',
    says: ["'demi'", 'hint:'],
    recipe: () => ({ suites: ['demi'] }),
  },
  {
    name: 'an unknown component, with those there are',
    code: 'COMPONENT_NOT_FOUND',
    says: ['mian', 'main'],
    recipe: () => ({ components: ['mian'] }),
  },
  {
    name: 'a dependency whose version nobody has',
    code: 'UNSATISFIABLE',
    says: ['wants-newer', /greeting \(>= 2\.0\)/, /greeting.*1\.0/],
    recipe: () => ({ include: ['wants-newer'] }),
  },
  {
    name: 'a dependency nobody has',
    code: 'UNSATISFIABLE',
    says: ['wants-nothing', 'nonexistent-library'],
    recipe: () => ({ include: ['wants-nothing'] }),
  },
  {
    name: 'packages that conflict',
    code: 'UNSATISFIABLE',
    says: ['rude', 'greeting', /conflict/i],
    recipe: () => ({ include: ['hello', 'rude'] }),
  },
  {
    name: 'a mirror that is down',
    code: 'UNREACHABLE',
    says: ['127.0.0.1', 'hint:'],
    recipe: () => ({ mirrors: ['http://127.0.0.1:9'] }),
  },
  {
    name: 'a mirror whose name nobody knows',
    code: 'UNREACHABLE',
    says: ['nowhere.invalid', 'hint:'],
    recipe: () => ({ mirrors: ['http://nowhere.invalid'] }),
  },
  {
    name: 'a mirror without the index it lists (404)',
    code: 'HTTP_STATUS',
    says: ['404', 'Packages', 'hint:'],
    break: ({ server }) => void server.files.delete(packagesFile),
  },
  {
    name: 'a mirror that wants fewer requests (429), and a long pause',
    code: 'HTTP_STATUS',
    says: ['429', 'hint:'],
    break: ({ server }) =>
      server.always('dists/*', { kind: 'status', status: 429, headers: { 'retry-after': '3600' } }),
  },
  {
    name: 'a mirror that breaks off midway, each time',
    code: 'TRANSFER_INCOMPLETE',
    says: ['broke off', 'hint:'],
    break: ({ server }) => server.always(packagesFile, { kind: 'cut', after: 100 }),
  },
  {
    name: 'a mirror that announces more than it sends',
    code: 'SIZE_MISMATCH',
    says: ['Packages', 'hint:'],
    break: ({ server }) => server.always(packagesFile, { kind: 'length', announce: 1_000_000 }),
  },
  {
    name: 'an index that never ends',
    code: 'SIZE_MISMATCH',
    says: ['Packages', 'hint:'],
    break: ({ server }) => server.always(packagesFile, { kind: 'endless' }),
  },
  {
    name: 'an InRelease that was changed',
    code: 'SIGNATURE_INVALID',
    says: ['demo', 'hint:'],
    break: (at) => change(at, releaseFile, (text) => text.replace('Label: Test', 'Label: Best')),
  },
  {
    name: 'an InRelease that ends early',
    code: 'SIGNATURE_INVALID',
    says: ['demo'],
    break: (at) => change(at, releaseFile, (text) => text.slice(0, 400)),
  },
  {
    name: 'an InRelease with something before its signed part',
    code: 'SIGNATURE_INVALID',
    says: ['demo'],
    break: (at) => change(at, releaseFile, (text) => `Suite: other\n\n${text}`),
  },
  {
    name: 'a suite that nobody signed',
    code: 'SIGNATURE_MISSING',
    says: ['Release.gpg', 'hint:'],
    break: ({ publish }) => publish({ signed: 'none' }),
  },
  {
    name: 'a suite signed by an unknown key, which is named',
    code: 'KEY_UNKNOWN',
    says: ['hint:'],
    break: ({ publish }) => publish({ keys: [stranger] }),
  },
  {
    name: 'a suite signed by an expired key',
    code: 'KEY_EXPIRED',
    says: ['hint:'],
    break: ({ publish }) => publish({ keys: [expired] }),
    recipe: () => ({ keys: [expired] }),
  },
  {
    name: 'a suite signed by a revoked key',
    code: 'KEY_REVOKED',
    says: ['hint:'],
    break: ({ publish }) => publish({ keys: [revoked] }),
    recipe: () => ({ keys: [revoked] }),
  },
  {
    name: 'a Valid-Until that is over',
    code: 'RELEASE_EXPIRED',
    says: ['--skip check/valid-until'],
    break: ({ publish }) => publish({ date: ago(20), validUntil: ago(13) }),
  },
  {
    name: 'another suite under the name that was asked for',
    code: 'RELEASE_INVALID',
    says: ['demo', 'hint:'],
    break: ({ publish }) => publish({ codename: 'older', suite: 'oldstable', directory: 'demo' }),
  },
  {
    name: 'a Packages of the right size with another content',
    code: 'DIGEST_MISMATCH',
    says: ['Packages', 'hint:'],
    break: (at) => change(at, packagesFile, (text) => `${text.slice(0, -1)}x`),
  },
  {
    name: 'a Packages that ends early, in good form',
    code: 'SIZE_MISMATCH',
    says: ['Packages', 'hint:'],
    break: (at) => change(at, packagesFile, (text) => text.slice(0, -10)),
  },
  {
    name: 'another Packages, well compressed',
    code: 'SIZE_MISMATCH',
    says: ['Packages'],
    break: ({ server }) => {
      const text = gunzipSync(server.files.get(packagesFile)!).toString()
      const other = text.replaceAll(/SHA256: .{8}/g, 'SHA256: 00000000')
      server.files.set(packagesFile, gzipSync(other, { level: 1 }))
    },
  },
]

const { available } = needs('linux')

describe.skipIf(!available)('a bad repository is refused, clearly, and loses nothing', () => {
  test.concurrent.each(cases)('$name: $code', { timeout: 60_000 }, async (bad) => {
    await using here = await place()
    await bad.break?.(here)
    const run = await here.plan(bad.recipe?.(here))
    expect(run).toSatisfy((r: Run) => codeOf(r) === bad.code, run.stderr)
    expect(run.code).toBe(exitCodes[bad.code])
    expectClean(run, here.bench)
    for (const said of bad.says) expect(run.stderr).toMatch(said)

    // the same store serves the next run, once things are good again
    await here.server.stop()
    await using next = await startServer(
      await buildRepository({ keys: [key], components: packages }),
    )
    const good = await here.plan({ mirrors: [next.url] })
    expect(good.code, good.stderr).toBe(0)
    expect(namesOf(good)).toEqual(['greeting', 'hello'])
  })
})

describe.skipIf(!available)('what a mirror may do', () => {
  test.concurrent('--skip check/valid-until uses an old suite, and says so', async () => {
    await using here = await place()
    await here.publish({ date: ago(20), validUntil: ago(13) })
    const run = await here.plan({}, '--skip', 'check/valid-until')
    expect(run.code, run.stderr).toBe(0)
    expect(JSON.parse(run.stdout)).toMatchObject({ skipped: ['check/valid-until'] })
    expect(run.stderr).toMatch(/warning: .*valid/i)
    // a check that was not needed was not skipped
    await here.publish()
    const fresh = await here.plan({}, '--skip', 'check/valid-until')
    expect(JSON.parse(fresh.stdout)).toMatchObject({ skipped: [] })
  })

  test.concurrent('--skip check/suite uses a suite that calls itself otherwise, and says so', async () => {
    await using here = await place()
    await here.publish({ codename: 'older', suite: 'oldstable', directory: 'demo' })
    const run = await here.plan({}, '--skip', 'check/suite')
    expect(run.code, run.stderr).toBe(0)
    expect(JSON.parse(run.stdout)).toMatchObject({ skipped: ['check/suite'] })
    expect(run.stderr).toMatch(/warning: .*older/)
  })

  test.concurrent('ask for patience once or twice, and break off now and then', async () => {
    await using here = await place()
    here.server.fail(releaseFile, { kind: 'status', status: 429 }, { kind: 'status', status: 503 })
    here.server.fail(packagesFile, { kind: 'cut', after: 50 }, { kind: 'cut', after: 100 })
    const run = await here.plan()
    expect(run.code, run.stderr).toBe(0)
    expect(namesOf(run)).toEqual(['greeting', 'hello'])
    expect(run.stderr).toContain('429')
  })

  test.concurrent('be slow', async () => {
    await using here = await place()
    here.server.always('dists/*', { kind: 'drip', chunk: 60, every: 20 })
    const run = await here.plan()
    expect(run.code, run.stderr).toBe(0)
    expect(run.milliseconds).toBeGreaterThan(400)
  })

  test.concurrent('be down, when there is another', async () => {
    await using here = await place()
    const run = await here.plan({ mirrors: ['http://127.0.0.1:9', here.server.url] })
    expect(run.code, run.stderr).toBe(0)
    expect(run.milliseconds).toBeLessThan(5000)
  })

  test.concurrent('stay silent: Ctrl-C ends the wait at once', async () => {
    await using here = await place()
    here.server.always('dists/*', { kind: 'stall', after: -1 })
    const file = here.bench.file(
      'recipe.ts',
      localRecipe({ mirrors: [here.server.url], keys: [key], include: ['hello'] }),
    )
    const run = await here.bench.plinth(['plan', file, '--progress', 'plain'], {
      signal: { name: 'SIGINT', when: /package source/, after: 300, group: true },
    })
    expect(run.code).toBe(130)
    expect(run.milliseconds).toBeLessThan(8000)
    expect(codeOf(run)).toBe('INTERRUPTED')
    expectClean(run, here.bench)
  })
})

describe.skipIf(!available)('a damaged store', () => {
  const damages = [
    { name: 'changed', damage: (file: string) => writeFileSync(file, flipped(readFileSync(file))) },
    {
      name: 'cut off',
      damage: (file: string) => writeFileSync(file, readFileSync(file).subarray(1)),
    },
    { name: 'gone', damage: (file: string) => rmSync(file) },
  ]
  test.concurrent.each(damages)(
    'every blob and record $name: fetched and worked out again',
    async ({ damage }) => {
      await using here = await place()
      const before = await here.plan()
      expect(before.code, before.stderr).toBe(0)
      const files = [
        ...filesBelow(here.bench.store, 'blobs'),
        ...filesBelow(here.bench.store, 'cache'),
      ]
      expect(files.length).toBeGreaterThan(3)
      for (const file of files) damage(file)
      const after = await here.plan()
      expect(after.code, after.stderr).toBe(0)
      expect(after.stdout).toBe(before.stdout)
    },
  )

  test.concurrent('a store that is something else is refused, untouched', async () => {
    await using here = await place()
    const other = here.bench.file('other/oci-layout', '{"imageLayoutVersion":"9.9"}')
    const run = await here.plan({}, '--store', path.dirname(other))
    expect(codeOf(run)).toBe('STORE_INVALID')
    expect(run.code).toBe(exitCodes.STORE_INVALID)
    expect(readFileSync(other, 'utf8')).toBe('{"imageLayoutVersion":"9.9"}')
  })
})

function namesOf({ stdout }: Run): string[] {
  const { packages: found } = JSON.parse(stdout) as { packages: { name: string }[] }
  return found.map(({ name }) => name).toSorted()
}

function filesBelow(store: string, folder: string): string[] {
  return readdirSync(path.join(store, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(store, folder, name))
    .filter((file) => statSync(file).isFile())
}

function flipped(bytes: Buffer): Buffer {
  bytes[bytes.length >> 1]! ^= 1
  return bytes
}
