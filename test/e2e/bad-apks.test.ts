import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { exitCodes, type ErrorCode } from '../../src/errors.ts'
import { buildApkRepository } from '../support/apk-repository.ts'
import { apkParts, buildApk, buildIndex, testSigner, type ApkSpec } from '../support/apk.ts'
import { bench, codeOf, digestOf, wrongBlobs, type Bench, type Run } from '../support/builds.ts'
import { expectClean } from '../support/expect-clean.ts'
import { localApkRecipe, type LocalApkRecipe } from '../support/local-recipe.ts'
import { needs } from '../support/needs.ts'
import { noise } from '../support/network.ts'
import { builtPlinth } from '../support/plinth.ts'
import { startServer, type FaultServer } from '../support/server.ts'

const key = testSigner('archive@example.org-1.rsa.pub')
const stranger = testSigner('stranger@example.org-2.rsa.pub')

const demo: ApkSpec = {
  name: 'demo',
  fields: { depend: 'lib>=1' },
  files: { 'usr/share/demo': 'x'.repeat(5000) },
}
const lib: ApkSpec = { name: 'lib', files: { 'usr/lib/lib': 'lib' } }
const packages: readonly ApkSpec[] = [
  demo,
  lib,
  { name: 'wants-newer', fields: { depend: 'lib>=2' } },
  { name: 'wants-nothing', fields: { depend: 'so:nowhere.so.1' } },
  { name: 'rude', fields: { depend: '!lib' } },
  { name: 'ring-a', fields: { depend: 'ring-b' }, files: { 'usr/a': 'a' } },
  { name: 'ring-b', fields: { depend: 'ring-a' }, files: { 'usr/b': 'b' } },
]
const indexFile = 'x86_64/APKINDEX.tar.gz'
const demoFile = 'noarch/demo-1.0-r0.apk'

interface Place {
  readonly bench: Bench
  readonly server: FaultServer
  /** Builds the recipe; fields replace those of the good one. */
  build(recipe?: Partial<LocalApkRecipe>, ...args: readonly string[]): Promise<Run>
}

/** A server with a good repository, and a store of its own. */
async function place(): Promise<Place & AsyncDisposable> {
  const server = await startServer(buildApkRepository({ packages, signers: [key] }))
  const here = await bench()
  let count = 0
  return {
    bench: here,
    server,
    build(recipe = {}, ...args) {
      const good = { repositories: [server.url], keys: [key], packages: ['demo'] }
      const file = here.file(`recipe-${count++}.ts`, localApkRecipe({ ...good, ...recipe }))
      const platform = ['--platform', 'linux/amd64', '--progress', 'plain']
      return here.plinth(['build', file, ...platform, '-o', 'out.tar', ...args])
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      here[Symbol.dispose]()
    },
  }
}

interface Case {
  readonly name: string
  readonly code: ErrorCode
  /** in what is said */
  readonly says: readonly (string | RegExp)[]
  readonly break?: (server: FaultServer) => void
  readonly recipe?: Partial<LocalApkRecipe>
}

/** Another package where the good one was; the index describes it unless it is told not to. */
const replaced = (spec: ApkSpec, listed: ApkSpec = spec) => {
  return (server: FaultServer): void => {
    const rest = packages.filter((one) => one !== demo)
    const size = buildApk(spec).length
    server.files.set(indexFile, buildIndex({ packages: [listed, ...rest], signers: [key] }))
    server.files.set(demoFile, buildApk(spec))
    if (size !== buildApk(listed).length) throw new Error('the index speaks of another size')
  }
}
/** Another package whose file happens to have the size of the good one. */
function twin(): ApkSpec {
  for (let builddate = 1_600_000_000; ; builddate++) {
    const other = { ...demo, fields: { ...demo.fields, builddate: String(builddate) } }
    if (buildApk(other).length === buildApk(demo).length) return other
  }
}
const flipped = (bytes: Uint8Array, at: number): Buffer => {
  const changed = Buffer.from(bytes)
  changed[at]! ^= 1
  return changed
}

