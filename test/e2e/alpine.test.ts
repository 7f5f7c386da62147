import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildApkRepository } from '../support/apk-repository.ts'
import { testSigner, type ApkSpec } from '../support/apk.ts'
import { bench, codeOf, digestOf, type Bench, type Run } from '../support/builds.ts'
import { acceptedByEveryEngine } from '../support/engines.ts'
import { needs } from '../support/needs.ts'
import { startServer, type FaultServer } from '../support/server.ts'

const { available } = needs('linux', 'root', 'user-namespaces', 'busybox', 'skopeo', 'umoci')

const key = testSigner('builder@example.org-5f00.rsa.pub')

/** What the official images are made of, as far as a test needs it. */
const base = (): readonly ApkSpec[] => [
  {
    name: 'alpine-baselayout',
    version: '3.6.5-r0',
    arch: 'x86_64',
    fields: { depend: ['alpine-baselayout-data=3.6.5-r0', '/bin/sh'] },
    files: {
      'etc/': {},
      'root/': { mode: 0o700 },
      'tmp/': { mode: 0o1777 },
      'var/empty/': { mode: 0o555 },
      'etc/profile.d/README': 'read me\n',
    },
  },
  {
    name: 'alpine-baselayout-data',
    version: '3.6.5-r0',
    arch: 'x86_64',
    files: {
      'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nmail:x:8:12:mail:/var/mail:/sbin/nologin\n',
      'etc/group': 'root:x:0:root\nmail:x:12:\nshadow:x:42:\n',
      'etc/shadow': { content: 'root:*::0:::::\n', mode: 0o640, gid: 42, group: 'shadow' },
    },
  },
  { name: 'alpine-keys', arch: 'x86_64', files: { [`etc/apk/keys/${key.name}`]: key.publicKey } },
  {
    name: 'alpine-release',
    version: '3.20.3-r0',
    arch: 'x86_64',
    files: {
      'etc/alpine-release': '3.20.3\n',
      'usr/lib/os-release': 'ID=alpine\nPRETTY_NAME="Alpine Linux of a test"\n',
    },
  },
  { name: 'apk-tools', arch: 'x86_64', files: { 'sbin/apk': { content: 'x', mode: 0o755 } } },
  {
    name: 'busybox',
    version: '1.36.1-r29',
    arch: 'x86_64',
    fields: { provides: ['/bin/sh', 'cmd:sh=1.36.1-r29'], provider_priority: '100' },
    scripts: { 'post-install': '#!/bin/sh\necho made >/etc/made-by-script\n' },
    files: {
      'bin/busybox': { content: readFileSync('/bin/busybox'), mode: 0o755 },
      'bin/sh': { symlink: '/bin/busybox' },
    },
  },
  { name: 'libc-utils', arch: 'x86_64', fields: { size: '0' } },
]

const further: readonly ApkSpec[] = [
  { name: 'hello', arch: 'noarch', files: { 'usr/bin/hello': { content: 'hi', mode: 0o755 } } },
  { name: 'hello-edge', arch: 'noarch', files: { 'usr/bin/hello-edge': 'hi' } },
]

