import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ubuntuSources } from '../../src/distro/deb/presets.ts'
import { readTar } from '../../src/archive/tar-read.ts'
import { bench, codeOf, digestOf, type Bench, type Run } from '../support/builds.ts'
import { startFrozenMirror, type FrozenMirror } from '../support/frozen-mirror.ts'
import { makeKey, type TestKey } from '../support/keys.ts'
import { needs } from '../support/needs.ts'
import { asZstd } from '../support/recompress.ts'
import { buildRepository, type PublishedDeb, type SuiteSpec } from '../support/repository.ts'
import { startServer, type FaultServer } from '../support/server.ts'

const { available } = needs(
  'linux',
  'root',
  'user-namespaces',
  'apt-mirror',
  'dpkg-deb',
  'xz',
  'zstd',
)

/** What every pocket of Ubuntu has in common: no `all` among its architectures, by-hash, zstd packages. */
const pocket = {
  suite: 'noble',
  architectures: ['amd64', 'arm64'],
  forms: ['', '.gz', '.xz'],
  byHash: true,
  fields: {
    Origin: 'Ubuntu',
    Label: 'Ubuntu',
    Architectures: 'amd64 arm64 armhf i386 ppc64el riscv64 s390x',
    'No-Support-for-Architecture-all': '',
  },
} as const satisfies Partial<SuiteSpec>

/** A package as Ubuntu's archive has them. */
const ubuntuDeb = (
  name: string,
  version: string,
  more: Partial<PublishedDeb> = {},
): PublishedDeb => ({
  name,
  version,
  compression: 'zstd',
  ...more,
  fields: { Priority: 'optional', ...more.fields },
})

/**
 * An archive laid out as Ubuntu's: the usual mirror has amd64, security its own host, and everything else
 * is on the ports mirror, though each Release lists all architectures.
 */
async function publishUbuntu(
  server: FaultServer,
  key: TestKey,
  essential: readonly PublishedDeb[],
): Promise<void> {
  const required = (architecture: string) => [
    ubuntuDeb('base-files', '13ubuntu10', { architecture, fields: { Essential: 'yes' } }),
    ubuntuDeb('libc6', '2.39-0ubuntu8', { architecture, fields: { Priority: 'required' } }),
  ]
  const pockets = (main: readonly PublishedDeb[], architecture: string): SuiteSpec[] =>
    [
      { codename: 'noble', universe: [ubuntuDeb('hello', '1-1')], main },
      {
        codename: 'noble-updates',
        main: [],
        // phasing is for machines that upgrade; a new image takes the update
        universe: [
          ubuntuDeb('hello', '1-1ubuntu0.2', { fields: { 'Phased-Update-Percentage': '0' } }),
        ],
      },
      {
        codename: 'noble-security',
        main: [],
        universe: [ubuntuDeb('hello', '1-1ubuntu0.1'), ubuntuDeb('fixed', '3', { architecture })],
      },
    ].map(({ codename, main: inMain, universe }) => ({
      ...pocket,
      suite: codename,
      codename: 'noble',
      directory: codename,
      keys: [key],
      components: { main: inMain, universe },
    }))
  const add = async (prefix: string, architecture: string, suites: SuiteSpec[]): Promise<void> => {
    for (const [name, bytes] of await buildRepository(...suites)) {
      const other = /\/binary-(\w+)\//.exec(name)?.[1] ?? architecture
      if (other === architecture) server.files.set(`${prefix}/${name}`, bytes)
    }
  }
  const amd64 = essential.length > 0 ? essential : required('amd64')
  await add('ubuntu', 'amd64', pockets(amd64, 'amd64'))
  await add('ubuntu-ports', 'arm64', pockets(required('arm64'), 'arm64'))
}