const cases: readonly Case[] = [
  {
    name: 'an index nobody signed',
    code: 'SIGNATURE_MISSING',
    says: ['APKINDEX', 'hint:'],
    break: ({ files }) => void files.set(indexFile, buildIndex({ packages })),
  },
  {
    name: 'an index signed by an unknown key, which is named',
    code: 'KEY_UNKNOWN',
    says: [stranger.name, key.name, 'hint:'],
    break: ({ files }) => void files.set(indexFile, buildIndex({ packages, signers: [stranger] })),
  },
  {
    name: "an index signed by another under a trusted key's name",
    code: 'SIGNATURE_INVALID',
    says: [key.name, 'hint:'],
    break: ({ files }) =>
      void files.set(
        indexFile,
        buildIndex({ packages, signers: [{ ...stranger, name: key.name }] }),
      ),
  },
  {
    name: 'an index whose signature names a path',
    code: 'SIGNATURE_INVALID',
    says: ['no file name'],
    break: ({ files }) =>
      void files.set(indexFile, buildIndex({ packages, signers: [{ ...key, name: 'a/b' }] })),
  },
  {
    name: 'an index that ends early',
    code: 'ARCHIVE_INVALID',
    says: ['cut short', 'hint:'],
    break: ({ files }) => void files.set(indexFile, files.get(indexFile)!.subarray(0, -40)),
  },
  {
    name: 'an index of apk v3',
    code: 'ARCHIVE_INVALID',
    says: ['ADB', 'apk v3', 'hint:'],
    break: ({ files }) => void files.set(indexFile, Buffer.from(`ADBd${'\0'.repeat(100)}`)),
  },
  {
    name: 'a repository with an index of apk v3 alone',
    code: 'ARCHIVE_INVALID',
    says: ['Packages.adb', 'apk v3', 'hint:'],
    break: ({ files }) => {
      files.delete(indexFile)
      files.set('x86_64/Packages.adb', Buffer.from('ADBd'))
    },
  },
  {
    name: 'a repository that is not there',
    code: 'SUITE_NOT_FOUND',
    says: ['x86_64', 'hint:'],
    break: ({ files }) => void files.delete(indexFile),
  },
  {
    name: 'a mirror that is down',
    code: 'UNREACHABLE',
    says: ['127.0.0.1', 'hint:'],
    recipe: { repositories: ['http://127.0.0.1:9'] },
  },
  {
    name: 'an unknown package, with the nearest name',
    code: 'PACKAGE_NOT_FOUND',
    says: ['deno', /hint: .*\bdemo\b/],
    recipe: { packages: ['deno'] },
  },
  {
    name: 'a dependency whose version nobody has',
    code: 'UNSATISFIABLE',
    says: ['wants-newer', 'lib>=2', /lib 1\.0-r0/],
    recipe: { packages: ['wants-newer'] },
  },
  {
    name: 'a dependency nobody has',
    code: 'UNSATISFIABLE',
    says: ['wants-nothing', 'so:nowhere.so.1'],
    recipe: { packages: ['wants-nothing'] },
  },
  {
    name: 'packages that are at odds',
    code: 'UNSATISFIABLE',
    says: ['rude', 'lib'],
    recipe: { packages: ['demo', 'rude'] },
  },
  {
    name: 'a package that is not there',
    code: 'HTTP_STATUS',
    says: ['404', 'demo', 'hint:'],
    break: ({ files }) => void files.delete(demoFile),
  },
  {
    name: 'a package that is another than the index says',
    code: 'DIGEST_MISMATCH',
    says: ['demo 1.0-r0', 'Q1', 'hint:'],
    break: (server) => {
      replaced(twin(), demo)(server)
    },
  },
  {
    name: 'a package whose data were changed on their way',
    code: 'DIGEST_MISMATCH',
    says: ['demo 1.0-r0', 'hint:'],
    break: ({ files }) => {
      const { control, data } = apkParts(demo)
      files.set(demoFile, flipped(files.get(demoFile)!, control.length + (data.length >> 1)))
    },
  },
  {
    name: 'a package whose own datahash is wrong',
    code: 'DIGEST_MISMATCH',
    says: ['demo 1.0-r0', '.PKGINFO'],
    break: replaced({ ...demo, dataHash: 'ab'.repeat(32) }),
  },
  {
    name: 'a package with a file that is not what it says of it',
    code: 'DIGEST_MISMATCH',
    says: ['usr/share/demo', 'demo 1.0-r0'],
    break: replaced({
      ...demo,
      files: { 'usr/share/demo': { content: 'x', sha1: '0'.repeat(40) } },
    }),
  },
  {
    name: 'a package whose own signature is wrong',
    code: 'SIGNATURE_INVALID',
    says: ['demo 1.0-r0', key.name],
    break: replaced({ ...demo, signers: [{ ...key, signs: Buffer.from('other') }] }),
  },
  {
    name: 'a package that ends early',
    code: 'SIZE_MISMATCH',
    says: ['demo', 'hint:'],
    break: ({ files }) => void files.set(demoFile, files.get(demoFile)!.subarray(0, -9)),
  },
  {
    name: 'a package that breaks off, each time',
    code: 'TRANSFER_INCOMPLETE',
    says: ['demo', 'hint:'],
    break: (server) => server.always(demoFile, { kind: 'cut', after: 100 }),
  },
  {
    name: 'a package that is noise',
    code: 'ARCHIVE_INVALID',
    says: ['demo 1.0-r0', 'hint:'],
    break: ({ files }) => void files.set(demoFile, noise(files.get(demoFile)!.length)),
  },
  {
    name: 'a package that climbs out of the root',
    code: 'PATH_UNSAFE',
    says: ['../evil', 'demo 1.0-r0'],
    break: replaced({ ...demo, data: [{ name: '../evil', body: 'x' }] }),
  },
  {
    name: 'two packages with one file',
    code: 'FILE_CONFLICT',
    says: ['usr/lib/lib', 'demo', 'lib'],
    break: replaced({ ...demo, files: { 'usr/lib/lib': 'another' } }),
  },
]

