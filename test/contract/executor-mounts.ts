import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Mount } from '../../src/ports.ts'
import { busyboxTree, listing, tree } from '../support/tree.ts'
import { type ExecutorCase, rejects, sh, within } from './executor-support.ts'

async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'plinth mounts-'))
  chmodSync(directory, 0o755)
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const secret = (
  target: string,
  content: string,
  more: Partial<Mount & { type: 'file' }> = {},
): Mount => ({
  type: 'file',
  content: Buffer.from(content),
  target,
  mode: 0o400,
  uid: 0,
  gid: 0,
  ...more,
})

/** What mounts promise. */
export const mountCases: readonly ExecutorCase[] = [
  {
    name: 'mounts: a directory of this machine, written to and kept, or read only',
    run: (setup) =>
      withDirectory((directory) =>
        within(setup, busyboxTree(), async (w) => {
          writeFileSync(join(directory, 'in'), 'in')
          const mount: Mount = { type: 'directory', path: directory, target: '/made/deep/cache' }
          const { stdout } = await sh(
            w,
            'cat /made/deep/cache/in; echo out >/made/deep/cache/out',
            {
              mounts: [mount],
            },
          )
          assert.equal(stdout, 'in')
          assert.equal(readFileSync(join(directory, 'out'), 'utf8'), 'out\n')
          const sealed = await sh(w, 'echo x >/tmp/r/x', {
            mounts: [{ ...mount, target: '/tmp/r', readonly: true }],
          })
          assert.match(sealed.stderr, /Read-only/)
          assert.equal(
            (await sh(w, 'ls -a /made /tmp/r 2>&1; echo done')).stdout.includes('out'),
            false,
          )
          assert.deepEqual(listing(await w.changes()), {})
        }),
      ),
  },
  {
    name: 'mounts: no device can be opened in one',
    run: (setup) =>
      withDirectory((directory) =>
        within(setup, busyboxTree(), async (w) => {
          const { stdout } = await sh(
            w,
            'mknod /c/zero c 1 5 2>/dev/null; dd if=/c/zero bs=1 count=1 2>/dev/null | wc -c',
            { mounts: [{ type: 'directory', path: directory, target: '/c' }] },
          )
          assert.equal(stdout, '0')
        }),
      ),
  },
  {
    name: 'mounts: a file of this machine, and one that is not there',
    run: (setup) =>
      withDirectory((directory) =>
        within(setup, busyboxTree(), async (w) => {
          writeFileSync(join(directory, 'f'), 'text')
          const path = join(directory, 'f')
          const mounts: Mount[] = [{ type: 'directory', path, target: '/etc/passwd' }]
          assert.equal((await sh(w, 'cat /etc/passwd', { mounts })).stdout, 'text')
          assert.match((await sh(w, 'cat /etc/passwd')).stdout, /^root/)
          const absent: Mount[] = [{ type: 'directory', path: `${path}-not`, target: '/x' }]
          await rejects(sh(w, 'true', { mounts: absent }), 'RUN_FAILED')
        }),
      ),
  },
  {
    name: 'mounts: tmpfs of a size',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const script =
          'echo a >/t/a; stat -c %a /t; dd if=/dev/zero of=/t/b bs=1024 count=2048 2>&1 | cat'
        const { stdout } = await sh(w, script, {
          mounts: [{ type: 'tmpfs', target: 't', size: 1_000_000 }],
        })
        assert.match(stdout, /^1777\n[^]*No space left/)
        assert.equal((await sh(w, 'ls / /t 2>/dev/null')).stdout.includes('t\n\n'), false)
        assert.deepEqual(listing(await w.changes()), {})
      }),
  },
  {
    name: 'mounts: files in memory with their owners, gone afterwards',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const mounts = [
          secret('/run/secrets/one', 's1'),
          secret('/run/secrets/two', 's2', { mode: 0o440, uid: 33, gid: 34 }),
        ]
        const script = 'stat -c "%a %u:%g %s" /run/secrets/*; cat /run/secrets/two'
        const user = { uid: 33, gid: 33 }
        const seen = await sh(w, `${script}; cat /run/secrets/one`, { mounts, user })
        assert.equal(seen.stdout, '400 0:0 2\n440 33:34 2\ns2')
        assert.match(seen.stderr, /one.*Permission denied/)
        assert.equal((await sh(w, 'ls -d /run')).stdout, '')
        assert.deepEqual(listing(await w.changes()), {})
      }),
  },
  {
    name: 'mounts: a tree, all of it or a part, read only or written to in vain',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const base = tree({
          'src/a': 'a',
          'src/l': { symlink: '/src/a' },
          'to/src': { symlink: '/src' },
        })
        const whole: Mount = { type: 'tree', base, target: '/m', readonly: true }
        const first = await sh(w, 'cat /m/src/a; echo >/m/x', { mounts: [whole] })
        assert.equal(first.stdout, 'a')
        assert.match(first.stderr, /Read-only/)
        const part: Mount = { ...whole, source: 'to/src', readonly: false }
        assert.equal(
          (await sh(w, 'cat /m/a; echo b >/m/a; cat /m/a', { mounts: [part] })).stdout,
          'ab',
        )
        assert.equal((await sh(w, 'cat /m/a', { mounts: [part] })).stdout, 'a')
        const file: Mount = { ...whole, source: 'src/l', target: '/f' }
        assert.equal((await sh(w, 'cat /f', { mounts: [file] })).stdout, 'a')
        await rejects(sh(w, 'true', { mounts: [{ ...whole, source: 'no' }] }), 'RUN_FAILED')
        assert.deepEqual(listing(await w.changes()), {})
      }),
  },
  {
    name: 'mounts: a tree of layers',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const { layer } = await import('./executor-layers.ts')
        const base = { layers: [layer({ 'd/a': '1', 'd/b': '1' }), layer({ 'd/a': '2' }, ['d/b'])] }
        for (const readonly of [true, false]) {
          const mounts: Mount[] = [{ type: 'tree', base, source: 'd', target: '/m', readonly }]
          const { stdout } = await sh(w, 'ls /m; cat /m/a; echo x 2>/dev/null >/m/n; ls /m', {
            mounts,
          })
          assert.equal(stdout, readonly ? 'a\n2a' : 'a\n2a\nn')
        }
        const one: Mount[] = [
          { type: 'tree', base: { layers: base.layers.slice(0, 1) }, target: '/m', readonly: true },
        ]
        assert.equal((await sh(w, 'ls /m/d', { mounts: one })).stdout, 'a\nb')
        assert.deepEqual(listing(await w.changes()), {})
      }),
  },
  {
    name: 'mounts: a socket of this machine',
    run: (setup) =>
      withDirectory(async (directory) => {
        const path = join(directory, 's')
        const server = createServer()
        await new Promise<void>((resolve) => server.listen(path, resolve))
        try {
          await within(setup, busyboxTree(), async (w) => {
            const mount: Mount = {
              type: 'socket',
              path,
              target: '/run/agent',
              mode: 0o600,
              uid: 33,
              gid: 34,
            }
            const script = 'stat -c "%F %a %u:%g" /run/agent'
            const user = { uid: 33, gid: 33 }
            const { stdout } = await sh(w, script, { mounts: [mount], user })
            assert.equal(stdout, 'socket 600 33:34')
            assert.deepEqual(listing(await w.changes()), {})
          })
        } finally {
          server.close()
        }
      }),
  },
  {
    name: 'mounts: one in another, in the order given',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const mounts: Mount[] = [
          { type: 'tmpfs', target: '/a' },
          secret('/a/b/c', 'deep'),
          { type: 'tmpfs', target: '/a/b/d' },
        ]
        assert.equal((await sh(w, 'cat /a/b/c; ls /a/b', { mounts })).stdout, 'deepc\nd')
        assert.deepEqual(listing(await w.changes()), {})
      }),
  },
  {
    name: 'mounts: targets follow links inside the tree and nowhere else',
    run: (setup) =>
      withDirectory((directory) =>
        within(
          setup,
          busyboxTree({
            'real/': {},
            link: { symlink: '/real' },
            up: { symlink: `../../..${directory}` },
          }),
          async (w) => {
            mkdirSync(join(directory, 'hole'))
            symlinkSync(directory, join(directory, 'back'))
            const mounts: Mount[] = [
              secret('/link/s', 's'),
              secret('/up/hole/t', 't'),
              { type: 'directory', path: directory, target: '/d' },
              secret('/d/back/hole/u', 'u'),
            ]
            const { stdout } = await sh(w, `cat /real/s '${directory}/hole/u' "/up/hole/t"`, {
              mounts,
            })
            assert.equal(stdout, 'sut')
            assert.deepEqual(listing(await w.changes()), {})
            assert.equal((await sh(w, 'ls /d /real')).stdout, '/real:')
          },
        ),
      ),
  },
  {
    name: 'mounts: the root, and what is something else, are refused',
    run: (setup) =>
      within(setup, busyboxTree({ loop: { symlink: 'loop' } }), async (w) => {
        const at = (target: string): Promise<unknown> =>
          sh(w, 'true', { mounts: [{ type: 'tmpfs', target }] })
        await rejects(at('/'), 'PATH_UNSAFE')
        await rejects(at('/..'), 'PATH_UNSAFE')
        await rejects(at('/etc/passwd'), 'PATH_UNSAFE')
        await rejects(at('/etc/passwd/x'), 'PATH_UNSAFE')
        await rejects(at('/loop/x'), 'PATH_UNSAFE')
        await rejects(sh(w, 'true', { mounts: [secret('/etc', 'x')] }), 'PATH_UNSAFE')
        assert.deepEqual((await sh(w, 'true')).status, { code: 0 })
        assert.deepEqual(listing(await w.changes()), {})
      }),
  },
  {
    name: 'mounts: what was made to mount on leaves nothing, not even a time',
    run: (setup) =>
      within(setup, busyboxTree({ 'etc/': { mtime: 1_000_000_000 } }), async (w) => {
        const mounts = [secret('/etc/s', 's'), secret('/etc/new/t', 't')]
        const { stdout } = await sh(w, 'stat -c %Y /etc; echo >/etc/new/own', { mounts })
        assert.equal(stdout, '1000000000')
        assert.equal(
          (await sh(w, 'ls /etc /etc/new')).stdout,
          '/etc:\nnew\npasswd\nshadow\n\n/etc/new:\nown',
        )
        // what a run put into a directory that was made is its own, and so is the directory
        assert.deepEqual(listing(await w.changes()), {
          'etc/new': 'directory 0755 0:0',
          'etc/new/own': 'file 0644 0:0 "\\n"',
        })
      }),
  },
  {
    name: 'security: insecure keeps all capabilities and shows the kernel’s files',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const { stdout } = await sh(w, 'cat /proc/self/status /proc/mounts', {
          security: 'insecure',
        })
        const bounding = /^CapBnd:\t([0-9a-f]+)$/m.exec(stdout)![1]!
        assert.ok((BigInt(`0x${bounding}`) & (1n << 21n)) !== 0n, bounding)
        assert.doesNotMatch(stdout, / \/proc\/sys /)
        const after = (await sh(w, 'cat /proc/self/status')).stdout
        assert.match(after, /^CapBnd:\t00000000a80425fb$/m)
      }),
  },
]
