import { describe, expect, test } from 'vitest'
import {
  comparable,
  installWithApk,
  installWithPlinth,
  type SystemSpec,
} from '../../support/apk-systems.ts'
import { needs } from '../../support/needs.ts'
import { codeOf } from '../../support/streams.ts'

const long = `gamma-${'long-'.repeat(18)}name`

const base = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nalice:x:101:101::/:/bin/sh\n',
  'etc/group': 'root:x:0:root\nalice:x:101:\nwheel:x:10:\n',
} as const

/** What real apk and plinth do with the same packages; nothing in them runs. */
const cases: readonly (SystemSpec & { readonly name: string })[] = [
  { name: 'no packages', packages: [], world: [] },
  {
    name: 'owners by name, and by number where there is no such name',
    packages: [
      {
        name: 'a',
        files: {
          ...base,
          early: { content: 'e', uid: 7, gid: 8, user: 'alice', group: 'wheel' },
        },
      },
      {
        name: 'b',
        files: {
          'srv/': { uid: 5, gid: 6, user: 'alice', group: 'wheel', mode: 0o2775 },
          'srv/known': {
            content: 'k',
            uid: 7,
            gid: 8,
            user: 'alice',
            group: 'wheel',
            mode: 0o4755,
          },
          'srv/unknown': { content: 'u', uid: 7, gid: 8, user: 'nobody', group: 'nogroup' },
          'srv/root': { content: 'r', uid: 7, gid: 8, user: 'root', group: 'root' },
          'srv/none': { content: 'n', uid: 7, gid: 8 },
          'srv/link': { symlink: 'known', uid: 7, gid: 8, user: 'alice' },
          'srv/half': { content: 'h', uid: 7, gid: 8, user: 'alice' },
        },
      },
    ],
  },
  {
    name: 'accounts that a later package replaces',
    packages: [
      { name: 'a', files: { ...base } },
      { name: 'b', files: { 'opt/x': { content: 'x', user: 'alice', group: 'bob' } } },
      {
        name: 'c',
        fields: { replaces: 'a' },
        files: {
          'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nalice:x:201:201::/:/bin/sh\n',
          'opt/y': { content: 'y', user: 'alice' },
        },
      },
      { name: 'd', files: { 'opt/z': { content: 'z', user: 'alice' } } },
    ],
  },
  {
    name: 'lines of passwd and group that are none',
    packages: [
      {
        name: 'a',
        files: {
          'etc/passwd':
            '\n# alice:x:9:9:::\nalice:x:1:1:too:few\nalice:x:y:2:::\nalice::301:301:::\nalice:x:302:302:::\n',
          'etc/group': 'alice:x\nalice:x:401:\nbroken\nalice:x:402:\n',
        },
      },
      { name: 'b', files: { x: { content: 'x', user: 'alice', group: 'alice' } } },
    ],
  },
  {
    name: 'directories that packages do not agree on',
    packages: [
      {
        name: 'a',
        files: {
          'one/': { mode: 0o775 },
          'two/': { mode: 0o1777 },
          'three/': { uid: 5, gid: 5, mode: 0o700 },
          'four/': { uid: 5, gid: 5, mode: 0o700 },
          'five/': { uid: 5, gid: 6, mode: 0o770 },
          'tmp/': { mode: 0o700 },
          'etc/': { mode: 0o711 },
          'var/': { uid: 3 },
        },
      },
      {
        name: 'b',
        files: {
          'one/': { mode: 0o757 },
          'two/': { mode: 0o777 },
          'three/': { mode: 0o755 },
          'four/': { uid: 6, gid: 1, mode: 0o777 },
          'five/': { uid: 5, gid: 5, mode: 0o707 },
          'tmp/': { mode: 0o1777 },
        },
      },
      {
        name: 'c',
        fields: { replaces: ['a', 'b'], replaces_priority: '10' },
        files: { 'one/': { mode: 0o700 }, 'four/': { uid: 9, mode: 0o711 } },
      },
    ],
  },
  {
    name: 'replaces',
    packages: [
      { name: 'a', files: { 'd/x': 'a', 'd/y': 'a', 'd/z': 'a', 'only-a': 'a' } },
      { name: 'b', fields: { replaces: 'a' }, files: { 'd/x': 'b', 'd/w': 'b' } },
      { name: 'c', fields: { replaces: ['a>0.5', 'b<1'] }, files: { 'd/y': { symlink: 'x' } } },
    ],
  },
  {
    name: 'replaces by priority, the former keeps its file',
    packages: [
      {
        name: 'a',
        fields: { replaces: 'b', replaces_priority: '5' },
        files: { 'd/x': 'a', 'd/y': 'a' },
      },
      {
        name: 'b',
        fields: { replaces: 'a', replaces_priority: '4' },
        files: { 'd/x': 'b', 'd/b': 'b' },
      },
      {
        name: 'c',
        fields: { replaces: 'a', replaces_priority: '5' },
        files: { 'd/y': 'c' },
      },
    ],
  },
  {
    name: 'a former that replaces, a newcomer that does not',
    packages: [
      { name: 'a', fields: { replaces: 'b' }, files: { 'd/x': 'a' } },
      { name: 'b', files: { 'd/x': 'b', 'd/y': 'b' } },
    ],
  },
  {
    name: 'one origin',
    packages: [
      { name: 'a', fields: { origin: 'o' }, files: { 'd/x': 'a' } },
      { name: 'b', fields: { origin: 'o' }, files: { 'd/x': 'b' } },
    ],
  },
  {
    name: 'one origin, and the former replaces the newcomer',
    packages: [
      { name: 'a', fields: { origin: 'o', replaces: 'b' }, files: { 'd/x': 'a' } },
      { name: 'b', fields: { origin: 'o' }, files: { 'd/x': 'b' } },
    ],
  },
  {
    name: 'hard links',
    packages: [
      {
        name: 'a',
        files: {
          'd/file': { content: 'shared', mode: 0o600, uid: 1, gid: 2, xattrs: { 'user.f': 'f' } },
          'd/link': { hardlink: 'd/file', mode: 0o755, uid: 3, gid: 4, xattrs: { 'user.l': 'l' } },
          'e/last': { hardlink: 'd/file', mode: 0o4711, uid: 5, gid: 6 },
          'd/first': { content: 'other' },
          'd/0link': { hardlink: 'd/first' },
        },
      },
      {
        name: 'b',
        fields: { replaces: 'a' },
        files: { 'd/file': 'replaced', 'd/0link': 'replaced, too' },
      },
    ],
  },
  {
    name: 'extended attributes',
    packages: [
      {
        name: 'a',
        files: {
          'd/': { xattrs: { 'user.dir': 'd' } },
          'd/two': { content: 'x', xattrs: { 'user.b': '2', 'user.a': '\0\u00ff' } },
          'd/caps': {
            content: 'c',
            mode: 0o4755,
            uid: 9,
            xattrs: {
              'security.capability': Buffer.from('0100000200200000000000000000000000000000', 'hex'),
            },
          },
        },
      },
    ],
  },
  {
    name: 'etc: files that were there before stay, unless they are the same',
    repositories: ['https://example.org/main'],
    keys: { 'same.rsa.pub': 'same', 'other.rsa.pub': 'mine' },
    packages: [
      {
        name: 'a',
        files: {
          'etc/apk/repositories': 'https://example.net/\n',
          'etc/apk/keys/same.rsa.pub': 'same',
          'etc/apk/keys/other.rsa.pub': 'theirs',
          'etc/apk/keys/new.rsa.pub': 'new',
          'etc/apk/keys/link.rsa.pub': { hardlink: 'etc/apk/keys/other.rsa.pub' },
          'etc/apk/keys/same-link.rsa.pub': { hardlink: 'etc/apk/keys/same.rsa.pub' },
        },
      },
      {
        name: 'b',
        fields: { replaces: 'a' },
        files: { 'etc/apk/keys/other.rsa.pub': 'again', 'etc/apk/keys/new.rsa.pub': 'newer' },
      },
    ],
  },
  {
    name: 'etc: a file without a checksum that is replaced',
    packages: [
      { name: 'a', files: { 'etc/a.conf': { content: 'a', sha1: false }, 'etc/b.conf': 'b' } },
      { name: 'b', fields: { replaces: 'a' }, files: { 'etc/a.conf': 'other', 'etc/b.conf': 'x' } },
    ],
  },
  {
    name: 'links and files in the place of each other',
    packages: [
      { name: 'a', files: { 'd/x': 'file', 'd/y': { symlink: 'x' }, 'etc/l': { symlink: 'a' } } },
      {
        name: 'b',
        fields: { replaces: 'a' },
        files: { 'd/x': { symlink: 'y' }, 'd/y': 'file', 'etc/l': { symlink: 'b' } },
      },
    ],
  },
  {
    name: 'merged directories: a link that others go through',
    packages: [
      { name: 'a', files: { 'usr/sbin/': {}, 'opt/real/': {}, sbin: { symlink: 'usr/sbin' } } },
      { name: 'b', files: { 'sbin/tool': 't', 'sbin/sub/deep': 'd', 'usr/sbin/other': 'o' } },
      { name: 'c', files: { 'usr/sbin/tool': 'over' } },
    ],
  },
  {
    name: 'names that are not installed, and a package without files',
    packages: [
      { name: 'a', files: { 'd/.keep_me': '', 'd/.hidden': 'h', '.top': 't', 'd/keep': '' } },
      { name: 'empty', fields: { size: '0', replaces: 'a', triggers: '/d' }, files: {} },
      { name: 'bare', files: {} },
    ],
  },
  {
    name: 'everything the database says',
    world: ['Beta', 'alpha>=1', 'gamma@edge', '!delta', 'beta~1.2'],
    tags: { [long]: 'edge' },
    packages: [
      {
        name: 'Beta',
        version: '1.2.3_rc1-r4',
        fields: {
          origin: 'o',
          maintainer: 'Ondřej <o@example.org>',
          commit: 'abc',
          provider_priority: '7',
          provides: ['so:x.so.1=1.2', 'virtual'],
          replaces: ['z>=1', 'y'],
          replaces_priority: '3',
          license: 'GPL-2.0-only',
        },
        scripts: {
          trigger: '#!/bin/sh\n',
          'post-upgrade': 'pu',
          'pre-install': 'pi',
          'post-deinstall': 'pd',
          'pre-deinstall': '',
        },
        files: { 'root-file': 'r', 'usr/bin/beta': { content: 'b', mode: 0o755 } },
      },
      { name: 'alpha', fields: { builddate: undefined, triggers: '/usr/* /a' }, files: { x: 'x' } },
      { name: 'beta', version: '1.2', fields: { origin: '', maintainer: '' }, files: { y: 'y' } },
      {
        name: long,
        fields: { provides: 'gamma=1', triggers: '/usr/bin +/x' },
        scripts: { trigger: 't'.repeat(512) },
        files: { z: 'z' },
      },
    ],
  },
  {
    name: 'a package that is broken',
    world: ['a@edge'],
    tags: { a: 'edge' },
    packages: [{ name: 'a', files: { x: { content: 'x', sha1: false }, y: 'y' } }],
  },
]

