import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildDeb, type DebSpec } from '../support/deb.ts'
import { unpackWithDpkg, unpackWithPlinth } from '../support/dpkg.ts'
import { needs } from '../support/needs.ts'
import { scratchDirectory, scratchStore } from '../support/scratch.ts'
import { codeOf } from '../support/streams.ts'

const same = { architecture: 'amd64', fields: { 'Multi-Arch': 'same' } }
/** Packages in the order they are unpacked; dpkg and plinth must agree on the outcome. */
const scenarios: readonly { name: string; debs: readonly DebSpec[]; code?: string }[] = [
  {
    name: 'every kind of entry',
    debs: [
      {
        files: {
          'etc/demo.conf': 'a=1\n',
          'usr/bin/demo': { content: '#!/bin/sh\n', mode: 0o755 },
          'usr/bin/su': { content: 'x', mode: 0o4755 },
          'usr/bin/wall': { content: 'x', mode: 0o2755, gid: 5 },
          'usr/bin/alias': { symlink: 'demo' },
          'usr/bin/hard': { hardlink: 'usr/bin/demo', mode: 0o755 },
          'usr/share/ünï/日本': 'name',
          [`usr/share/${'n'.repeat(150)}/${'m'.repeat(200)}`]: 'long',
          'var/spool/demo/': { mode: 0o2775, gid: 8 },
          'var/spool/demo/owned': { content: 'x', uid: 7, gid: 12, mode: 0o640 },
        },
      },
    ],
  },
  {
    name: 'shared directories keep what the first said',
    debs: [
      { name: 'a', files: { 'd/': { mode: 0o700, uid: 3 }, 'd/a': 'a' } },
      { name: 'b', files: { 'd/': { mode: 0o755 }, 'd/b': 'b' } },
    ],
  },
  {
    name: 'a directory that is a symbolic link of another package',
    debs: [
      { name: 'a', files: { 'usr/lib/': {}, lib: { symlink: 'usr/lib' } } },
      { name: 'b', files: { 'lib/': {}, 'lib/libb.so': 'b', 'lib/sub/deep': 'deep' } },
    ],
  },
  {
    name: 'a hard link through a directory that is a link',
    debs: [
      { name: 'a', files: { 'usr/lib/': {}, lib: { symlink: 'usr/lib' } } },
      { name: 'b', files: { 'lib/one': '1', 'lib/two': { hardlink: 'lib/one' } } },
    ],
  },
  {
    name: 'a hard link to a hard link',
    debs: [{ files: { one: '1', two: { hardlink: 'one' }, three: { hardlink: 'two' } } }],
  },
  {
    name: 'the same file twice',
    debs: [
      { name: 'a', files: { f: '1' } },
      { name: 'b', files: { f: '1' } },
    ],
    code: 'FILE_CONFLICT',
  },
  {
    name: 'the same link twice',
    debs: [
      { name: 'a', files: { l: { symlink: 'x' } } },
      { name: 'b', files: { l: { symlink: 'x' } } },
    ],
    code: 'FILE_CONFLICT',
  },
  {
    name: 'the same link to a directory twice',
    debs: [
      { name: 'a', files: { 'd/f': '1', l: { symlink: 'd' } } },
      { name: 'b', files: { 'd/g': '1', l: { symlink: 'd' } } },
    ],
  },
  {
    name: 'another link to the same directory',
    debs: [
      { name: 'a', files: { 'd/f': '1', l: { symlink: 'd' } } },
      { name: 'b', files: { l: { symlink: './d' } } },
    ],
  },
  {
    name: 'a link to another directory',
    debs: [
      { name: 'a', files: { 'd/f': '1', l: { symlink: 'd' } } },
      { name: 'b', files: { 'e/f': '1', l: { symlink: 'e' } } },
    ],
    code: 'FILE_CONFLICT',
  },
  {
    name: 'a link over a directory',
    debs: [
      { name: 'a', files: { 'd/f': '1' } },
      { name: 'b', files: { 'e/g': '1', d: { symlink: 'e' } } },
    ],
  },
  {
    name: 'a link over a directory it does not lead to',
    debs: [
      { name: 'a', files: { 'd/f': '1' } },
      { name: 'b', files: { d: { symlink: 'nowhere' } } },
    ],
  },
  {
    name: 'a file over a directory',
    debs: [
      { name: 'a', files: { 'd/f': '1' } },
      { name: 'b', files: { d: 'file' } },
    ],
    code: 'FILE_CONFLICT',
  },
  {
    name: 'a directory over a file',
    debs: [
      { name: 'a', files: { d: 'file' } },
      { name: 'b', files: { 'd/': {} } },
    ],
    code: 'FILE_CONFLICT',
  },
  {
    name: 'a path below a file',
    debs: [
      { name: 'a', files: { d: 'file' } },
      { name: 'b', data: [{ name: './' }, { name: './d/f', body: '1' }] },
    ],
    code: 'FILE_CONFLICT',
  },
  {
    name: 'Replaces: the newcomer takes the file',
    debs: [
      { name: 'a', files: { f: 'a', g: 'a' } },
      { name: 'b', fields: { Replaces: 'a' }, files: { f: 'b' } },
    ],
  },
  {
    name: 'Replaces: the one that is there keeps it',
    debs: [
      { name: 'b', fields: { Replaces: 'a' }, files: { f: 'b' } },
      { name: 'a', files: { f: 'a', g: 'a' } },
    ],
  },
  {
    name: 'Replaces: both say so',
    debs: [
      { name: 'a', fields: { Replaces: 'b' }, files: { f: 'a', g: 'a' } },
      { name: 'b', fields: { Replaces: 'a' }, files: { f: 'b' } },
    ],
  },
  {
    name: 'Replaces: another version',
    debs: [
      { name: 'a', version: '2', files: { f: 'a', g: 'a' } },
      { name: 'b', fields: { Replaces: 'a (<< 2)' }, files: { f: 'b' } },
    ],
    code: 'FILE_CONFLICT',
  },
  {
    name: 'Replaces: what the other provides does not count',
    debs: [
      { name: 'a', fields: { Provides: 'v' }, files: { f: 'a', g: 'a' } },
      { name: 'b', fields: { Replaces: 'v' }, files: { f: 'b' } },
    ],
    code: 'FILE_CONFLICT',
  },
  {
    name: 'Replaces: the file was a hard link',
    debs: [
      { name: 'a', files: { f: 'a', g: { hardlink: 'f' }, h: { hardlink: 'f' } } },
      { name: 'b', fields: { Replaces: 'a' }, files: { g: 'b' } },
    ],
  },
  {
    name: 'Replaces: the file had hard links',
    debs: [
      { name: 'a', files: { f: 'a', g: { hardlink: 'f' }, h: { hardlink: 'f' } } },
      { name: 'b', fields: { Replaces: 'a' }, files: { f: 'b' } },
    ],
  },
  {
    name: 'Replaces: a file by a link, a link by a file',
    debs: [
      { name: 'a', files: { f: 'a', l: { symlink: 'x' }, g: 'a' } },
      { name: 'b', fields: { Replaces: 'a' }, files: { f: { symlink: 'y' }, l: 'b' } },
    ],
  },
  {
    name: 'Replaces: by another name of the path',
    debs: [
      { name: 'a', files: { 'usr/lib/f': 'a', 'usr/lib/g': 'a', lib: { symlink: 'usr/lib' } } },
      { name: 'b', fields: { Replaces: 'a' }, files: { 'usr/lib/f': 'b' } },
    ],
  },
  {
    name: 'Multi-Arch: same with the same file',
    debs: [
      { name: 'm', ...same, files: { 'usr/share/doc/m/f': 'same', 'usr/lib/amd64/f': 'a' } },
      {
        name: 'm',
        ...same,
        architecture: 'i386',
        files: { 'usr/share/doc/m/f': 'same', 'usr/lib/i386/f': 'i' },
      },
    ],
  },
  {
    name: 'Multi-Arch: same with another file',
    debs: [
      { name: 'm', ...same, files: { f: 'one' } },
      { name: 'm', ...same, architecture: 'i386', files: { f: 'two' } },
    ],
    code: 'FILE_CONFLICT',
  },
  {
    name: 'conffiles, control files and triggers',
    debs: [
      {
        name: 't',
        ...same,
        control: {
          conffiles: '/etc/t.conf\n/etc/t.d/more\nremove-on-upgrade /etc/t.old\n',
          postinst: '#!/bin/sh\nexit 0\n',
          templates: 'Template: t/x\n',
          shlibs: 'libt 1 t\n',
          triggers:
            '# comment\ninterest-noawait /usr/share/t\ninterest named\ninterest /etc/t\nactivate-noawait ldconfig\n',
        },
        files: { 'etc/t.conf': '1', 'etc/t.d/more': '2', 'usr/share/t/f': '3' },
      },
      { name: 'u', control: { triggers: 'interest-noawait named\ninterest /usr/share/u\n' } },
    ],
  },
  {
    name: 'no md5sums',
    debs: [
      {
        md5sums: false,
        control: { conffiles: '/etc/c\n' },
        files: {
          'etc/c': 'conf',
          'usr/f': 'f',
          'usr/h': { hardlink: 'usr/f' },
          'usr/l': { symlink: 'f' },
          'usr/e/': {},
        },
      },
    ],
  },
  { name: 'no md5sums and no files', debs: [{ md5sums: false }] },
  {
    name: 'no root directory',
    debs: [{ data: [{ name: './usr/' }, { name: './usr/f', body: 'x' }] }],
  },
  {
    name: 'all fields of a control file',
    debs: [
      {
        name: 'full',
        version: '1:2.0-3',
        architecture: 'amd64',
        fields: {
          Source: 'other (1.0)',
          'Installed-Size': '12',
          Section: 'utils',
          Priority: 'optional',
          Essential: 'yes',
          Protected: 'yes',
          'Multi-Arch': 'foreign',
          'Pre-Depends': 'p (>= 1) | q',
          Depends: 'a, b (>= 1), c | d',
          Recommends: 'r',
          Suggests: 's',
          Enhances: 'e',
          Provides: 'v (= 1), w',
          Breaks: 'x (<< 1)',
          Conflicts: 'y',
          Replaces: 'z (<= 2)',
          Homepage: 'https://example.org/',
          'X-Other': 'thing',
          'Built-Using': 'gcc (= 12)',
          Origin: 'Test',
          Bugs: 'mailto:x@example.org',
          Description: 'short\n long text\n .\n  verbatim',
        },
      },
    ],
  },
]

