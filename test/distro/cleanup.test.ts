import { describe, expect, test } from 'vitest'
import { applyCleanup, type CleanupRule } from '../../src/distro/cleanup.ts'
import { cleanUp, cleanupRules } from '../../src/distro/deb/cleanup.ts'
import type { Entry } from '../../src/entry.ts'
import { sortedEntries, type Tree } from '../../src/rootfs/tree.ts'
import { dir, file, hardlink, link } from '../support/layer.ts'

const treeOf = (...entries: readonly Entry[]): Tree => new Map(entries.map((e) => [e.path, e]))
const left = (tree: Tree, rules?: readonly CleanupRule[]) =>
  sortedEntries(rules ? applyCleanup(tree, rules, () => false) : cleanUp(tree)).map((e) =>
    e.type === 'file' ? `${e.path} ${e.size}` : e.path,
  )

describe('cleanUp() of a Debian tree', () => {
  test.each([
    ['var/log/dpkg.log', 'remove'],
    ['var/log/apt/history.log', 'remove'],
    ['var/log/apt', 'keep'],
    ['var/log/btmp', 'keep'],
    ['var/cache/apt/pkgcache.bin', 'remove'],
    ['var/cache/apt/archives/x_1_amd64.deb', 'remove'],
    ['var/cache/apt/archives/partial', 'keep'],
    ['var/cache/debconf/config.dat-old', 'remove'],
    ['var/cache/debconf/config.dat', 'keep'],
    ['var/lib/dpkg/status-old', 'remove'],
    ['var/lib/dpkg/status', 'keep'],
    ['var/lib/dpkg/info/x-old', 'keep'],
    ['var/lib/apt/lists/deb.example.org_debian_dists_x_InRelease', 'remove'],
    ['var/lib/apt/lists/lock', 'keep'],
    ['etc/machine-id', 'empty'],
    ['etc/machine-id.d', 'keep'],
    ['run/utmp', 'remove'],
    ['run/lock', 'keep'],
    ['run/lock/left', 'remove'],
    ['run', 'keep'],
    ['runner', 'keep'],
    ['tmp/a/b/c', 'remove'],
    ['tmp/new\nline', 'remove'],
    ['dev/null', 'remove'],
    ['usr/dev/null', 'keep'],
    ['varXlog/dpkg.log', 'keep'],
  ] as const)('%j: %s', (path, action) => {
    const expected = { remove: [], keep: [`${path} 4`], empty: [`${path} 0`] }
    expect(left(treeOf(file(path, 'text')))).toEqual(expected[action])
  })
})

test('cleanUp() leaves a link where it would empty a file', () => {
  expect(left(treeOf(link('etc/machine-id', '/run/machine-id')))).toEqual(['etc/machine-id'])
})

test('cleanUp() leaves no hard link without its file', () => {
  const tree = treeOf(
    file('tmp/a', 'shared'),
    hardlink('usr/b', 'tmp/a'),
    hardlink('usr/c', 'tmp/a'),
    file('usr/id', 'unique'),
    hardlink('etc/machine-id', 'usr/id'),
  )
  expect(left(tree)).toEqual(['etc/machine-id 0', 'usr/b 6', 'usr/c', 'usr/id 6'])
  expect(cleanUp(tree).get('usr/c')).toMatchObject({ type: 'hardlink', target: 'usr/b' })
})

test('cleanUp() takes what a removed directory holds', () => {
  const rules = [{ path: 'a/*', action: 'remove', reason: 'test' }] as const
  expect(left(treeOf(dir('a'), dir('a/b'), file('a/b/c', ''), dir('ab')), rules)).toEqual([
    'a',
    'ab',
  ])
})

test('every rule has its reason and no two the same path', () => {
  expect(cleanupRules.filter(({ reason }) => reason === '')).toEqual([])
  expect(new Set(cleanupRules.map((rule) => rule.path)).size).toBe(cleanupRules.length)
})
