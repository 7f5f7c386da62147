import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/digest.ts'
import { file, scratch, stubs, withoutStubs } from '../../src/distro/deb/configure-stubs.ts'
import type { Change, Entry } from '../../src/entry.ts'

const shipped = new Set(['usr/bin/sync', 'usr/sbin/start-stop-daemon'])
const has = (path: string): boolean => shipped.has(path)
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
    expect(paths(stubs(has))).toEqual([
      'usr/sbin/policy-rc.d',
      'etc/hostname',
      'etc/resolv.conf',
      'usr/bin/sync',
      'usr/sbin/start-stop-daemon',
    ])
  })

  test('leaves names of the machine to the package that brings them', () => {
    const names = new Set(['etc/hostname', 'etc/resolv.conf'])
    expect(paths(stubs((path) => names.has(path)))).toEqual(['usr/sbin/policy-rc.d'])
  })
})

describe('withoutStubs()', () => {
  test('drops what nobody touched, and the scratch directory', () => {
    const left: Change[] = [
      ...stubs(has).map(stored),
      { type: 'directory', path: scratch, mode: 0o755, uid: 0, gid: 0, mtime: 0 },
      file(`${scratch}/a_all.deb`, 'a', 0o644),
    ]
    expect(withoutStubs(left, has)).toEqual([])
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
    expect(withoutStubs(work, has)).toEqual(work)
  })

  test('keeps a file that a package brings although a stub would say the same', () => {
    const brought = file('etc/resolv.conf', '', 0o644)
    expect(withoutStubs([brought], (path) => path === 'etc/resolv.conf')).toEqual([brought])
  })
})