describe.skipIf(!available)('Ubuntu, on an archive laid out as its own', () => {
  let key: TestKey
  let server: FaultServer
  let here: Bench
  let frozen: FrozenMirror

  beforeAll(async () => {
    key = await makeKey()
    server = await startServer()
    frozen = await startFrozenMirror()
    // the server as everyone's proxy: it answers for every mirror's name
    here = await bench({ ...frozen.env, http_proxy: server.url })
    await publishUbuntu(server, key, [])
  })
  afterAll(async () => {
    await server?.stop()
    await frozen?.[Symbol.asyncDispose]()
    here?.[Symbol.dispose]()
  })

  const recipe = (variant: string, include: readonly string[] = []): string =>
    here.file(
      `${variant}.ts`,
      `import { cmd, deb, defineRecipe } from 'plinth'
export default defineRecipe({
  name: 'local-ubuntu',
  rootfs: deb({
    distro: 'ubuntu',
    suite: 'noble',
    variant: ${JSON.stringify(variant)},
    include: ${JSON.stringify(include)},
    keys: [${JSON.stringify(key.armored)}],
  }),
  instructions: [cmd(['/bin/bash'])],
})
`,
    )

  test.each(['amd64', 'arm64'])('is planned for %s', async (architecture) => {
    const sources = await ubuntuSources({ suite: 'noble', architecture })
    const uris = sources.flatMap((source) =>
      source.uris.map((uri) => uri.replace(/^http:\/\//, '')),
    )
    const hosts = [...new Set(uris)].toSorted()
    // all but the first architectures come from elsewhere, security included
    expect(hosts.map((host) => host.split('.')[0])).toEqual(
      architecture === 'amd64' ? ['archive', 'security'] : ['ports'],
    )
    server.seen.length = 0
    const platform = ['--platform', `linux/${architecture}`]
    const run = await here.plinth([
      'plan',
      recipe('minbase', ['hello', 'fixed']),
      ...platform,
      '--json',
    ])
    expect(run.code, run.stderr).toBe(0)
    expect(packagesOf(run)).toEqual([
      `base-files 13ubuntu10 ${architecture} noble`,
      `fixed 3 ${architecture} noble-security`,
      'hello 1-1ubuntu0.2 all noble-updates',
      `libc6 2.39-0ubuntu8 ${architecture} noble`,
    ])
    const asked = server.seen.map(({ path: url }) => /^http:\/\/([^/]+\/[^/]+)/.exec(url)?.[1])
    expect([...new Set(asked)].toSorted()).toEqual(hosts)
    expect(server.seen.some(({ path: url }) => url.includes('/by-hash/SHA256/'))).toBe(true)
  })

  test('trusts Ubuntu’s own key and no other, unless the recipe says so', async () => {
    const run = await here.plinth(['plan', 'ubuntu', '--progress', 'plain'])
    expect(codeOf(run)).toBe('KEY_UNKNOWN')
  })

  test(
    'is built from zstd packages: the tree that Debian’s own xz packages give',
    { timeout: 180_000 },
    async () => {
      const env = { SOURCE_DATE_EPOCH: '1750000000' }
      const debian = ['debian', '-p', 'variant=essential']
      const plan = await here.plinth(['plan', ...debian, '--json'], {
        env: { ...env, ...frozen.env },
      })
      const built = await here.plinth(['build', ...debian, '-o', 'type=rootfs,dest=debian.tar'], {
        env: { ...env, ...frozen.env },
      })
      digestOf(built)
      const { packages } = JSON.parse(plan.stdout) as {
        packages: { name: string; digest: string }[]
      }
      const debs = packages
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ digest }) => asZstd(path.join(here.store, 'blobs', 'sha256', digest.slice(7))))
      await publishUbuntu(server, key, debs)

      const out = [
        '-o',
        'type=rootfs,dest=ubuntu.tar',
        '-o',
        'ubuntu-image.tar',
        '-t',
        'ubuntu:noble',
      ]
      const run = await here.plinth(['build', recipe('essential'), ...out, '--progress', 'plain'], {
        env,
      })
      expect(digestOf(run), run.stderr).toMatch(/^sha256:/)
      const tree = (name: string) => listing(path.join(here.home, name))
      expect(await tree('ubuntu.tar')).toEqual(await tree('debian.tar'))
      const inspected = await here.plinth(['inspect', 'ubuntu-image.tar', '--packages'])
      expect(inspected.stdout).toMatch(/\bdpkg\b/)
    },
  )
})

/** Every entry of a tar with all there is to say of it; but for apt's sources, which cannot be the same. */
async function listing(file: string): Promise<Record<string, string>> {
  const entries: Record<string, string> = {}
  for await (const member of readTar(createReadStream(file), file)) {
    const hash = createHash('sha256')
    for await (const chunk of member.body()) hash.update(chunk)
    if (/^etc\/apt\/(sources\.list\.d|keyrings)\/?/.test(member.name)) continue
    const { type, mode, uid, gid, mtime, linkname } = member
    entries[member.name] = [type, mode, uid, gid, mtime, linkname, hash.digest('hex')].join(' ')
  }
  return entries
}

/** `name version architecture suite`, sorted. */
function packagesOf({ stdout }: Run): string[] {
  const plan = JSON.parse(stdout) as {
    packages: { name: string; version: string; architecture: string; source: number }[]
    sources: { suite: string }[]
  }
  return plan.packages
    .map((one) =>
      [one.name, one.version, one.architecture, plan.sources[one.source]?.suite].join(' '),
    )
    .toSorted()
}
