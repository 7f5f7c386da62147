import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/digest.ts'
import { file, scratch, stubs, withoutStubs } from '../../src/distro/deb/configure-stubs.ts'
import type { Change, Entry } from '../../src/entry.ts'

const shipping = (...names: readonly string[]): Map<string, Entry> =>
  new Map(names.map((path) => [path, file(path, `the real ${path}`, 0o755)]))
const shipped = shipping('usr/bin/sync', 'usr/sbin/start-stop-daemon')
const paths = (changes: readonly Change[]): string[] => changes.map(({ path }) => path)

/** As a workspace tells of a file: its content is in the store. */
function stored(entry: Entry): Entry {
  if (entry.type !== 'file' || entry.content.kind !== 'bytes') return entry
  return {
    ...entry,
    content: { kind: 'blob', digest: sha256(entry.content.bytes), offset: 0 },
  }
}

describe('stubs()', () => {
  test('stands in only for programs that are there', () => {
    expect(paths(stubs(shipped))).toEqual([
      'usr/sbin/policy-rc.d',
      'etc/hostname',
      'etc/resolv.conf',
      'usr/bin/sync',
      'usr/sbin/start-stop-daemon',
      scratch,
    ])
  })

  test('keeps the real program beside a shortcut for it', () => {
    const tree = shipping('usr/bin/deb-systemd-helper')
    const [real, shortcut] = stubs(tree).slice(-2)
    expect(real).toMatchObject({
      path: `${scratch}/deb-systemd-helper`,
      mode: 0o755,
      content: { bytes: Buffer.from('the real usr/bin/deb-systemd-helper') },
    })
    expect(shortcut).toMatchObject({ path: 'usr/bin/deb-systemd-helper', mode: 0o755 })
    const link = { mode: 0o777, uid: 0, gid: 0, mtime: 0, type: 'symlink' } as const
    const path = 'usr/bin/deb-systemd-helper'
    expect(paths(stubs(new Map([[path, { ...link, path, target: 'true' }]])))).not.toContain(path)
  })

  test('leaves names of the machine to the package that brings them', () => {
    const names = shipping('etc/hostname', 'etc/resolv.conf')
    expect(paths(stubs(names))).toEqual(['usr/sbin/policy-rc.d', scratch])
  })
})

describe('withoutStubs()', () => {
  test('drops what nobody touched, and the scratch directory', () => {
    const left: Change[] = [
      ...stubs(shipped).map(stored),
      { type: 'directory', path: scratch, mode: 0o755, uid: 0, gid: 0, mtime: 0 },
      file(`${scratch}/a_all.deb`, 'a', 0o644),
    ]
    expect(withoutStubs(left, shipped)).toEqual([])
  })

  test("keeps a script's own work in the place of a stub", () => {
    const link = { mode: 0o777, uid: 0, gid: 0, mtime: 0, type: 'symlink' } as const
    const work: Change[] = [
      stored(file('etc/hostname', 'chosen\n', 0o644)),
      { ...link, path: 'etc/resolv.conf', target: '../run/resolv.conf' },
      { ...link, path: 'usr/bin/sync', target: 'busybox' },
      { type: 'whiteout', path: 'usr/sbin/start-stop-daemon' },
      file(`${scratch}-of-a-package`, 'kept', 0o644),
    ]
    expect(withoutStubs(work, shipped)).toEqual(work)
  })

  test('keeps a file that a package brings although a stub would say the same', () => {
    const brought = file('etc/resolv.conf', '', 0o644)
    expect(withoutStubs([brought], shipping('etc/resolv.conf'))).toEqual([brought])
  })
})