describe.skipIf(!available)('plinth build alpine', { timeout: 60_000 }, () => {
  let server: FaultServer
  let here: Bench
  let keyFile: string
  beforeAll(async () => {
    const signers = [key]
    server = await startServer(
      buildApkRepository(
        { directory: 'v3.20/main', packages: base(), signers },
        { directory: 'v3.20/community', packages: further.slice(0, 1), signers },
        { directory: 'testing', packages: further.slice(1), signers },
      ),
    )
    here = await bench()
    keyFile = here.file(key.name, key.publicKey)
  }, 60_000)
  afterAll(async () => {
    await server?.stop()
    here?.[Symbol.dispose]()
  })

  const alpine = (command: 'build' | 'plan', ...args: readonly string[]): Promise<Run> => {
    const params = ['release=3.20', `mirror=${server.url}`, `keys=${keyFile}`]
    const given = params.flatMap((param) => ['-p', param])
    const platform = ['--platform', 'linux/amd64', '--progress', 'plain']
    return here.plinth([command, 'alpine', ...given, ...platform, ...args])
  }
  const outside = (name: string): string => path.join(here.home, name)

  test.each(['run', 'off'])(
    'with scripts %s makes an archive that skopeo and umoci take',
    async (scripts) => {
      const archive = outside(`alpine-${scripts}.tar`)
      const more = ['-p', `scripts=${scripts}`, '-p', 'include=hello', '-t', 'alpine:test']
      const run = await alpine('build', ...more, '-o', archive)
      const digest = digestOf(run)
      expect(run.left).toEqual([])
      const seen: Record<string, unknown> = {}
      const { manifest } = await acceptedByEveryEngine(archive, {
        onUnpacked: async (root) => {
          const at = (file: string): string => path.join(root, file)
          const shadow = statSync(at('etc/shadow'))
          Object.assign(seen, {
            shadow: [shadow.uid, shadow.gid, shadow.mode & 0o7777],
            tmp: statSync(at('tmp')).mode & 0o7777,
            hello: readFileSync(at('usr/bin/hello'), 'utf8'),
            world: readFileSync(at('etc/apk/world'), 'utf8').split('\n'),
            repositories: readFileSync(at('etc/apk/repositories'), 'utf8'),
            key: readFileSync(at(`etc/apk/keys/${key.name}`), 'utf8'),
            made: existsSync(at('etc/made-by-script')),
            installed: readFileSync(at('lib/apk/db/installed'), 'utf8').match(/^P:.*$/gm),
          })
        },
      })
      expect(manifest).toEqual({
        ociArchive: digest,
        ociArchiveCopy: digest,
        ociCopy: digest,
        umoci: digest,
      })
      const asked = [
        'alpine-baselayout',
        'alpine-keys',
        'alpine-release',
        'apk-tools',
        'busybox',
        'hello',
        'libc-utils',
      ]
      expect(seen).toEqual({
        shadow: [0, 42, 0o640],
        tmp: 0o1777,
        hello: 'hi',
        world: [...asked, ''],
        repositories: `${server.url}/v3.20/main\n${server.url}/v3.20/community\n`,
        key: key.publicKey,
        made: scripts === 'run',
        installed: [...asked, 'alpine-baselayout-data'].toSorted().map((name) => `P:${name}`),
      })

      const inspected = await here.plinth(['inspect', archive, '--packages'])
      expect(inspected.stdout).toMatch(/^system +Alpine Linux of a test$/m)
      expect(inspected.stdout).toMatch(/^packages +8, /m)
      expect(inspected.stdout).toMatch(/^busybox +1\.36\.1-r29 +x86_64 /m)

      // unchanged: nothing is made, nothing but the indexes asked for
      server.seen.length = 0
      const again = await alpine('build', ...more, '-o', outside('again.tar'))
      expect(digestOf(again)).toBe(digest)
      expect(server.seen.map((seen_) => path.basename(seen_.path))).toEqual(
        Array.from({ length: 2 }, () => 'APKINDEX.tar.gz'),
      )
      // made anew it is the same
      expect(digestOf(await alpine('build', ...more, '--no-cache'))).toBe(digest)
    },
  )

  test('plan tells the packages in order, with sizes and reasons', async () => {
    const run = await alpine('plan', '-p', 'include=hello')
    expect(run.code, run.stderr).toBe(0)
    expect(run.stdout).toMatch(/^ *\d+ +hello +1\.0-r0 +noarch .* asked for: hello$/m)
    expect(run.stdout).toMatch(/alpine-baselayout-data .* depends of alpine-baselayout: /)
    expect(run.stdout).toMatch(/^8 packages, .* to download, .* installed$/m)
  })

  test('takes a pinned repository, and a directory', async () => {
    const pinned = ['-p', `repositories=@testing ${server.url}/testing`]
    const run = await alpine('plan', ...pinned, '-p', 'include=hello-edge@testing', '--json')
    expect(run.code, run.stderr).toBe(0)
    expect(JSON.parse(run.stdout)).toMatchObject({
      distribution: 'apk',
      repositories: [
        `${server.url}/v3.20/main`,
        `${server.url}/v3.20/community`,
        `@testing ${server.url}/testing`,
      ],
      packages: expect.arrayContaining([
        expect.objectContaining({ name: 'hello-edge', tag: 'testing', source: 2 }),
      ]) as unknown,
    })
    expect(codeOf(await alpine('plan', ...pinned, '-p', 'include=hello-edge'))).toBe(
      'UNSATISFIABLE',
    )
  })

  test('wolfi is the same with its own packages, and says that it needs a key', async () => {
    const packages = [...base(), { name: 'wolfi-base', fields: { depend: 'busybox', size: '0' } }]
    await using wolfi = await startServer(
      buildApkRepository({ directory: 'os', packages, signers: [key] }),
    )
    const args = ['--platform', 'linux/amd64', '-p', `mirror=${wolfi.url}/os`]
    const without = await here.plinth(['plan', 'wolfi', ...args])
    expect(codeOf(without)).toBe('PARAM_INVALID')
    expect(without.stderr).toContain('wolfi-signing.rsa.pub')
    const given = [...args, '-p', `key=${keyFile}`, '-p', 'scripts=off']
    const run = await here.plinth(['build', 'wolfi', ...given, '-o', outside('wolfi.tar')])
    expect(digestOf(run)).toMatch(/^sha256:/)
    const { stdout } = await here.plinth(['inspect', outside('wolfi.tar'), '--json'])
    expect(stdout).toContain('"wolfi-base"')
  })
})
