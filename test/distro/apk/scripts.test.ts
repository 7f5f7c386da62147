import { beforeAll, describe, expect, test } from 'vitest'
import { isPlinthError, type PlinthError } from '../../../src/errors.ts'
import { hostArch } from '../../support/alpine.ts'
import type { ApkSpec } from '../../support/apk.ts'
import {
  comparable,
  installWithApk,
  installWithPlinth,
  type SystemSpec,
} from '../../support/apk-systems.ts'
import { bytesAt, readMinirootfs } from '../../support/minirootfs.ts'
import { needs } from '../../support/needs.ts'

/** The first package of every system: something scripts can run in. */
let shell: ApkSpec

beforeAll(async () => {
  if (!needs('alpine').available) return
  const { tree } = await readMinirootfs(hostArch!)
  const loader = `lib/ld-musl-${hostArch}.so.1`
  const program = (path: string) => ({ content: bytesAt(tree, path), mode: 0o755 })
  const applets =
    'adduser addgroup cat chmod chown cut env grep id ln ls mkdir rm rmdir sh sort stat'
  shell = {
    name: '0shell',
    files: {
      'bin/busybox': program('bin/busybox'),
      ...Object.fromEntries(
        applets.split(' ').map((name) => [`bin/${name}`, { symlink: 'busybox' }]),
      ),
      [loader]: program(loader),
      [`lib/libc.musl-${hostArch}.so.1`]: { symlink: `ld-musl-${hostArch}.so.1` },
      'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
      'etc/group': 'root:x:0:root\n',
      'etc/shadow': { content: 'root:!::0:::::\n', mode: 0o640 },
    },
  }
})

const script = (...lines: readonly string[]) => `#!/bin/sh\n${lines.join('\n')}\n`

/** Tells how it was called, and what it sees. */
const report = script(
  'exec >>/report',
  'echo "== $0 $*"',
  'pwd; umask; id',
  'env | grep -v SOURCE_DATE_EPOCH | grep -v SHLVL | sort',
  'ls -ld /lib/apk/* | cut -c1-10',
  // plinth's executor has /sys, apk has none
  'ls / /d /e 2>/dev/null | grep -v sys',
  'cat /etc/apk/world /lib/apk/db/installed /etc/apk/arch',
)

const everything = {
  'pre-install': report,
  'post-install': report,
  trigger: report,
  'pre-upgrade': 'exit 1',
  'post-upgrade': 'exit 1',
}

const manyDirectories = Object.fromEntries(
  Array.from({ length: 40 }, (_, i) => [`usr/lib/dir-${i}${'x'.repeat(i % 7)}/`, {}]),
)

