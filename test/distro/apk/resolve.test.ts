import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { readApkKeys } from '../../../src/apk/signature.ts'
import { alpineKeys, alpinePackages, wolfiRepositories } from '../../../src/distro/apk/presets.ts'
import { repositoryLine, resolveApk } from '../../../src/distro/apk/resolve.ts'
import { apk } from '../../../src/recipe/apk-rootfs.ts'
import { alpineKeys as realKeys } from '../../support/alpine.ts'
import { testSigner } from '../../support/apk.ts'
import { needs } from '../../support/needs.ts'
import { scratchDirectory } from '../../support/scratch.ts'

const alice = testSigner('alice.rsa.pub')
const bob = testSigner('bob.rsa.pub')

describe('resolveApk()', () => {
  test('Alpine: its repositories, its keys and what its images are made of', async () => {
    const resolved = await resolveApk(apk({ release: '3.22', include: ['curl'] }), 'x86_64')
    expect(resolved.release).toBe('alpine v3.22')
    expect(resolved.repositories.flatMap(({ uris }) => uris)).toEqual([
      expect.stringMatching(/^https:\/\/[^/]+\/alpine\/v3\.22\/main$/),
      expect.stringMatching(/^https:\/\/[^/]+\/alpine\/v3\.22\/community$/),
    ])
    expect(resolved.request).toEqual([...alpinePackages('v3.22'), 'curl'])
    expect(resolved.keys).toEqual(await alpineKeys('x86_64'))
  })

  test('other mirrors, components, packages and repositories', async () => {
    const rootfs = apk({
      release: 'edge',
      mirror: ['http://one.example/alpine/', 'http://two.example'],
      components: ['main'],
      packages: ['busybox'],
      repositories: ['@local http://three.example/x'],
    })
    expect(await resolveApk(rootfs, 'x86_64')).toMatchObject({
      repositories: [
        { uris: ['http://one.example/alpine/edge/main', 'http://two.example/edge/main'] },
        { uris: ['http://three.example/x'], tag: 'local' },
      ],
      request: ['busybox'],
    })
  })

  test('Wolfi: its repository, and the keys that are given', async () => {
    const keys = [{ name: 'wolfi.rsa.pub', pem: alice.publicKey }] as const
    expect(await resolveApk(apk({ distro: 'wolfi', keys: [...keys] }), 'aarch64')).toEqual({
      release: 'wolfi',
      repositories: wolfiRepositories([]),
      request: ['wolfi-base'],
      keys: { 'wolfi.rsa.pub': alice.publicKey },
    })
  })

  const withKeys = (...keys: Parameters<typeof resolveApk>[0]['keys']) =>
    resolveApk({ ...apk({ release: '3.22' }), keys }, 'x86_64')

  test('keys are named by their file, and stand beside those of the distribution', async () => {
    const file = path.join(scratchDirectory(), 'bob@example.org-1234.rsa.pub')
    writeFileSync(file, bob.publicKey)
    const { keys } = await withKeys(pathToFileURL(file), {
      name: 'a.rsa.pub',
      pem: alice.publicKey,
    })
    expect(keys).toEqual({
      ...(await alpineKeys('x86_64')),
      'bob@example.org-1234.rsa.pub': bob.publicKey,
      'a.rsa.pub': alice.publicKey,
    })
    expect(Object.keys(keys)).toEqual(Object.keys(keys).toSorted())
  })

  test('refuses two keys of one name, and a file that cannot be read', async () => {
    const same = { name: 'x.rsa.pub', pem: alice.publicKey }
    await expect(withKeys(same, same)).resolves.toBeDefined()
    await expect(withKeys(same, { ...same, pem: bob.publicKey })).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
    })
    await expect(withKeys(new URL('file:///nowhere/x.rsa.pub'))).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
    })
  })
})

test('repositoryLine() gives the first address that means something elsewhere, and no password', () => {
  const local = 'file:///srv/x'
  expect(repositoryLine({ uris: [local] })).toEqual([])
  expect(repositoryLine({ uris: [local, 'https://user:secret@a.example/x', 'http://b'] })).toEqual([
    'https://a.example/x',
  ])
  expect(repositoryLine({ uris: ['http://b.example'], tag: 'edge' })).toEqual([
    '@edge http://b.example',
  ])
})

describe("Alpine's bundled keys", () => {
  const all = ['aarch64', 'armhf', 'armv7', 'ppc64le', 'riscv64', 's390x', 'x86', 'x86_64']
  test.each(all)('%s has some, and they are keys', async (architecture) => {
    const keys = await alpineKeys(architecture)
    expect(readApkKeys(keys).size).toBeGreaterThan(1)
  })

  test('of an architecture without some it is said so', async () => {
    await expect(alpineKeys('loongarch64')).rejects.toMatchObject({ code: 'KEY_UNKNOWN' })
  })

  test('are part of the published package', () => {
    const root = fileURLToPath(new URL('../../../', import.meta.url))
    const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }]
    const keys = files.filter((file) => file.path.startsWith('recipes/keys/alpine/'))
    expect(keys).toHaveLength(18)
  })

  test.skipIf(!needs('alpine').available)('are those that Alpine has itself', async () => {
    const real = await realKeys()
    for (const architecture of all) expect(real).toMatchObject(await alpineKeys(architecture))
  })
})

test.each([
  { release: 'v3.16', has: false },
  { release: 'v3.17', has: true },
  { release: 'v4.0', has: true },
  { release: 'edge', has: true },
  { release: 'latest-stable', has: true },
])('alpinePackages() of $release', ({ release, has }) => {
  expect(alpinePackages(release).includes('alpine-release')).toBe(has)
})
