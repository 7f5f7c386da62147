import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { alpineRepositories } from '../../../src/distro/apk/presets.ts'
import type { Executor } from '../../../src/ports.ts'
import { hostArch, realApk, type AlpineArch } from '../../support/alpine.ts'
import { buildApk, type ApkSpec } from '../../support/apk.ts'
import {
  comparable,
  epoch,
  installWithApk,
  installWithPlinth,
  listTree,
  ownFiles,
  recordOf,
  signer,
  type Listing,
  type SystemSpec,
} from '../../support/apk-systems.ts'
import { readMinirootfs, type Minirootfs } from '../../support/minirootfs.ts'
import { needs } from '../../support/needs.ts'
import { scratchDirectory, scratchStore } from '../../support/scratch.ts'

/** What the official one is made from, in the order apk installs it. */
const order = [
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
const world = ['libc-utils', 'busybox', 'apk-tools', 'alpine-keys', 'alpine-baselayout']
const repositories = alpineRepositories({
  release: 'v3.20',
  components: ['main', 'community'],
  mirrors: [],
}).flatMap(({ uris }) => uris)

/** An executor that must not be used. */
const nothing: Executor = {
  name: 'nothing',
  open() {
    throw new Error('something is to run')
  },
}

function systemOf(official: Minirootfs, arch: AlpineArch): SystemSpec {
  const packages = order.map(
    (name) => official.packages.find(({ installed }) => installed.name === name)!.spec,
  )
  expect(packages.length).toBe(official.packages.length)
  return { packages, world, repositories, arch }
}

/** Official files in which the packages' own identities and sizes stand, with those of the rebuilt ones. */
function rebuilt(official: Minirootfs, text: string): string {
  let changed = text
  for (const { spec, installed } of official.packages) {
    const record = recordOf(spec)
    changed = changed
      .replaceAll(installed.identity, record.checksum)
      .replace(
        new RegExp(`(?<=^P:${installed.name}\nV:.*\nA:.*\nS:)${installed.size}$`, 'm'),
        String(record.size),
      )
  }
  return changed
}

/** Paths that are not the same, and why. Nothing else may differ. */
const exceptions: readonly { readonly path: RegExp; readonly reason: string }[] = [
  {
    path: /^etc\/(alpine-release|issue|os-release|secfixes\.d(\/alpine)?)$/,
    reason: 'of package alpine-release, copied in without being installed',
  },
  { path: /^etc\/shadow$/, reason: "root's password is locked in the finished official tree" },
  { path: /^lib\/apk\/db\/scripts\.tar$/, reason: 'names hold identities: compared by content' },
  {
    path: /^lib\/apk\/db\/(installed|triggers)$/,
    reason: 'identities and sizes are those of the rebuilt packages: compared as text',
  },
]

/** Lines that differ, `official | plinth`; times only of what packages bring. */
function differences(official: Listing, own: Listing): Record<string, string> {
  const found: Record<string, string> = {}
  for (const path of new Set([...Object.keys(official.tree), ...Object.keys(own.tree)])) {
    if (exceptions.some((one) => one.path.test(path))) continue
    const [left, right] = [official, own].map(({ tree }) => timeless(path, tree[path] ?? 'nothing'))
    if (left !== right) found[path] = `${left} | ${right}`
  }
  return found
}

function timeless(path: string, line: string): string {
  const written =
    ownFiles.includes(path) || /^(etc\/apk\/repositories|lib\/apk\/db\/lock)$/.test(path)
  return written ? line.replace(/ \d+ (?=[0-9a-f]{40}$)/, ' ') : line
}

describe.skipIf(!needs('alpine').available)('the official minirootfs, its packages rebuilt', () => {
  const officials = new Map<AlpineArch, Minirootfs>()
  beforeAll(async () => {
    for (const arch of ['x86_64', 'aarch64'] as const)
      officials.set(arch, await readMinirootfs(arch))
  })

  test.each(['x86_64', 'aarch64'] as const)(
    'is what plinth makes without scripts (%s)',
    async (arch) => {
      const official = officials.get(arch)!
      const { listing } = await installWithPlinth(systemOf(official, arch), { executor: nothing })
      const expected = await listTree(official.tree, await scratchStore())
      expect(differences(expected, listing)).toEqual({})
      for (const name of ['installed', 'triggers', 'scripts.tar']) {
        const path = `lib/apk/db/${name}`
        const text = rebuilt(official, expected.texts[path]!)
        // a header's checksum follows from the name in it
        const plain = (one: string) => one.replaceAll(/[0-7]{6}\0 (?=0\0{100})/g, '')
        expect(plain(listing.texts[path]!)).toBe(plain(text))
      }
      // what is left out of the comparison is there
      for (const { path } of exceptions)
        expect(Object.keys(expected.tree).some((one) => path.test(one))).toBe(true)
    },
  )

  test.skipIf(!needs('alpine', 'root', 'unshare').available).each(['run', 'off'] as const)(
    'is installed as the real apk does it, scripts: %s',
    async (scripts) => {
      const system = { ...systemOf(officials.get(hostArch!)!, hostArch!), scripts }
      const own = await installWithPlinth(system)
      const real = await installWithApk(system)
      expect(real.output).toMatch(/OK: \d+ MiB in 14 packages/)
      expect(real.status).toBe(0)
      expect(own.listing.texts).toEqual(real.listing.texts)
      const left = { ...comparable(own.listing) }
      const right = { ...comparable(real.listing) }
      if (scripts === 'run') {
        // accounts that scripts made: the day is the image's, and not today
        expect(left['etc/shadow']!.replace(/ \S+$/, '')).toBe(
          right['etc/shadow']!.replace(/ \S+$/, ''),
        )
        const lines = own.text('etc/shadow').replace(`:${Math.floor(epoch / 86_400)}:`, ':day:')
        expect(lines).toBe(real.text('etc/shadow').replace(/(?<=klogd:!):\d+:/, ':day:'))
        delete left['etc/shadow']
        delete right['etc/shadow']
      } else {
        // apk alone makes none
        const links = own.text('etc/busybox-paths.d/busybox').trim().split('\n')
        for (const path of links) right[path] ??= 'symlink 0:0 -> /bin/busybox'
        expect(links.length).toBe(304)
      }
      expect(left).toEqual(right)
    },
  )

  test.skipIf(!needs('alpine', 'root', 'unshare').available).each(['run', 'off'] as const)(
    'goes on with the real apk, scripts: %s',
    async (scripts) => {
      const system = { ...systemOf(officials.get(hostArch!)!, hostArch!), scripts }
      const own = await installWithPlinth(system)
      const root = scratchDirectory()
      await own.extract(root)
      const apk = await realApk([signer])
      const on = (...argv: readonly string[]) =>
        apk.isolated('--repositories-file', '/dev/null', '--no-network', '--root', root, ...argv)
      expect(on('info', '-v').output.trim().split('\n').length).toBe(14)
      // apk says nothing of links that busybox made
      expect(on('audit', '--system')).toEqual({ status: 0, output: '' })
      const more: ApkSpec = {
        name: 'more',
        files: { 'usr/bin/more-of-it': { content: '#!/bin/sh\n', mode: 0o755 } },
        scripts: { 'post-install': '#!/bin/sh\necho installed >/post-install\n' },
        signers: [signer],
      }
      const added = on('add', apk.keep('more-1.0-r0.apk', buildApk(more)))
      expect(added.output).toContain('Executing busybox-1.36.1-r29.trigger')
      expect(added.status, added.output).toBe(0)
      expect(readFileSync(join(root, 'post-install'), 'utf8')).toBe('installed\n')
      expect(readFileSync(join(root, 'etc/apk/world'), 'utf8')).toContain('\nmore><Q1')
      expect(on('fix').status).toBe(0)
      expect(on('del', 'more')).toMatchObject({ status: 0 })
      const database = readFileSync(join(root, 'lib/apk/db/installed'), 'latin1')
      expect(database).toBe(own.text('lib/apk/db/installed'))
    },
  )
})
