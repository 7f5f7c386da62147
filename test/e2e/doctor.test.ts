import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exitProgram } from '../../src/executor/native/exit-program.ts'
import type { Finding } from '../../src/pipeline/doctor/finding.ts'
import { managerOf } from '../../src/pipeline/doctor/install-hint.ts'
import { installPlinth, type Installed } from '../support/installed.ts'
import { needs } from '../support/needs.ts'
import { runProcess } from '../support/plinth.ts'
import { testUser } from '../support/unprivileged.ts'

test.each([
  ['ID=debian\n', 'apt'],
  ['NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', 'apt'],
  ['ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', 'zypper'],
  ['ID=alpine\n', 'apk'],
  ['ID=plan9\n', undefined],
])('managerOf(%j)', (text, manager) => {
  expect(managerOf(text)).toBe(manager)
})

test('exitProgram() knows no other architectures than it can write', () => {
  expect(exitProgram('vax')).toBeUndefined()
  expect([...exitProgram('s390x')!.subarray(0, 7)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 2, 2, 1])
})

const available = needs('linux', 'root', 'user-namespaces', 'newuidmap').available

describe.skipIf(!available)('plinth doctor', () => {
  let installed: Installed
  let home: string
  beforeAll(async () => {
    installed = await installPlinth()
    home = mkdtempSync(path.join(tmpdir(), 'plinth-doctor-'))
    spawnSync('chmod', ['755', home])
  }, 60_000)
  afterAll(() => {
    installed?.[Symbol.dispose]()
    rmSync(home, { recursive: true, force: true })
  })

  let count = 0
  /** Runs it behind `prefix`, with a store that `owner` owns. */
  const doctor = async (prefix: readonly string[] = [], owner = 'root') => {
    const store = path.join(home, `store-${count++}`)
    mkdirSync(store)
    spawnSync('chown', [owner, store])
    const command = [process.execPath, installed.binary, 'doctor', '--json', '--store', store]
    const [first, ...rest] = [...prefix, ...command] as [string, ...string[]]
    const ended = await runProcess([first, ...rest], { env: { HOME: store }, cwd: '/' })
    const { able, findings } = JSON.parse(ended.stdout) as {
      readonly able: boolean
      readonly findings: readonly Finding[]
    }
    const of = (name: string) => findings.find((finding) => finding.name === name)
    return { code: ended.code, able, of, findings, store }
  }

  test('finds everything where everything is, and leaves nothing', async () => {
    const { code, able, of, store } = await doctor()
    expect({ code, able }).toEqual({ code: 0, able: true })
    for (const name of ['store', 'programs', 'namespaces', 'ids', 'storage', 'run', 'network']) {
      expect(of(name)).toMatchObject({ name, state: 'ok' })
    }
    const left = readdirSync(store, { recursive: true, withFileTypes: true })
    const files = left.filter((file) => file.isFile()).map((file) => file.name)
    expect(files.toSorted()).toEqual(['index.json', 'oci-layout'])
  })

  test('an ordinary user may do all of it', async () => {
    const user = testUser()
    const prefix = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--']
    const { code, of } = await doctor(prefix, user)
    expect(code).toBe(0)
    expect(of('run')).toMatchObject({ state: 'ok' })
    expect(of('network')).toMatchObject({ state: 'ok' })
  })

  test('without subordinate ids it works, with less, and says how to get them', async () => {
    const prefix = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--']
    const { code, of } = await doctor(prefix, 'nobody')
    expect(code).toBe(0)
    expect(of('ids')).toMatchObject({ state: 'degraded' })
    expect(of('ids')?.hint).toContain('--add-subuids')
  })

  test('where namespaces are forbidden it cannot build: the setting is named', async () => {
    const user = testUser()
    const script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    const { code, able, of } = await doctor(
      [
        ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--'],
        ['unshare', '--map-root-user', 'sh', '-c', script, 'sh'],
        ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'],
      ].flat(),
      user,
    )
    expect({ code, able }).toEqual({ code: 1, able: false })
    expect(of('namespaces')).toMatchObject({ state: 'failed' })
    expect(of('namespaces')?.detail).toContain('user.max_user_namespaces is 0')
    expect(of('namespaces')?.hint).toContain('sysctl --system')
    expect(of('run')).toMatchObject({ state: 'skipped' })
    expect(of('xz')).toBeDefined()
  })

  test('programs that are missing are named, with what installs them', async () => {
    const hide = 'mount --bind /dev/null "$(readlink -f "$(command -v nsenter)")" && exec "$@"'
    const { code, of } = await doctor(['unshare', '--mount', 'sh', '-c', hide, 'sh'])
    expect(code).toBe(1)
    expect(of('programs')).toMatchObject({ state: 'failed' })
    expect(of('programs')?.hint).toContain('util-linux')
  })

  test('a store that cannot be written to is told', async () => {
    const prefix = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--']
    const { code, of } = await doctor(prefix, 'root')
    expect(code).toBe(1)
    expect(of('store')).toMatchObject({ state: 'failed' })
  })
})