describe.skipIf(!needs('alpine', 'root', 'unshare').available)('as the real apk installs', () => {
  test.each(cases)('$name', async (spec) => {
    const real = await installWithApk(spec)
    const own = await installWithPlinth(spec)
    expect(own.listing.texts, real.output).toEqual(real.listing.texts)
    expect(comparable(own.listing), real.output).toEqual(comparable(real.listing))
  })
})

/** Packages of which apk does not install all: it goes on and says so in the end, plinth stops. */
const conflicts: readonly (SystemSpec & { readonly name: string })[] = [
  {
    name: 'a file of two packages',
    packages: [
      { name: 'a', fields: { origin: 'x' }, files: { 'd/x': 'same' } },
      { name: 'b', fields: { origin: 'y' }, files: { 'd/x': 'same' } },
    ],
  },
  {
    name: 'replaces of another version',
    packages: [
      { name: 'a', files: { 'd/x': 'a' } },
      { name: 'b', fields: { replaces: 'a<1' }, files: { 'd/x': 'b' } },
    ],
  },
  {
    name: 'replaces of a name that is only provided',
    packages: [
      { name: 'a', fields: { provides: 'p' }, files: { 'd/x': 'a' } },
      { name: 'b', fields: { replaces: 'p' }, files: { 'd/x': 'b' } },
    ],
  },
  {
    name: 'a file in the place of a directory',
    packages: [
      { name: 'a', files: { 'd/x/y': 'a' } },
      { name: 'b', files: { 'd/x': 'b' } },
    ],
  },
  {
    name: 'a link in the place of a directory',
    packages: [
      { name: 'a', files: { 'd/x/': {} } },
      { name: 'b', files: { 'd/x': { symlink: '/tmp' } } },
    ],
  },
  {
    name: 'a directory in the place of a file',
    packages: [
      { name: 'a', files: { 'd/x': 'a' } },
      { name: 'b', files: { 'd/x/y': 'b' } },
    ],
  },
  {
    name: 'a directory in the place of a link that leads nowhere',
    packages: [
      { name: 'a', files: { 'd/x': { symlink: '/nowhere' } } },
      { name: 'b', files: { 'd/x/y': 'b' } },
    ],
  },
  {
    name: 'a hard link to a file that another package keeps',
    packages: [
      { name: 'a', fields: { replaces: 'b', replaces_priority: '9' }, files: { 'd/x': 'a' } },
      { name: 'b', files: { 'd/x': 'b', 'd/y': { hardlink: 'd/x' } } },
    ],
  },
]

describe.skipIf(!needs('alpine', 'root', 'unshare').available)('as the real apk refuses', () => {
  test.each(conflicts)('$name', async (spec) => {
    const real = await installWithApk(spec)
    expect(real.status, real.output).toBe(1)
    expect(real.output).toMatch(/1 error;/)
    expect(await codeOf(installWithPlinth(spec))).toBe('FILE_CONFLICT')
  })
})