/** Systems whose scripts end well. */
const cases: readonly (SystemSpec & { readonly name: string })[] = [
  {
    name: 'scripts are called as apk calls them, each in its time',
    packages: [
      { name: 'a', version: '1.2_rc3-r4', files: { 'd/a': 'a' }, scripts: everything },
      { name: 'b', files: { 'd/b': 'b', 'lib/apk/exec/': {} }, scripts: everything },
      { name: 'c', files: {}, scripts: everything, fields: { triggers: '/ /d' } },
      { name: 'd', files: { 'e/d': 'd' }, scripts: everything, fields: { triggers: '/nothing' } },
    ],
  },
  {
    name: 'triggers get every directory that fits, in the order of apk',
    packages: [
      {
        name: 'a',
        files: { x: 'x' },
        scripts: { trigger: report },
        fields: { triggers: '/usr/lib/* /d /d/?b [a-z]/ /[de] +/usr /d/[!x]c/*' },
      },
      { name: 'b', files: { ...manyDirectories, 'd/ab/': {}, 'd/yc/z/': {}, 'd/xc/z/': {} } },
      {
        name: 'c',
        files: { 'e/': {} },
        scripts: { trigger: report },
        fields: { triggers: '/usr/lib/dir-1*' },
      },
    ],
  },
  {
    name: 'accounts made before files are theirs',
    packages: [
      {
        name: 'a',
        scripts: {
          'pre-install': script(
            'addgroup -S -g 150 svc',
            'adduser -S -D -H -u 160 -h /var/svc -s /sbin/nologin -G svc -g svc svc',
          ),
        },
        files: {
          first: { content: '1', uid: 3, gid: 4, user: 'svc', group: 'svc' },
          'var/svc/': { uid: 3, gid: 4, user: 'svc', group: 'svc', mode: 0o750 },
          'var/svc/data': { content: 'x', uid: 3, gid: 4, user: 'svc', group: 'svc' },
          'var/svc/root': { content: 'x', uid: 3, gid: 4, user: 'root', group: 'root' },
        },
      },
      { name: 'b', files: { late: { content: 'x', uid: 3, user: 'svc' } } },
      {
        name: 'c',
        scripts: { 'post-install': script('addgroup -S -g 151 more') },
        files: { before: { content: 'x', gid: 9, group: 'more' } },
      },
      { name: 'd', files: { after: { content: 'x', gid: 9, group: 'more' } } },
    ],
  },
  {
    name: 'what scripts made in etc stays',
    packages: [
      {
        name: 'a',
        files: { 'etc/mine': 'a', 'etc/kept': 'a', 'etc/gone': 'a', 'opt/x': 'a' },
        scripts: {
          'post-install': script(
            'echo made >/etc/made',
            'echo same >/etc/same',
            'ln -s /made /etc/link',
            'mkdir -p /etc/dir /usr/made',
            'echo changed >/etc/mine',
            'rm /etc/gone',
            'echo changed >/opt/x',
            'echo changed >/usr/made/file',
          ),
        },
      },
      {
        name: 'b',
        fields: { replaces: 'a' },
        files: {
          'etc/made': 'b',
          'etc/same': 'same\n',
          'etc/mine': 'b',
          'etc/kept': 'b',
          'etc/gone': 'b',
          'opt/x': 'b',
          'usr/made/file': 'b',
          'usr/made/': { mode: 0o700 },
        },
      },
    ],
  },
  {
    name: 'directories end as packages want them, whatever scripts did',
    packages: [
      {
        name: 'a',
        files: {
          'd/': { uid: 5, gid: 6, mode: 0o2750 },
          'e/': {},
          'f/g/': { mode: 0o700 },
          'r/': {},
          'tmp/': { mode: 0o700 },
        },
        scripts: {
          'post-install': script(
            'stat -c "%n %a %u:%g" /d /e /tmp >/seen',
            'chmod 711 /e /tmp',
            'chown 9:9 /d /f/g',
            'rmdir /r',
          ),
          trigger: script('stat -c "%n %a %u:%g" /d /e /tmp >>/seen', 'chmod 777 /e'),
        },
        fields: { triggers: '/e' },
      },
    ],
  },
  {
    name: 'hooks run when all is done',
    packages: [
      {
        name: 'a',
        files: {
          'etc/apk/commit_hooks.d/one': { content: report, mode: 0o755 },
          'etc/apk/commit_hooks.d/.hidden': { content: report, mode: 0o755 },
        },
      },
    ],
  },
  {
    name: 'a system that nothing runs in',
    packages: [{ name: 'a', files: { x: 'x' }, scripts: { 'post-upgrade': 'exit 1' } }],
  },
]

describe.skipIf(!needs('alpine', 'root', 'unshare').available)(
  'as the real apk runs scripts',
  () => {
    test.each(cases)('$name', async (given) => {
      const spec = { ...given, packages: [shell, ...given.packages], scripts: 'run' } as const
      const real = await installWithApk(spec)
      const own = await installWithPlinth(spec)
      expect(real.status, real.output).toBe(0)
      for (const path of ['report', 'seen'])
        if (real.tree.has(path)) expect(own.text(path)).toBe(real.text(path))
      expect(own.listing.texts, real.output).toEqual(real.listing.texts)
      const [left, right] = [own, real].map(({ listing }) => {
        const { 'etc/shadow': shadow, ...others } = comparable(listing)
        return { ...others, 'etc/shadow': shadow?.replace(/ \S+$/, '') }
      })
      expect(left, real.output).toEqual(right)
    })

    test.each(['pre-install', 'post-install', 'trigger'])(
      'a %s that fails: apk goes on and says so, plinth stops and names the package',
      async (type) => {
        const failing = script('echo out', 'echo err >&2', 'exit 3')
        const packages: ApkSpec[] = [
          shell,
          { name: 'good', files: { x: 'x' }, scripts: { [type]: script('echo fine') } },
          {
            name: 'rotten',
            files: { 'd/y': 'y' },
            scripts: { [type]: failing },
            fields: { triggers: '/d', depend: 'good' },
          },
        ]
        const spec = { packages, scripts: 'run' } as const
        const real = await installWithApk(spec)
        expect(real.output).toContain('exited with error 3')
        expect(real.text('lib/apk/db/installed')).toContain('\nf:s\n')
        const error = await installWithPlinth(spec).catch((failure: unknown) => failure)
        expect(isPlinthError(error, 'SCRIPT_FAILED')).toBe(true)
        const { message, facts } = error as PlinthError
        expect(message).toContain('rotten')
        expect(facts).toMatchObject({ package: 'rotten', script: type, exitCode: 3 })
        expect((facts!['output'] as string[]).toSorted()).toEqual(['err', 'out'])
      },
    )
  },
)
