import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostArch } from '../support/alpine.ts'
import { buildApkRepository, writeApkRepository } from '../support/apk-repository.ts'
import { testSigner, type ApkSpec } from '../support/apk.ts'
import { bench, digestOf, type Bench, type Run } from '../support/builds.ts'
import { acceptedByEveryEngine } from '../support/engines.ts'
import { localApkRecipe } from '../support/local-recipe.ts'
import { readMinirootfs } from '../support/minirootfs.ts'
import { needs } from '../support/needs.ts'
import { startServer, type FaultServer } from '../support/server.ts'

const { available } = needs('alpine', 'linux', 'root', 'user-namespaces', 'skopeo', 'umoci')

const key = testSigner('rebuilder@example.org-1.rsa.pub')

/** What Alpine 3.20.3 is asked for, and what apk makes of it. */
const packages = ['alpine-baselayout', 'alpine-keys', 'apk-tools', 'busybox', 'libc-utils']
const installed = [
  'alpine-baselayout-data',
  'musl',
  'busybox',
  'busybox-binsh',
  'alpine-baselayout',
  'alpine-keys',
  'ca-certificates-bundle',
  'libcrypto3',
  'libssl3',
  'ssl_client',
  'zlib',
  'apk-tools',
  'scanelf',
  'musl-utils',
]

/** A package to add in the finished image: with a script, a user of its own, and a trigger. */
const further: ApkSpec = {
  name: 'further',
  arch: 'noarch',
  fields: { depend: '/bin/sh', triggers: '/usr/share/further' },
  scripts: {
    'pre-install': '#!/bin/sh\naddgroup -S further\nadduser -S -G further further\n',
    trigger: '#!/bin/sh\necho "$@" >/usr/share/further/triggered\n',
  },
  files: { 'usr/share/further/file': { content: 'x', user: 'further', group: 'further' } },
}

describe.skipIf(!available)('Alpine 3.20.3, from its own packages', { timeout: 120_000 }, () => {
  let server: FaultServer
  let here: Bench
  let recipe: string
  beforeAll(async () => {
    const official = await readMinirootfs(hostArch!)
    const specs = official.packages.map(({ spec }) => spec)
    const files = buildApkRepository({ packages: specs, signers: [key], arch: hostArch! })
    server = await startServer(files)
    here = await bench()
    const spec = { repositories: [server.url], keys: [key], packages, scripts: 'run' } as const
    recipe = here.file('real.ts', localApkRecipe(spec))
    const more = buildApkRepository({ packages: [further], signers: [key], arch: hostArch! })
    writeApkRepository(more, path.join(here.home, 'more'))
  }, 120_000)
  afterAll(async () => {
    await server?.stop()
    here?.[Symbol.dispose]()
  })

  const plinth = (command: string, ...args: readonly string[]): Promise<Run> =>
    here.plinth([command, recipe, '--progress', 'plain', ...args])

  test('is planned as apk installs it', async () => {
    const run = await plinth('plan', '--json')
    expect(run.code, run.stderr).toBe(0)
    const plan = JSON.parse(run.stdout) as { packages: { name: string }[]; world: string[] }
    expect(plan.packages.map(({ name }) => name)).toEqual(installed)
    expect(plan.world).toEqual(packages)
  })

  test('is an image in which the real apk works', async () => {
    const archive = path.join(here.home, 'real.tar')
    const digest = digestOf(await plinth('build', '-t', 'alpine:real', '-o', archive))
    let said: unknown
    const verdicts = await acceptedByEveryEngine(archive, {
      onUnpacked: async (root) => {
        cpSync(path.join(here.home, 'more'), path.join(root, 'more'), { recursive: true })
        // the image names a server that is gone when it runs
        writeFileSync(path.join(root, 'etc/apk/repositories'), '/more\n')
        const inside = (...argv: readonly [string, ...string[]]) => {
          const options = {
            encoding: 'utf8',
            env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
          } as const
          const { status, stdout, stderr } = spawnSync('chroot', [root, ...argv], options)
          return `${status}\n${stdout}${stderr}`
        }
        said = {
          shell: inside('/bin/sh', '-c', 'echo hello | tr a-z A-Z'),
          info: inside('apk', 'info', '-v').split('\n').length - 2,
          audit: inside('apk', 'audit', '--system'),
          add: inside('apk', 'add', 'further').split('\n')[0],
          owner: inside('stat', '-c', '%U:%G', '/usr/share/further/file'),
          triggered: readFileSync(path.join(root, 'usr/share/further/triggered'), 'utf8'),
          upgrade: inside('apk', 'upgrade').split('\n')[0],
          del: inside('apk', 'del', 'further').split('\n')[0],
          left: inside('apk', 'info', '-e', 'further').split('\n')[0],
        }
      },
    })
    expect(verdicts.manifest.umoci).toBe(digest)
    expect(said).toEqual({
      shell: '0\nHELLO\n',
      info: installed.length,
      audit: '0\n',
      add: '0',
      owner: '0\nfurther:further\n',
      triggered: '/usr/share/further\n',
      upgrade: '0',
      del: '0',
      left: '1',
    })
  })

  test('is the same however often it is made, and from an empty store', async () => {
    const first = digestOf(await plinth('build'))
    expect(digestOf(await plinth('build', '--no-cache'))).toBe(first)
    const elsewhere = path.join(here.home, 'elsewhere')
    expect(digestOf(await plinth('build', '--store', elsewhere))).toBe(first)
  })
})