const { available } = needs('linux')

// whoever comes first builds it, and that takes longer than any of these tests
beforeAll(async () => {
  if (available) await builtPlinth()
}, 120_000)

describe.skipIf(!available)(
  'a bad repository of apk is refused, clearly, and loses nothing',
  () => {
    test.concurrent.each(cases)('$name: $code', { timeout: 60_000 }, async (bad) => {
      await using here = await place()
      bad.break?.(here.server)
      const run = await here.build(bad.recipe)
      expect(run).toSatisfy((r: Run) => codeOf(r) === bad.code, run.stderr)
      expect(run.code).toBe(exitCodes[bad.code])
      expectClean(run, here.bench)
      expect(readdirSync(here.bench.home)).not.toContain('out.tar')
      for (const said of bad.says) expect(run.stderr).toMatch(said)

      // the same store serves the next run, once things are good again
      await here.server.stop()
      await using next = await startServer(buildApkRepository({ packages, signers: [key] }))
      expect(digestOf(await here.build({ repositories: [next.url] }))).toMatch(/^sha256:/)
      expect(await wrongBlobs(here.bench.store)).toEqual([])
    })
  },
)

describe.skipIf(!available)('what a repository of apk may do', () => {
  test.concurrent('be signed by several, one of them trusted', async () => {
    await using here = await place()
    here.server.files.set(indexFile, buildIndex({ packages, signers: [stranger, key] }))
    expect(digestOf(await here.build())).toMatch(/^sha256:/)
  })

  test.concurrent('have lines of more than 64 KB, and say odd things of a package', async () => {
    await using here = await place()
    const provides = Array.from({ length: 9000 }, (_, number) => `cmd:command-${number}=1.0-r0`)
    const long = { name: 'long', fields: { provides, pkgdesc: 'a = b # c; "d' } }
    const files = buildApkRepository({ packages: [...packages, long], signers: [key] })
    for (const [name, bytes] of files) here.server.files.set(name, bytes)
    const run = await here.build({ packages: ['demo', 'cmd:command-8999'] })
    expect(digestOf(run)).toMatch(/^sha256:/)
    const listed = await here.bench.plinth(['inspect', 'out.tar', '--packages'])
    expect(listed.stdout).toMatch(/^long +1\.0-r0 /m)
  })

  test.concurrent('have packages that need each other', async () => {
    await using here = await place()
    expect(digestOf(await here.build({ packages: ['ring-a'] }))).toMatch(/^sha256:/)
  })

  test.concurrent('be down, or wrong, when there is another', async () => {
    await using here = await place()
    await using wrong = await startServer(here.server.files)
    wrong.files.set(demoFile, noise(wrong.files.get(demoFile)!.length))
    const good = digestOf(await here.build())
    const uris = ['http://127.0.0.1:9', wrong.url, here.server.url]
    const other = path.join(here.bench.home, 'other-store')
    const again = await here.build({ repositories: [{ uris }] }, '--store', other)
    // etc/apk/repositories names another address
    expect(digestOf(again)).not.toBe(good)
  })

  test.concurrent('break off and ask for patience now and then', async () => {
    await using here = await place()
    here.server.fail(indexFile, { kind: 'status', status: 503 }, { kind: 'cut', after: 60 })
    here.server.fail(demoFile, { kind: 'cut', after: 50 }, { kind: 'status', status: 429 })
    const run = await here.build()
    expect(digestOf(run)).toMatch(/^sha256:/)
    expect(run.stderr).toContain('503')
  })

  test.concurrent('have moved on while a cache gives out its old index', async () => {
    await using here = await place()
    const old = [{ ...demo, version: '0.9-r0' }, lib]
    here.server.fail(indexFile, {
      kind: 'bytes',
      bytes: buildIndex({ packages: old, signers: [key] }),
    })
    expect(digestOf(await here.build())).toMatch(/^sha256:/)
    const asked = here.server.seen.filter((seen) => seen.path === indexFile)
    expect(asked.map(({ headers }) => headers['cache-control'])).toEqual([undefined, 'no-cache'])
    expect(here.server.seen.map((seen) => seen.path)).toContain('noarch/demo-0.9-r0.apk')
  })

  test.concurrent('stay as it was: nothing is made or fetched again', async () => {
    await using here = await place()
    const first = await here.build()
    here.server.seen.length = 0
    const second = await here.build()
    expect(digestOf(second)).toBe(digestOf(first))
    expect(here.server.seen.map((seen) => seen.path)).toEqual([indexFile])
    // made anew from what the store has of the packages
    here.server.seen.length = 0
    const third = await here.build({}, '--no-cache')
    expect(digestOf(third)).toBe(digestOf(first))
    expect(here.server.seen.map((seen) => seen.path)).toEqual([indexFile])
  })
})

describe.skipIf(!available)('a damaged store', () => {
  const damages = [
    {
      name: 'changed',
      damage: (file: string) => {
        const bytes = readFileSync(file)
        writeFileSync(file, flipped(bytes, bytes.length >> 1))
      },
    },
    {
      name: 'cut off',
      damage: (file: string) => writeFileSync(file, readFileSync(file).subarray(1)),
    },
    { name: 'gone', damage: (file: string) => rmSync(file) },
  ]
  test.concurrent.each(damages)(
    'every blob and record $name: had again',
    { timeout: 60_000 },
    async ({ damage }) => {
      await using here = await place()
      const before = digestOf(await here.build())
      for (const folder of ['blobs', 'cache']) {
        const below = path.join(here.bench.store, folder)
        for (const name of readdirSync(below, { recursive: true, encoding: 'utf8' })) {
          const file = path.join(below, name)
          if (statSync(file).isFile() && statSync(file).size > 0) damage(file)
        }
      }
      const after = await here.build()
      expect(digestOf(after), after.stderr).toBe(before)
      expect(await wrongBlobs(here.bench.store)).toEqual([])
    },
  )
})
