import { describe, expect, test } from 'vitest'
import { withFixedDays } from '../../../src/distro/apk/cleanup.ts'
import type { Executor } from '../../../src/ports.ts'
import { epoch, installWithPlinth, type SystemSpec } from '../../support/apk-systems.ts'
import { codeOf } from '../../support/streams.ts'

/** An executor that must not be used. */
const nothing: Executor = {
  name: 'nothing',
  open() {
    throw new Error('something is to run')
  },
}
const install = async (spec: SystemSpec) =>
  installWithPlinth({ arch: 'x86_64', ...spec }, { executor: nothing })
const lines = async (spec: SystemSpec) => (await install(spec)).listing.tree

describe('installApks() without scripts', () => {
  test('makes a system of nothing', async () => {
    const { listing, text } = await install({ packages: [] })
    expect(Object.keys(listing.tree).toSorted()).toEqual([
      'dev',
      'etc',
      'etc/apk',
      'etc/apk/arch',
      'etc/apk/world',
      'lib',
      'lib/apk',
      'lib/apk/db',
      'lib/apk/db/installed',
      'lib/apk/db/lock',
      'lib/apk/db/scripts.tar',
      'lib/apk/db/triggers',
      'proc',
      'tmp',
      'var',
      'var/cache',
      'var/cache/apk',
      'var/cache/misc',
    ])
    expect(text('etc/apk/world')).toBe('\n')
    expect(listing.tree['lib/apk/db/lock']).toMatch(/^file 600 0:0 /)
  })

  test('follows links that take the place of its own directories from the start (merged /usr)', async () => {
    const merged = { lib: { symlink: 'usr/lib' }, bin: { symlink: 'usr/bin' } }
    const tree = await lines({
      packages: [
        { name: 'early', files: { 'lib/early.so': 'e', 'usr/lib/other.so': 'o' } },
        { name: 'layout', files: { 'usr/bin/': {}, 'usr/lib/': {}, ...merged } },
        { name: 'tool', files: { 'bin/tool': 't' } },
      ],
    })
    expect(tree['lib']).toBe('symlink 0:0 -> usr/lib')
    expect(Object.keys(tree).filter((path) => /^(lib|bin)\//.test(path))).toEqual([])
    for (const path of [
      'usr/lib/early.so',
      'usr/lib/other.so',
      'usr/lib/apk/db/installed',
      'usr/bin/tool',
    ])
      expect(tree[path]).toMatch(/^file /)
  })

  test('the database has the names packages give, wherever files stand', async () => {
    const { text } = await install({
      packages: [
        { name: 'a', files: { 'usr/sbin/': {}, sbin: { symlink: 'usr/sbin' } } },
        { name: 'b', files: { 'sbin/tool': 't' } },
      ],
    })
    expect(text('lib/apk/db/installed')).toMatch(/P:b\n[^]*F:sbin\nR:tool\n/)
  })

  test('makes the links that busybox lists, where nothing else is', async () => {
    const tree = await lines({
      packages: [
        {
          name: 'busybox',
          files: {
            'bin/busybox': 'b',
            'usr/bin/own': 'o',
            'etc/busybox-paths.d/busybox':
              'bin/ls\nusr/bin/own\nusr/bin/[\nno/such/place\n../../up\n',
            'etc/busybox-paths.d/busybox-extras': 'bin/ls\nusr/bin/telnet\n',
            'bin/busybox-extras': 'e',
            'etc/busybox-paths.d/busybox-gone': 'usr/bin/gone\n',
          },
        },
      ],
    })
    const links = Object.entries(tree).filter(([, line]) => line.startsWith('symlink'))
    expect(Object.fromEntries(links)).toEqual({
      'bin/ls': 'symlink 0:0 -> /bin/busybox',
      'usr/bin/[': 'symlink 0:0 -> /bin/busybox',
      'usr/bin/telnet': 'symlink 0:0 -> /bin/busybox-extras',
    })
  })

  test('says when it cannot know the links to busybox', async () => {
    const { events } = await install({
      packages: [{ name: 'busybox', files: { 'bin/busybox': 'b' } }],
    })
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'warning', code: 'BUSYBOX_LINKS' }),
    )
  })

  test('leaves out what an image does not hold, but nothing a package has for temporary things', async () => {
    const tree = await lines({
      packages: [
        { name: 'a', files: { 'dev/shm/': {}, 'run/lock/': {}, 'var/tmp/x': 'x', 'sys/y/': {} } },
      ],
    })
    expect(Object.keys(tree).filter((path) => /^(dev|run|var\/tmp|sys)\//.test(path))).toEqual([
      'run/lock',
      'var/tmp/x',
    ])
  })

  test.each([['=1'], ['a=one'], ['']])('refuses %j in the world', async (line) => {
    expect(await codeOf(install({ packages: [], world: [line] }))).toBe('USAGE')
  })

  test('tells how far it is, also that it failed', async () => {
    const packages = [
      { name: 'a', files: { x: 'a' } },
      { name: 'b', files: { y: 'b' } },
    ]
    const { events } = await install({ packages })
    expect(events.map((event) => ('detail' in event ? event.detail : event.type))).toEqual([
      'step-started',
      'a',
      'b',
      expect.stringMatching(/^2 packages, \d+ paths$/),
    ])
  })
})

test('withFixedDays() gives accounts that scripts made the day of the image', () => {
  const before = 'root:!:19000:0:::::\nold:!::0:::::\n'
  const after = `${before}new:!:20778:0:99999:7:::\nodd:line\n`
  expect(withFixedDays(before, after, epoch)).toBe(`${before}new:!:20833:0:99999:7:::\nodd:line\n`)
  expect(withFixedDays(before, before, epoch)).toBe(before)
})