describe.skipIf(!needs('linux', 'root', 'dpkg').available)('as dpkg has it', () => {
  test.each(scenarios)('$name', async ({ debs, code }) => {
    const built = await Promise.all(debs.map(buildDeb))
    const root = path.join(scratchDirectory(), 'root')
    mkdirSync(root)
    const expected = unpackWithDpkg(built, root)
    if ('failed' in expected) {
      expect({ dpkg: expected.failed, code }).toEqual({
        dpkg: expected.failed,
        code: expect.any(String) as string,
      })
      expect(await codeOf(unpackWithPlinth(built, await scratchStore()))).toBe(code)
      return
    }
    expect(code).toBe(undefined)
    expect(await unpackWithPlinth(built, await scratchStore())).toEqual(expected)
  })
})

const merged: readonly { name: string; debs: readonly DebSpec[] }[] = [
  {
    name: 'what is below /bin and /lib goes below /usr',
    debs: [
      { name: 'a', files: { 'bin/sh': 'sh', 'lib/x/y': 'y', 'usr/bin/z': 'z' } },
      {
        name: 'b',
        files: { 'bin/': { mode: 0o700 }, 'usr/lib/x/w': 'w', 'bin/l': { symlink: '../lib/x' } },
      },
    ],
  },
  {
    name: 'a package that brings the links',
    debs: [
      { name: 'a', files: { 'bin/sh': 'sh' } },
      { name: 'base', files: { 'usr/bin/own': 'x', bin: { symlink: 'usr/bin' } } },
      { name: 'b', files: { 'bin/later': 'x', 'usr/bin/later2': 'y' } },
    ],
  },
]

