import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import type { Entry } from '../../src/entry.ts'
import { PlinthError } from '../../src/errors.ts'
import { busyboxTree, listing, tree } from '../support/tree.ts'
import { faultCases } from './executor-faults.ts'
import { layerCases } from './executor-layers.ts'
import { mountCases } from './executor-mounts.ts'
import { changesOf, type ExecutorCase, never, rejects, sh, within } from './executor-support.ts'

export type { ExecutorCase } from './executor-support.ts'

/** `security.capability` of `cap_net_bind_service=ep`, version 2 (capabilities(7)). */
const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')

/** Network interfaces, from /proc/net/dev. */
function interfacesIn(text: string): (string | undefined)[] {
  return [...text.matchAll(/^ *([\w@.-]+):/gm)].map((m) => m[1])
}

async function* failingBase(): AsyncGenerator<Entry> {
  yield* busyboxTree()
  throw new PlinthError('DIGEST_MISMATCH', 'forged')
}

const running: readonly ExecutorCase[] = [
  {
    name: 'exit codes are the process’s own',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        assert.deepEqual((await sh(w, 'exit 0')).status, { code: 0 })
        assert.deepEqual((await sh(w, 'exit 3')).status, { code: 3 })
        assert.deepEqual((await sh(w, 'exit 255')).status, { code: 255 })
      }),
  },
  {
    name: 'a program that is not there is 127, as in a shell',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const { code } = await w.run({ argv: ['/bin/nothing'], env: {} })
        assert.equal(code, 127)
      }),
  },
  {
    name: 'a signal is reported by name',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        assert.deepEqual((await sh(w, 'kill -TERM $$')).status, { code: 143, signal: 'SIGTERM' })
        assert.deepEqual((await sh(w, 'kill -KILL $$')).status, { code: 137, signal: 'SIGKILL' })
      }),
  },
  {
    name: 'a signal to its process group ends what runs, and nothing else',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        assert.equal((await sh(w, 'kill -KILL 0')).status.signal, 'SIGKILL')
        assert.deepEqual((await sh(w, 'exit 3')).status, { code: 3 })
      }),
  },
  {
    name: 'words reach the process as they are',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const words = ["it's", '', ' a  b ', '$HOME `id` "x" \\', "'", 'two\nlines', '*', '-n', 'é']
        const { stdout } = await sh(w, '', {
          argv: ['/bin/sh', '-c', 'for word do echo "<$word>"; done', 'sh', ...words],
        })
        assert.equal(stdout, words.map((word) => `<${word}>`).join('\n'))
        const many = Array.from({ length: 3000 }, (_, i) => `word ${i}`)
        const argv = ['/bin/sh', '-c', 'echo $#', 'sh', ...many] as const
        assert.equal((await sh(w, '', { argv })).stdout, '3000')
      }),
  },
  {
    name: 'the environment is what was given and nothing else',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const lines: string[] = []
        await w.run({
          argv: ['env'],
          env: { PATH: '/bin', 'ODD-name': 'a b\n"c" $d', LC_ALL: 'ä' },
          onLine: (_, line) => lines.push(line),
        })
        assert.deepEqual(lines.toSorted(), ['"c" $d', 'LC_ALL=ä', 'ODD-name=a b', 'PATH=/bin'])
      }),
  },
  {
    name: 'variables that steer a dynamic linker reach only the process inside',
    run: (setup) =>
      within(setup, busyboxTree({ 'usr/bin/env': { symlink: '../../bin/busybox' } }), async (w) => {
        const { stdout, stderr } = await sh(w, 'echo "$LD_PRELOAD"', {
          env: { PATH: '/bin', LD_PRELOAD: '/evil.so' },
        })
        assert.deepEqual({ stdout, stderr }, { stdout: '/evil.so', stderr: '' })
      }),
  },
  {
    name: 'the working directory follows links inside the tree only',
    run: (setup) =>
      within(
        setup,
        busyboxTree({ 'run/x/': {}, 'var/run': { symlink: '/run' }, up: { symlink: '../../..' } }),
        async (w) => {
          assert.equal((await sh(w, 'pwd -P')).stdout, '/')
          assert.equal((await sh(w, 'pwd -P', { cwd: '/var/run/x' })).stdout, '/run/x')
          assert.equal((await sh(w, 'pwd -P', { cwd: '/up' })).stdout, '/')
          assert.equal((await sh(w, 'pwd -P', { cwd: '/proc' })).stdout, '/proc')
          await rejects(sh(w, 'true', { cwd: '/nowhere' }), 'RUN_FAILED')
        },
      ),
  },
  {
    name: 'user, group and supplementary groups',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const id = 'id -u; id -g; id -G'
        assert.equal((await sh(w, id)).stdout, '0\n0\n0')
        const user = { uid: 33, gid: 34, groups: [40, 41] }
        assert.equal((await sh(w, id, { user })).stdout, '33\n34\n34 40 41')
        assert.equal((await sh(w, id, { user: { uid: 33, gid: 34 } })).stdout, '33\n34\n34')
        assert.match((await sh(w, 'cat /etc/shadow', { user })).stderr, /Permission denied/)
      }),
  },
  {
    name: 'standard input, and nothing when none is given',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const stdin = Buffer.from('x'.repeat(200_000))
        assert.equal((await sh(w, 'wc -c', { stdin })).stdout.trim(), '200000')
        assert.equal((await sh(w, 'cat /dev/stdin', { stdin: Buffer.from('hi\n') })).stdout, 'hi')
        assert.equal((await sh(w, 'cat')).stdout, '')
      }),
  },
  {
    name: 'output comes as whole lines, live, the last one also without its end',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const seen: string[] = []
        const times: number[] = []
        await sh(w, "printf 'a\\nb'; printf 'é\\n\\nlast'; echo err >&2; sleep 0.3; echo ' end'", {
          onLine: (stream, line) => {
            seen.push(`${stream}:${line}`)
            times.push(performance.now())
          },
        })
        assert.deepEqual(
          seen.toSorted(),
          ['stderr:err', 'stdout:', 'stdout:a', 'stdout:bé', 'stdout:last end'].toSorted(),
        )
        assert.ok(times.at(-1)! - times[0]! > 200, 'the first line came only at the end')
      }),
  },
  {
    name: '/dev/stdout and /dev/stderr can be opened, also by another user',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        for (const uid of [0, 33]) {
          const user = { uid, gid: uid }
          const { stdout, stderr } = await sh(w, 'echo o >/dev/stdout; echo e >/dev/stderr', {
            user,
          })
          assert.deepEqual({ stdout, stderr }, { stdout: 'o', stderr: 'e' })
        }
      }),
  },
  {
    name: 'files are made with umask 022 whatever this process has',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const before = process.umask(0o077)
        try {
          assert.equal(
            (await sh(w, 'umask; mkdir d; : >f; stat -c %a d f')).stdout,
            '0022\n755\n644',
          )
        } finally {
          process.umask(before)
        }
      }),
  },
  {
    name: 'capabilities are Docker’s, and privileges may still be gained',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const { stdout } = await sh(w, 'cat /proc/self/status')
        assert.match(stdout, /^CapBnd:\t00000000a80425fb$/m)
        assert.match(stdout, /^CapEff:\t00000000a80425fb$/m)
        assert.match(stdout, /^CapInh:\t0000000000000000$/m)
        assert.match(stdout, /^NoNewPrivs:\t0$/m)
      }),
  },
  {
    name: 'setuid programs work',
    run: (setup) =>
      within(setup, busyboxTree({ 'etc/passwd': 'root::0:0::/:/bin/sh\n' }), async (w) => {
        await sh(w, 'mkdir /s; cp /bin/busybox /s/busybox; chmod 4755 /s/busybox')
        const user = { uid: 33, gid: 33 }
        assert.equal((await sh(w, "/s/busybox su root -c 'id -u'", { user })).stdout, '0')
        await sh(w, 'chmod 755 /s/busybox')
        assert.notEqual((await sh(w, "/s/busybox su root -c 'id -u'", { user })).stdout, '0')
      }),
  },
  {
    name: 'the host is out of reach: no file of it, no process, no device',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const escape = 'mkdir /j; cd /j; cat /proc/1/environ >/dev/null; ls / '
        const { stdout } = await sh(w, escape)
        assert.deepEqual(stdout.split('\n').toSorted(), [
          'bin',
          'dev',
          'etc',
          'j',
          'proc',
          'sys',
          'tmp',
        ])
        const { stdout: pids } = await sh(w, 'cd /proc; ls -d [0-9]*')
        assert.ok(pids.split('\n').length <= 4, pids)
        // the way out of a chroot: a directory above the root that was kept open
        const { stdout: up } = await sh(
          w,
          'mkdir -p /a/b; /bin/busybox chroot /a /../../bin/ls .. 2>&1; cd /a/b; ls /../../..',
        )
        assert.doesNotMatch(up, /\b(home|boot|usr|var)\b/)
        const { stdout: mounts } = await sh(w, 'cat /proc/mounts')
        assert.doesNotMatch(mounts, /^\/dev\/(?!null|zero|full|u?random|tty)/m)
        assert.match(mounts, /^\S+ \/proc\/sys proc ro/m)
        // a device node may be made (as root) but not opened
        const { stdout: node } = await sh(
          w,
          'mknod /dev/m c 1 1 2>/dev/null && cat /dev/m 2>/dev/null | wc -c; mknod /m c 1 1 2>/dev/null && cat /m 2>/dev/null | wc -c; :',
        )
        assert.doesNotMatch(node, /[1-9]/)
      }),
  },
  {
    name: 'devices, shared memory and terminals are there',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const { stdout } = await sh(
          w,
          'set -e; : >/dev/null; dd if=/dev/zero bs=4 count=1 2>/dev/null | wc -c; dd if=/dev/urandom bs=4 count=1 2>/dev/null | wc -c; : >/dev/shm/x; test -c /dev/pts/ptmx; test -L /dev/ptmx; echo fd >/dev/fd/1; stat -c %a /dev/shm',
        )
        assert.equal(stdout, '4\n4\nfd\n1777')
      }),
  },
  {
    name: 'no network by default, and a loopback that works',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const { stdout } = await sh(w, 'cat /proc/net/dev; cat /sys/class/net/lo/flags')
        assert.deepEqual(
          [...stdout.matchAll(/^ *(\w+):/gm)].map((m) => m[1]),
          ['lo'],
        )
        assert.match(stdout, /^0x9$/m)
        assert.match((await sh(w, '/bin/busybox ping -c 1 127.0.0.1')).stdout, /1 packets received/)
      }),
  },
  {
    name: 'the host’s network comes with its resolv.conf and hosts, for that run only',
    run: (setup) =>
      within(
        setup,
        busyboxTree({ 'etc/resolv.conf': { symlink: '/run/systemd/resolve/stub-resolv.conf' } }),
        async (w) => {
          const { stdout } = await sh(w, 'cat /etc/hosts /etc/resolv.conf; cat /proc/net/dev', {
            network: 'host',
          })
          assert.match(stdout, /127\.0\.0\.1\s+plinth/)
          const here = readFileSync('/proc/net/dev', 'latin1')
          assert.deepEqual(
            interfacesIn(stdout).filter((n) => interfacesIn(here).includes(n)),
            interfacesIn(here),
          )
          assert.equal((await sh(w, 'cat /etc/hosts')).stdout, '')
          assert.deepEqual(listing(await w.changes()), {})
        },
      ),
  },
  {
    name: 'the hostname is plinth, or what was asked for',
    run: async (setup) => {
      await within(setup, busyboxTree(), async (w) => {
        assert.equal((await sh(w, 'hostname')).stdout, 'plinth')
      })
      await using w = await setup.executor.open(busyboxTree(), { signal: never, hostname: 'other' })
      assert.equal((await sh(w, 'hostname')).stdout, 'other')
    },
  },
  {
    name: 'what a process leaves running does not outlive its run',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const started = performance.now()
        await sh(w, 'sleep 60 & (sleep 61 >/dev/null 2>&1 &) ; true')
        assert.ok(performance.now() - started < 20_000)
        const { stdout } = await sh(w, 'cat /proc/[0-9]*/cmdline')
        assert.doesNotMatch(stdout, /sleep\0/)
      }),
  },
  {
    name: 'orphans are reaped: a script that waits for a daemon to be gone sees it go',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const script =
          'for i in 1 2 3 4 5 6; do (sleep 0.1 & echo $! >>/pids); done; sleep 0.6; for p in $(cat /pids); do test ! -e /proc/$p || echo $p; done'
        assert.equal((await sh(w, script)).stdout, '')
        // and PID 1 has not mistaken it for the end
        assert.deepEqual((await sh(w, 'sleep 0.1 & (sleep 0.05 &) ; sleep 0.2')).status, {
          code: 0,
        })
        assert.deepEqual((await sh(w, 'true')).status, { code: 0 })
      }),
  },
]

