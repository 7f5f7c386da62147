import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { Mount } from '../../src/ports.ts'
import { isPlinthError } from '../../src/errors.ts'
import { busyboxTree, listing } from '../support/tree.ts'
import { type ExecutorCase, sh, within } from './executor-support.ts'

const kernel = (name: string): string => readFileSync(`/proc/sys/kernel/${name}`, 'latin1')

/** What a run that goes wrong, or means ill, cannot do. */
export const faultCases: readonly ExecutorCase[] = [
  {
    name: 'faults: a run that fails leaves what it did, and the next one runs',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        assert.deepEqual((await sh(w, 'echo 1 >/a; exit 7')).status, { code: 7 })
        assert.equal((await sh(w, 'cat /a')).stdout, '1')
        assert.deepEqual(Object.keys(listing(await w.changes())), ['a'])
      }),
  },
  {
    name: 'faults: a run without /bin/sh is 127, and its removal is a change',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        await sh(w, 'busybox rm /bin/sh', { argv: ['/bin/rm', '/bin/sh'] })
        assert.equal((await sh(w, 'true')).status.code, 127)
        assert.deepEqual(listing(await w.changes()), { 'bin/sh': 'whiteout' })
      }),
  },
  {
    name: 'faults: daemons that hold the output and ignore signals end with their run',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const started = performance.now()
        const daemon =
          '(trap "" TERM HUP INT; while :; do /bin/busybox sleep 0.05; echo x >>/log; done) &'
        const { status, stdout } = await sh(w, `/bin/busybox setsid sh -c '${daemon}'; echo up`)
        assert.deepEqual({ status, stdout }, { status: { code: 0 }, stdout: 'up' })
        assert.ok(performance.now() - started < 20_000)
        const size = async (): Promise<number> => (await w.read('log'))?.length ?? 0
        assert.equal(await size(), await size())
      }),
  },
  {
    name: 'faults: resolv.conf and hosts can be written and replaced by nothing but the run itself',
    run: (setup) =>
      within(setup, busyboxTree({ 'etc/hosts': 'own\n' }), async (w) => {
        const own = readFileSync('/etc/hosts', 'utf8')
        const script =
          'echo lost >/etc/resolv.conf && echo lost >/etc/hosts && cat /etc/resolv.conf /etc/hosts'
        assert.equal((await sh(w, script, { network: 'host' })).stdout, 'lost\nlost')
        assert.doesNotMatch((await sh(w, 'cat /etc/hosts', { network: 'host' })).stdout, /lost/)
        assert.equal(readFileSync('/etc/hosts', 'utf8'), own)
        assert.equal(Buffer.from((await w.read('etc/hosts'))!).toString(), 'own\n')
        assert.deepEqual(listing(await w.changes()), {})
      }),
  },
  {
    name: 'faults: a hostile run cannot mount, rename the machine or turn the kernel’s knobs',
    run: (setup) =>
      within(setup, busyboxTree(), async (w) => {
        const before = [kernel('core_pattern'), kernel('hostname'), hostname()]
        const b = '/bin/busybox'
        for (const attempt of [
          `${b} mount -t tmpfs x /tmp`,
          `${b} mount -o remount,rw /proc/sys`,
          `${b} mount -o bind /proc/self/root /tmp`,
          `${b} umount /proc/sys`,
          `${b} umount -l /dev`,
          'echo evil >/proc/sys/kernel/core_pattern',
          'echo evil >/proc/sys/kernel/hostname',
          'hostname evil',
          'echo h >/proc/sysrq-trigger',
          'echo evil >/sys/kernel/uevent_helper',
          'echo evil >/proc/self/attr/current',
          'cat /proc/1/environ',
          'ls /proc/1/root/',
          'ls -l /proc/1/cwd/',
          `${b} unshare -Urm sh -c "mount -o remount,rw /proc/sys && echo evil >/proc/sys/kernel/core_pattern"`,
          `${b} unshare -Urm sh -c "umount -l /proc/sys && echo evil >/proc/sys/kernel/core_pattern"`,
          `${b} nsenter -t 1 -m ls /`,
          `${b} chroot /proc/1/root ls /`,
          'dd if=/dev/mem bs=1 count=1',
          'mknod /n b 7 0 && dd if=/n bs=1 count=1',
          'mknod /dev/n c 1 1 && dd if=/dev/n bs=1 count=1',
          `test -s /proc/keys && cat /proc/keys && exit 0; exit 1`,
        ]) {
          const { status } = await sh(w, `(${attempt}) >/dev/null 2>&1`)
          assert.notEqual(status.code, 0, attempt)
        }
        assert.deepEqual([kernel('core_pattern'), kernel('hostname'), hostname()], before)
      }),
  },
  {
    name: 'faults: a hostile run sees nothing of the host’s environment, and no process of it',
    run: async (setup) => {
      const mark = `plinth-mark-${process.pid}`
      process.env['PLINTH_MARK'] = mark
      try {
        await within(setup, busyboxTree(), async (w) => {
          const { stdout } = await sh(
            w,
            'cat /proc/*/environ /proc/*/cmdline 2>/dev/null; env; cat /proc/*/maps | wc -l',
            { network: 'host' },
          )
          assert.ok(!stdout.includes(mark))
          assert.ok(!stdout.includes(process.execPath))
        })
      } finally {
        delete process.env['PLINTH_MARK']
      }
    },
  },
  {
    name: 'faults: links that change while a run is being set up lead nowhere else',
    run: async (setup) => {
      const directory = mkdtempSync(join(tmpdir(), 'plinth-race-'))
      const [shared, outside] = [join(directory, 'shared'), join(directory, 'outside')]
      mkdirSync(shared)
      mkdirSync(outside)
      // another run that has the same directory mounted
      const script = `cd '${shared}'; mkdir real; while :; do mv real x; mv x real; ln -s '${outside}' x; rm x; done`
      const racer = spawn('sh', ['-c', script], { stdio: 'ignore', detached: true })
      try {
        await within(setup, busyboxTree(), async (w) => {
          const mounts: Mount[] = [
            { type: 'directory', path: shared, target: '/d' },
            { type: 'tmpfs', target: '/d/x/new' },
            {
              type: 'file',
              content: Buffer.from('s'),
              target: '/d/x/f',
              mode: 0o600,
              uid: 0,
              gid: 0,
            },
          ]
          for (let i = 0; i < 15; i++) {
            try {
              await sh(w, 'true', { mounts })
            } catch (error) {
              // an engine has words of its own for it
              assert.ok(isPlinthError(error) && error.code !== 'INTERNAL', String(error))
            }
            assert.deepEqual(readdirSync(outside), [])
          }
        })
      } finally {
        // with what it has just started
        process.kill(-racer.pid!, 'SIGKILL')
        await new Promise((resolve) => racer.once('close', resolve))
        rmSync(directory, { recursive: true, force: true })
      }
    },
  },
]
