import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exitCodes, type ErrorCode } from '../../src/errors.ts'
import {
  bench,
  codeOf,
  digestOf,
  unfinished,
  wrongBlobs,
  type Bench,
  type Run,
} from '../support/builds.ts'
import { startFrozenMirror, type FrozenMirror } from '../support/frozen-mirror.ts'
import { installPlinth, type Installed } from '../support/installed.ts'
import { needs } from '../support/needs.ts'
import { testUser } from '../support/unprivileged.ts'

const { available } = needs('linux', 'root', 'user-namespaces', 'newuidmap', 'apt-mirror')

const args = ['build', 'debian', '-p', 'variant=essential', '--progress', 'plain']

function expectRefused(run: Run, code: ErrorCode): void {
  expect(run).toSatisfy((r: Run) => codeOf(r) === code, run.stderr)
  expect(run.code).toBe(exitCodes[code])
  expect(run.stdout).toBe('')
  expect(run.stderr).toMatch(/\n {2}hint: /)
  expect(run.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  expect(run.left).toEqual([])
}

describe.skipIf(!available)('a machine that lacks something', () => {
  let frozen: FrozenMirror
  let here: Bench
  let installed: Installed
  let digest: string

  beforeAll(async () => {
    frozen = await startFrozenMirror()
    here = await bench(frozen.env)
    installed = await installPlinth()
    digest = digestOf(await here.plinth([...args, '-o', 'whole.tar']))
  }, 120_000)
  afterAll(async () => {
    await frozen?.[Symbol.asyncDispose]()
    here?.[Symbol.dispose]()
    installed?.[Symbol.dispose]()
  })

  describe('a disk', () => {
    let disk: string
    beforeAll(() => {
      disk = path.join(here.home, 'disk')
      mkdirSync(disk)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'plinth-test', disk])
    })
    afterAll(() => void execFileSync('umount', ['--lazy', disk]))
    const resize = (megabytes: number): void =>
      void execFileSync('mount', ['-o', `remount,size=${megabytes}m`, disk])

    test(
      'too small for the store, at any point: said so, nothing broken, and the next run goes on',
      { timeout: 120_000 },
      async () => {
        const store = path.join(disk, 'store')
        // indexes, packages, what is unpacked of them, the layer
        for (const megabytes of [4, 16, 40, 90, 120]) {
          resize(megabytes)
          const run = await here.plinth([...args, '-o', 'image.tar'], { store })
          expectRefused(run, 'DISK_FULL')
          expect(run.stderr).toContain('--store')
          expect(existsSync(path.join(here.home, 'image.tar'))).toBe(false)
          expect(here.leftFiles()).toEqual([])
          expect(unfinished(store)).toEqual([])
          expect(await wrongBlobs(store)).toEqual([])
        }
        resize(1000)
        expect(digestOf(await here.plinth([...args, '-o', 'image.tar'], { store }))).toBe(digest)
      },
    )

    const outputs = [
      { name: 'an archive', spec: (at: string) => `${at}/image.tar` },
      { name: 'a layout', spec: (at: string) => `type=oci,dest=${at}/layout` },
      { name: 'a root filesystem', spec: (at: string) => `type=rootfs,dest=${at}/rootfs.tar` },
      { name: 'a directory', spec: (at: string) => `type=dir,dest=${at}/rootfs` },
    ]
    test.each(outputs)(
      'too small for $name: what was there stays',
      { timeout: 60_000 },
      async ({ spec }) => {
        const at = path.join(disk, 'output')
        execFileSync('rm', ['-rf', ...readdirSync(disk).map((name) => path.join(disk, name))])
        mkdirSync(at)
        resize(8)
        writeFileSync(path.join(at, 'image.tar'), 'what was there before')
        expectRefused(await here.plinth([...args, '-o', spec(at)]), 'DISK_FULL')
        expect(readFileSync(path.join(at, 'image.tar'), 'utf8')).toBe('what was there before')
        expect(readdirSync(at)).toEqual(['image.tar'])
      },
    )

    test('that cannot be written', async () => {
      const file = here.file('a-file', '')
      const run = await here.plinth([...args, '-o', 'x.tar'], { store: path.join(file, 'store') })
      expectRefused(run, 'IO')
    })
  })

  describe('for an ordinary user', () => {
    let user: string
    let his: Bench
    beforeAll(async () => {
      user = testUser()
      his = await bench(frozen.env)
      his.giveTo(user)
    })
    afterAll(() => his?.[Symbol.dispose]())

    test('no subordinate ids: which, and how to get them', { timeout: 60_000 }, async () => {
      using nobodys = await bench(frozen.env)
      nobodys.giveTo('nobody', 'nogroup')
      const prefix = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--']
      const options = { binary: installed.binary, prefix, env: { HOME: nobodys.home } }
      const run = await nobodys.plinth([...args, '-o', 'image.tar'], options)
      expectRefused(run, 'SUBIDS_MISSING')
      expect(run.stderr).toContain('--add-subuids')
      expect(nobodys.leftFiles()).toEqual([])
      expect(unfinished(nobodys.store)).toEqual([])
      // planning needs none
      expect((await nobodys.plinth(['plan', 'debian'], options)).code).toBe(0)
    })

    test(
      'no user namespaces: why, and how to allow them; then it works',
      { timeout: 90_000 },
      async () => {
        // switched off below a user namespace of his own, which is as far as a test may go
        const script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
        const prefix = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--']
        const without = [...prefix, 'unshare', '--map-root-user', 'sh', '-c', script, 'sh']
        const drop = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--']
        const options = { binary: installed.binary, env: { HOME: his.home } }
        const run = await his.plinth([...args, '-o', 'image.tar'], {
          ...options,
          prefix: [...without, ...drop],
        })
        expectRefused(run, 'NAMESPACE_UNAVAILABLE')
        expect(run.stderr).toContain('user.max_user_namespaces')
        expect(his.leftFiles()).toEqual([])
        expect(unfinished(his.store)).toEqual([])
        const next = await his.plinth([...args, '-o', 'image.tar'], { ...options, prefix })
        expect(digestOf(next)).toBe(digest)
      },
    )
  })

  test('programs of util-linux that are missing are named, with their package', async () => {
    // the usual directories are searched too, so they have to be hidden
    const hide = 'mount --bind /dev/null "$(readlink -f "$(command -v nsenter)")" && exec "$@"'
    const prefix = ['unshare', '--mount', 'sh', '-c', hide, 'sh']
    const run = await here.plinth([...args, '--no-cache', '-o', 'image.tar'], { prefix })
    expectRefused(run, 'TOOL_MISSING')
    expect(run.stderr).toContain('nsenter')
    expect(run.stderr).toContain('util-linux')
  })
})