describe.skipIf(!needs('linux', 'root', 'dpkg').available)(
  'with a merged /usr, as dpkg has it',
  () => {
    test.each(merged)('$name', async ({ debs }) => {
      const built = await Promise.all(debs.map(buildDeb))
      const root = path.join(scratchDirectory(), 'root')
      for (const name of ['bin', 'lib']) {
        mkdirSync(path.join(root, 'usr', name), { recursive: true })
        symlinkSync(`usr/${name}`, path.join(root, name))
      }
      const expected = unpackWithDpkg(built, root)
      expect(expected).not.toHaveProperty('failed')
      // links and their directories are made only for what needs them
      const { tree, database } = await unpackWithPlinth(built, await scratchStore(), {
        usrMerge: true,
      })
      expect({
        tree: { 'usr/lib': 'directory 755 0:0', lib: '-> usr/lib', ...tree },
        database,
      }).toEqual(expected)
    })
  },
)

const elsewhere = (target: string): DebSpec => ({
  data: [
    { name: './' },
    { name: './usr/' },
    { name: './usr/l', type: '2', linkname: target },
    { name: './usr/l/f', body: 'through the link' },
  ],
})

describe('Assembly refuses', () => {
  test.each<[string, readonly DebSpec[], string]>([
    ["a path through the package's own link, absolute", [elsewhere('/etc')], 'PATH_UNSAFE'],
    ["a path through the package's own link, climbing", [elsewhere('../../../etc')], 'PATH_UNSAFE'],
    ["a path through the package's own link, inside", [elsewhere('bin')], 'PATH_UNSAFE'],
    [
      "the package's own link below another package's",
      [
        { name: 'a', files: { 'usr/lib/': {}, lib: { symlink: 'usr/lib' } } },
        {
          data: [
            { name: './lib/l', type: '2', linkname: '/etc' },
            { name: './lib/l/f', body: 'x' },
          ],
        },
      ],
      'PATH_UNSAFE',
    ],
    [
      "a path through the package's own file",
      [
        {
          data: [
            { name: './f', body: 'x' },
            { name: './f/g', body: 'x' },
          ],
        },
      ],
      'PATH_UNSAFE',
    ],
    [
      'a path through a loop of links',
      [
        { name: 'a', files: { x: { symlink: 'y' }, y: { symlink: 'x' } } },
        { name: 'b', data: [{ name: './x/f', body: 'x' }] },
      ],
      'PATH_UNSAFE',
    ],
    [
      'two names of one path in a package',
      [
        { name: 'a', files: { 'usr/lib/': {}, lib: { symlink: 'usr/lib' } } },
        { name: 'b', files: { 'lib/f': '1', 'usr/lib/f': '2' } },
      ],
      'FILE_CONFLICT',
    ],
  ])('%s', async (_, debs, code) => {
    const built = await Promise.all(debs.map(buildDeb))
    expect(await codeOf(unpackWithPlinth(built, await scratchStore()))).toBe(code)
  })

  test("a file where the merged /usr's link is", async () => {
    const built = [
      await buildDeb({ name: 'a', files: { 'bin/x': 'x' } }),
      await buildDeb({ name: 'b', files: { bin: 'file' } }),
    ]
    const unpack = unpackWithPlinth(built, await scratchStore(), { usrMerge: true })
    expect(await codeOf(unpack)).toBe('FILE_CONFLICT')
  })
})