const changing: readonly ExecutorCase[] = [
  {
    name: 'nothing done, nothing changed: not even where things were mounted',
    run: async (setup) => {
      const files = { 'etc/hosts': 'own\n', 'proc/': { mode: 0o555 } }
      assert.deepEqual(
        await changesOf(setup, files, 'cat /etc/hosts; ls /proc /sys /dev >/dev/null'),
        {},
      )
    },
  },
  {
    name: 'files made, changed, removed; modes and owners; directories only when they changed themselves',
    run: async (setup) => {
      const files = { 'd/a': '1', 'd/b': '2', 'd/keep': '3', 'e/x': '4', 'e2/': { mode: 0o700 } }
      const script =
        'echo new >/d/new; echo more >>/d/a; rm /d/b; rm -r /e; chmod 755 /e2; mkdir -m 2770 /n; chown 33:44 /n; chmod 640 /d/keep'
      assert.deepEqual(await changesOf(setup, files, script), {
        'd/a': 'file 0644 0:0 "1more\\n"',
        'd/b': 'whiteout',
        'd/keep': 'file 0640 0:0 "3"',
        'd/new': 'file 0644 0:0 "new\\n"',
        e: 'whiteout',
        e2: 'directory 0755 0:0',
        n: 'directory 2770 33:44',
      })
    },
  },
  {
    name: 'a directory that was renamed',
    run: async (setup) => {
      const files = { 'old/sub/f': 'f', 'old/g': 'g' }
      assert.deepEqual(await changesOf(setup, files, 'mv /old /new'), {
        new: 'directory 0755 0:0',
        'new/g': 'file 0644 0:0 "g"',
        'new/sub': 'directory 0755 0:0',
        'new/sub/f': 'file 0644 0:0 "f"',
        old: 'whiteout',
      })
    },
  },
  {
    name: 'a directory removed and made again hides what was in it, all of it, once',
    run: async (setup) => {
      const files = { 'o/a': 'a', 'o/s/deep/x': 'x', 'o/s/y': 'y', 'o/t/z': 'z', 'o/k': 'k' }
      const script = 'rm -r /o; mkdir /o; mkdir /o/s; echo k2 >/o/k; echo y2 >/o/s/y'
      assert.deepEqual(await changesOf(setup, files, script), {
        'o/a': 'whiteout',
        'o/k': 'file 0644 0:0 "k2\\n"',
        'o/s/deep': 'whiteout',
        'o/s/y': 'file 0644 0:0 "y2\\n"',
        'o/t': 'whiteout',
      })
    },
  },
  {
    name: 'one type in the place of another',
    run: async (setup) => {
      const files = { 'was-dir/f': 'f', 'was-file': 'x', 'was-link': { symlink: 'was-file' } }
      const script =
        'rm -r /was-dir /was-file /was-link; echo 1 >/was-dir; mkdir /was-file; echo 2 >/was-link'
      assert.deepEqual(await changesOf(setup, files, script), {
        'was-dir': 'file 0644 0:0 "1\\n"',
        'was-file': 'directory 0755 0:0',
        'was-link': 'file 0644 0:0 "2\\n"',
      })
    },
  },
  {
    name: 'links of both kinds, fifos, setuid',
    run: async (setup) => {
      const script =
        'ln -s /etc/passwd /l; echo x >/f; ln /f /g; mkfifo -m 600 /p; echo s >/s; chmod 6755 /s'
      assert.deepEqual(await changesOf(setup, {}, script), {
        f: 'file 0644 0:0 "x\\n"',
        g: 'hardlink 0644 0:0 -> f',
        l: 'symlink 0777 0:0 -> /etc/passwd',
        p: 'fifo 0600 0:0',
        s: 'file 6755 0:0 "s\\n"',
      })
    },
  },
  {
    name: 'a file touched but the same is no change, a new time is one, in whole seconds',
    run: async (setup) => {
      const files = { a: 'a', b: 'b', c: { content: 'c', mode: 0o600 } }
      await within(setup, busyboxTree(files), async (w) => {
        const keep = 'touch -r /a /ref; echo a >/tmp/x'
        await sh(
          w,
          `${keep}; chmod 755 /a; chmod 644 /a; touch /b; cat /c >/tmp/c; rm /tmp/c /tmp/x /ref`,
        )
        const changes = await w.changes()
        assert.deepEqual(listing(changes), { b: 'file 0644 0:0 "b"' })
        const [b] = changes
        assert.ok(b?.type === 'file' && Number.isInteger(b.mtime) && b.mtime > 1_700_000_000)
      })
    },
  },
  {
    name: 'bytes changed under the same size and time are a change',
    run: async (setup) => {
      const script = 'touch -r /a /ref; printf B >/a; touch -r /ref /a; rm /ref'
      assert.deepEqual(await changesOf(setup, { a: 'A' }, script), { a: 'file 0644 0:0 "B"' })
    },
  },
  {
    name: 'file capabilities and other attributes keep their bytes',
    run: async (setup) => {
      const xattrs = new Map<string, Uint8Array>([['security.capability', capability]])
      const base = busyboxTree({ 'bin/ping': { content: 'ping', mode: 0o755, xattrs } })
      await within(setup, base, async (w) => {
        assert.deepEqual((await sh(w, 'chown 0:0 /bin/ping; chmod 700 /etc')).status, { code: 0 })
        const binary = Buffer.from([0xff, 0x00, 0x80, 0x0a])
        await w.write(
          tree({
            'bin/other': { content: 'o', mode: 0o755, xattrs },
            'bin/note': { content: 'n', xattrs: new Map([['user.note', binary]]) },
          }).filter((e) => e.type === 'file'),
        )
        const found = listing(await w.changes())
        assert.equal(
          found['bin/other'],
          `file 0755 0:0 "o" security.capability=${capability.toString('hex')}`,
        )
        assert.match(found['bin/note'] ?? '', /"n"( user\.note=ff00800a)?$/)
        assert.equal(found['etc'], 'directory 0700 0:0')
      })
    },
  },
  {
    name: 'large contents are in the store, what it held before is not copied again',
    run: async (setup) => {
      const bytes = Buffer.alloc(300_000, 'plinth')
      const { digest } = await setup.store.put([Buffer.from('head'), bytes])
      const big = { ...tree({ big: '' })[0]!, size: bytes.length }
      const entry = { ...big, content: { kind: 'blob', digest, offset: 4 } } as Entry
      await within(setup, [...busyboxTree(), entry], async (w) => {
        assert.deepEqual(
          (await sh(w, 'wc -c </big; cp /big /copy; chmod 600 /big; chmod 644 /big')).stdout,
          '300000',
        )
        const changes = await w.changes()
        assert.deepEqual(listing(changes), { copy: 'file 0644 0:0 blob 300000' })
        const [copy] = changes
        assert.ok(copy?.type === 'file' && copy.content.kind === 'blob')
        const parts: Uint8Array[] = []
        for await (const part of setup.store.get(copy.content.digest)) parts.push(part)
        assert.ok(Buffer.concat(parts).equals(bytes))
      })
    },
  },
  {
    name: 'hard links of the base',
    run: async (setup) => {
      const files = { 'h/a': 'one', 'h/b': { hardlink: 'h/a' } }
      assert.deepEqual((await changesOf(setup, files, 'rm /h/b'))['h/b'], 'whiteout')
      const changed = await changesOf(setup, files, 'echo two >>/h/a')
      assert.equal(changed['h/a'], 'file 0644 0:0 "onetwo\\n"')
    },
  },
  {
    name: 'a directory moved into the place of another with the same names in it',
    run: async (setup) => {
      const files = { 'd1/x': '1', 'd1/only1': 'o', 'd2/x': '2', 'd2/s/y': 'y', 'd1/s/y': 'z' }
      const found = await changesOf(setup, files, 'rm -r /d1; mv /d2 /d1')
      assert.deepEqual(found, {
        'd1/only1': 'whiteout',
        'd1/s/y': 'file 0644 0:0 "y"',
        'd1/x': 'file 0644 0:0 "2"',
        d2: 'whiteout',
      })
    },
  },
]

