import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { shortcuts, shortcutText } from '../../src/distro/deb/configure-shortcuts.ts'

let root = ''
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'plinth-shortcuts-'))))
afterEach(() => rmSync(root, { recursive: true }))

function put(path: string, text: string, mode = 0o644): string {
  const place = join(root, path)
  mkdirSync(dirname(place), { recursive: true })
  writeFileSync(place, text, { mode })
  return place
}

/** Runs a shortcut as if `root` were the system; the real program says what it was asked. */
function ask(name: string, ...args: readonly string[]): string {
  const shortcut = shortcuts.find(({ path }) => path === `usr/bin/${name}`)!
  const real = put('real', '#!/bin/sh\necho "real: $*"; exit 7\n', 0o755)
  const text = shortcutText(shortcut, real).replaceAll(/\/(?=var\/lib\/|etc\/systemd)/g, `${root}/`)
  const { status, stdout, stderr } = spawnSync('sh', ['-c', text, name, ...args], {
    encoding: 'utf8',
  })
  return `${status} ${stdout}${stderr}`
}

describe('deb-systemd-helper', () => {
  test('has nothing to unmask and took every unit for enabled on a fresh system', () => {
    expect(ask('deb-systemd-helper', 'unmask', 'a.service')).toBe('0 ')
    expect(ask('deb-systemd-helper', '--quiet', 'was-enabled', 'a.service')).toBe('0 ')
  })

  test.each([
    ['var/lib/systemd/deb-systemd-helper-masked/x', ['unmask', 'a.service']],
    ['etc/systemd/system/a.service', ['unmask', 'a.service']],
    ['etc/systemd/system/a.service', ['unmask', '/lib/systemd/system/a.service']],
    [
      'var/lib/systemd/deb-systemd-helper-enabled/a.service.dsh-also',
      ['--quiet', 'was-enabled', 'a.service'],
    ],
  ])('is asked itself where there is %s', (path, args) => {
    put(path, '')
    expect(ask('deb-systemd-helper', ...args)).toBe(`7 real: ${args.join(' ')}\n`)
  })

  test.each([
    [[]],
    [['enable', 'a.service']],
    [['update-state', 'a.service']],
    [['was-enabled', 'a.service']],
    [['--user', 'unmask', 'a.service']],
    [['--quiet', 'was-enabled', 'a.service', 'b.service']],
    [['--quiet', '--user', 'was-enabled', 'a.service']],
    [['unmask', '--user']],
    [['unmask', 'a.service', 'b.service']],
  ])('is asked itself for %j', (args) => {
    expect(ask('deb-systemd-helper', ...args)).toBe(`7 real: ${args.join(' ')}\n`)
  })
})

describe('dpkg-divert', () => {
  beforeEach(
    () => void put('var/lib/dpkg/diversions', '/lib64/ld.so\n/lib64/ld.so.other\nbase-files\n'),
  )

  test('a path that no diversion names is its own', () => {
    expect(ask('dpkg-divert', '--truename', '/bin/sh')).toBe('0 /bin/sh\n')
    expect(ask('dpkg-divert', '--truename', '/a b\\c')).toBe('0 /a b\\c\n')
    expect(ask('dpkg-divert', '--listpackage', '/bin/sh')).toBe('0 ')
  })

  test.each([
    [['--truename', '/lib64/ld.so']],
    [['--truename', '/lib64/ld.so.other']],
    [['--listpackage', '/lib64/ld.so']],
    [['--truename', 'relative']],
    [['--truename', '//bin/sh']],
    [['--truename', '/bin//sh']],
    [['--truename', '/bin/./sh']],
    [['--truename', '/bin/']],
    [['--truename', '/bin/.']],
    [['--list', '/bin/sh']],
    [['--quiet', '--truename', '/bin/sh']],
    [['--add', '--rename', '/bin/sh']],
  ])('is asked itself for %j', (args) => {
    expect(ask('dpkg-divert', ...args)).toBe(`7 real: ${args.join(' ')}\n`)
  })

  test('is asked itself where there is no list of diversions', () => {
    rmSync(join(root, 'var/lib/dpkg/diversions'))
    expect(ask('dpkg-divert', '--truename', '/bin/sh')).toBe('7 real: --truename /bin/sh\n')
  })
})