test('a link of another package leads nowhere but into the tree', async () => {
  const built = await Promise.all(
    [
      { name: 'a', files: { out: { symlink: '../../../../etc' }, abs: { symlink: '/srv' } } },
      {
        name: 'b',
        data: [
          { name: './out/f', body: '1' },
          { name: './abs/g', body: '2' },
        ],
      },
    ].map(buildDeb),
  )
  const { tree } = await unpackWithPlinth(built, await scratchStore())
  expect(Object.keys(tree).toSorted()).toEqual(['abs', 'etc', 'etc/f', 'out', 'srv', 'srv/g'])
})

test('many take-overs take no square of time', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 4000 }, (_, i) => [`usr/share/d${i % 50}/f${i}`, 'x']),
  )
  const built = [
    await buildDeb({ name: 'a', files }),
    await buildDeb({ name: 'b', fields: { Replaces: 'a' }, files }),
  ]
  const store = await scratchStore()
  const started = performance.now()
  const { database } = await unpackWithPlinth(built, store)
  expect(performance.now() - started).toBeLessThan(8000)
  expect(database['info/a.list']?.split('\n').filter((line) => line.includes('/f'))).toEqual([])
})

describe.skipIf(!needs('linux', 'root', 'dpkg', 'apt-mirror').available)('real packages', () => {
  test('are unpacked as dpkg has it', { timeout: 120_000 }, async () => {
    const directory = scratchDirectory()
    // without a preinst, which dpkg would run: conffiles, triggers, links, Multi-Arch, setuid, thousands of files
    const names = [
      'zlib1g',
      'libbz2-1.0',
      'hello',
      'gzip',
      'libc-bin',
      'ncurses-base',
      'login',
      'perl-modules-5.36',
      'mawk',
      'util-linux-extra',
      'debianutils',
      'libpam-runtime',
      'e2fsprogs',
      'gpgv',
      'wamerican',
      'libpam0g',
      'logsave',
      'passwd',
      'bsdutils',
      'iputils-ping',
      'file',
      'libmagic1',
      'xz-utils',
      'cron-daemon-common',
      'hostname',
      'lsb-base',
      'sensible-utils',
      'readline-common',
    ]
    const available = names.filter((name) => spawnSync('apt-cache', ['show', name]).status === 0)
    const { status } = spawnSync('apt-get', ['download', '-q', ...available], { cwd: directory })
    expect(status).toBe(0)
    const built = readdirSync(directory)
      .toSorted()
      .map((name) => path.join(directory, name))
      .filter((file) => !hasPreinst(file))
      .map((file) => readFileSync(file))
    expect(built.length).toBeGreaterThan(8)
    const root = path.join(directory, 'root')
    mkdirSync(root)
    const expected = unpackWithDpkg(built, root)
    expect(expected).not.toHaveProperty('failed')
    expect(await unpackWithPlinth(built, await scratchStore())).toEqual(expected)
  })
})

function hasPreinst(file: string): boolean {
  return spawnSync('dpkg-deb', ['-I', file, 'preinst'], { stdio: 'ignore' }).status === 0
}