const filing: readonly ExecutorCase[] = [
  {
    name: 'read and present follow links inside the tree; read gives undefined for what is no file',
    run: (setup) =>
      within(
        setup,
        busyboxTree({
          'run/real': 'deep',
          'var/run': { symlink: '/run' },
          link: { symlink: '../../../var/run/real' },
          gone: { symlink: 'no/such' },
          loop: { symlink: 'loop' },
          secret: { content: 's', mode: 0o600, uid: 33 },
        }),
        async (w) => {
          const text = async (path: string) => {
            const bytes = await w.read(path)
            return bytes && Buffer.from(bytes).toString()
          }
          assert.equal(await text('link'), 'deep')
          assert.equal(await text('/var/run/real'), 'deep')
          assert.equal(await text('secret'), 's')
          assert.equal(await text('loop'), undefined)
          assert.equal(await text('etc'), undefined)
          assert.equal(await text('no/such'), undefined)
          const asked = ['link', 'etc', 'no/such', 'sys', 'var/run/real', 'gone']
          assert.deepEqual(await w.present(asked), ['link', 'etc', 'var/run/real'])
          assert.deepEqual(await w.present([]), [])
          await sh(w, 'echo new >/run/real')
          assert.equal(await text('link'), 'new\n')
        },
      ),
  },
  {
    name: 'written entries are seen by runs, stay in the tree and count as changes',
    run: (setup) =>
      within(
        setup,
        busyboxTree({
          'usr/lib/': {},
          lib: { symlink: 'usr/lib' },
          'var/run': { symlink: '/tmp' },
        }),
        async (w) => {
          await w.write(
            tree({
              'usr/sbin/policy-rc.d': { content: '#!/bin/sh\nexit 101\n', mode: 0o755 },
              'lib/x.so': 'x',
              'var/run/y': 'y',
              'etc/passwd': 'replaced',
              'sys/': {},
            }).filter((e) => e.type !== 'directory' || e.path === 'sys'),
          )
          assert.deepEqual((await sh(w, '/usr/sbin/policy-rc.d')).status, { code: 101 })
          assert.deepEqual(listing(await w.changes()), {
            'etc/passwd': 'file 0644 0:0 "replaced"',
            sys: 'directory 0755 0:0',
            'tmp/y': 'file 0644 0:0 "y"',
            'usr/lib/x.so': 'file 0644 0:0 "x"',
            'usr/sbin': 'directory 0755 0:0',
            'usr/sbin/policy-rc.d': 'file 0755 0:0 "#!/bin/sh\\nexit 101\\n"',
          })
        },
      ),
  },
  {
    name: 'a base that writes through its own link is refused',
    run: async ({ executor }) => {
      const base = [...tree({ a: { symlink: '/tmp' } }), ...tree({ 'a/x': 'x' }).slice(1)]
      await rejects(executor.open(base, { signal: never }), 'PATH_UNSAFE')
    },
  },
  {
    name: 'a base whose proc is a link is refused',
    run: async ({ executor }) => {
      await rejects(
        executor.open(busyboxTree({ proc: { symlink: '/etc' } }), { signal: never }),
        'PATH_UNSAFE',
      )
    },
  },
  {
    name: 'an error of the base’s producer is the one thrown',
    run: async ({ executor }) => {
      await rejects(executor.open(failingBase(), { signal: never }), 'DIGEST_MISMATCH')
    },
  },
  {
    name: 'an abort ends a run at once, and everything after it fails the same way',
    run: async ({ executor }) => {
      const controller = new AbortController()
      await using w = await executor.open(busyboxTree(), { signal: controller.signal })
      const started = performance.now()
      setTimeout(() => controller.abort(), 100)
      await rejects(sh(w, 'sleep 60'), 'INTERRUPTED')
      assert.ok(performance.now() - started < 10_000)
      await rejects(w.changes(), 'INTERRUPTED')
      await rejects(executor.open([], { signal: controller.signal }), 'INTERRUPTED')
    },
  },
  {
    name: 'several workspaces at once do not meet',
    run: async (setup) => {
      const results = await Promise.all(
        ['a', 'b', 'c'].map((name) =>
          within(setup, busyboxTree(), async (w) => {
            await sh(w, `echo ${name} >/${name}; sleep 0.1`)
            return Object.keys(listing(await w.changes()))
          }),
        ),
      )
      assert.deepEqual(results, [['a'], ['b'], ['c']])
    },
  },
]

/** Everything an executor promises on a Linux machine that has what it needs. */
export const executorCases: readonly ExecutorCase[] = [
  ...running,
  ...changing,
  ...filing,
  ...layerCases,
  ...mountCases,
  ...faultCases,
]
