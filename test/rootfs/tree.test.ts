import { describe, expect, test } from 'vitest'
import type { Change, Entry } from '../../src/entry.ts'
import {
  applyChanges,
  parentOf,
  resolveIn,
  sortedEntries,
  withOrderedLinks,
  type Tree,
} from '../../src/rootfs/tree.ts'
import { dir, file, hardlink, link } from '../support/layer.ts'
import { random } from '../support/random.ts'
import { codeOf } from '../support/streams.ts'

const treeOf = (...entries: readonly Entry[]): Tree => new Map(entries.map((e) => [e.path, e]))
const gone = (path: string): Change => ({ type: 'whiteout', path })
/** Path and what is there, in layer order: files by their content. */
const show = (tree: Tree) =>
  sortedEntries(tree).map((e) => {
    if (e.type === 'file')
      return `${e.path} = ${Buffer.from((e.content as { bytes: Uint8Array }).bytes).toString()}`
    return 'target' in e
      ? `${e.path} ${e.type === 'symlink' ? '->' : '=='} ${e.target}`
      : `${e.path}/`
  })

test('parentOf()', () => {
  expect(['a', 'a/b', 'a/b/c', ''].map(parentOf)).toEqual(['', 'a', 'a/b', ''])
})

describe('resolveIn()', () => {
  const tree = treeOf(
    dir('usr'),
    dir('usr/bin'),
    link('bin', 'usr/bin'),
    link('abs', '/usr/bin'),
    link('up', '../../../usr'),
    link('chain', 'bin'),
    link('dot', './usr/../usr/./bin/'),
    link('usr/self', '.'),
    link('loop', 'loop2'),
    link('loop2', 'loop'),
    link('usr/bin/sh', 'dash'),
    link('missing', 'not/there'),
    link('root', '/'),
    file('file', ''),
  )
  test.each([
    ['bin/sh', false, 'usr/bin/sh'],
    ['bin/sh', true, 'usr/bin/dash'],
    ['bin', false, 'bin'],
    ['bin', true, 'usr/bin'],
    ['abs/x', false, 'usr/bin/x'],
    ['up/x', false, 'usr/x'],
    ['chain/x', false, 'usr/bin/x'],
    ['dot/x', false, 'usr/bin/x'],
    ['usr/self/self/self/bin/x', false, 'usr/bin/x'],
    ['missing/x', false, 'not/there/x'],
    ['root/etc', false, 'etc'],
    ['root', true, ''],
    ['bin/../x', false, 'usr/x'],
    ['../../x', false, 'x'],
    ['', true, ''],
    ['loop', false, 'loop'],
    ['loop', true, undefined],
    ['loop/x', false, undefined],
  ] as const)('%s (last: %s) is %s', (path, last, expected) => {
    expect(resolveIn(tree, path, { last })).toBe(expected)
  })

  test('follows forty links and no more', () => {
    const chain = treeOf(...Array.from({ length: 42 }, (_, i) => link(`l${i}`, `l${i + 1}`)))
    expect(resolveIn(chain, 'l2', { last: true })).toBe('l42')
    expect(resolveIn(chain, 'l1', { last: true })).toBe(undefined)
  })
})

describe('applyChanges()', () => {
  const base = treeOf(
    dir('d'),
    dir('d/sub'),
    file('d/sub/f', '1'),
    file('d-not', '2'),
    file('implied/deep/f', '3'),
    link('l', 'd'),
  )
  test.each<{ name: string; changes: Change[]; expected: string[] }>([
    {
      name: 'nothing',
      changes: [],
      expected: ['d/', 'd-not = 2', 'd/sub/', 'd/sub/f = 1', 'implied/deep/f = 3', 'l -> d'],
    },
    {
      name: 'a whiteout takes a directory and what it holds',
      changes: [gone('d')],
      expected: ['d-not = 2', 'implied/deep/f = 3', 'l -> d'],
    },
    {
      name: 'also one that is no entry itself',
      changes: [gone('implied')],
      expected: ['d/', 'd-not = 2', 'd/sub/', 'd/sub/f = 1', 'l -> d'],
    },
    {
      name: 'a whiteout of a link leaves what it points to',
      changes: [gone('l')],
      expected: ['d/', 'd-not = 2', 'd/sub/', 'd/sub/f = 1', 'implied/deep/f = 3'],
    },
    {
      name: 'a whiteout of nothing is nothing',
      changes: [gone('no/where')],
      expected: ['d/', 'd-not = 2', 'd/sub/', 'd/sub/f = 1', 'implied/deep/f = 3', 'l -> d'],
    },
    {
      name: 'a file over a directory takes what it held',
      changes: [file('d', 'now')],
      expected: ['d = now', 'd-not = 2', 'implied/deep/f = 3', 'l -> d'],
    },
    {
      name: 'a directory over a directory keeps it',
      changes: [dir('d', { mode: 0o700 })],
      expected: ['d/', 'd-not = 2', 'd/sub/', 'd/sub/f = 1', 'implied/deep/f = 3', 'l -> d'],
    },
    {
      name: 'a directory made anew holds only the new',
      changes: [gone('d'), dir('d'), file('d/new', '4')],
      expected: ['d/', 'd-not = 2', 'd/new = 4', 'implied/deep/f = 3', 'l -> d'],
    },
  ])('$name', ({ changes, expected }) => {
    const before = show(base)
    expect(show(applyChanges(base, changes))).toEqual(expected)
    expect(show(base)).toEqual(before)
  })

  const linked = treeOf(
    file('a', 'old'),
    hardlink('b', 'a'),
    hardlink('c', 'a'),
    hardlink('d', 'a'),
  )
  test.each<{ name: string; changes: Change[]; expected: string[] }>([
    { name: 'the target', changes: [gone('a')], expected: ['b = old', 'c == b', 'd == b'] },
    {
      name: 'the target and the first heir',
      changes: [gone('a'), gone('b')],
      expected: ['c = old', 'd == c'],
    },
    { name: 'a link', changes: [gone('c')], expected: ['a = old', 'b == a', 'd == a'] },
    { name: 'all', changes: ['a', 'b', 'c', 'd'].map(gone), expected: [] },
    {
      name: 'the target, for another file',
      changes: [file('a', 'new')],
      expected: ['a = new', 'b = old', 'c == b', 'd == b'],
    },
    {
      name: 'the target and one link along',
      changes: [file('a', 'new'), hardlink('c', 'a')],
      expected: ['a = new', 'b = old', 'c == a', 'd == b'],
    },
  ])('hard links outlive $name', ({ changes, expected }) => {
    expect(show(applyChanges(linked, changes))).toEqual(expected)
  })

  test('does not slow down with the square of its input', () => {
    const entries = Array.from({ length: 40_000 }, (_, i) => file(`d${i % 200}/f${i}`, ''))
    const changes = entries.filter((_, i) => i % 2 === 0).map((e) => gone(e.path))
    const started = performance.now()
    expect(applyChanges(treeOf(...entries), changes).size).toBe(20_000)
    expect(performance.now() - started).toBeLessThan(3000)
  })
})

describe('withOrderedLinks()', () => {
  test('heads every group with its first path', async () => {
    const tree = treeOf(file('m', 'x'), hardlink('z', 'm'), hardlink('a', 'm'), file('other', 'y'))
    expect(show(withOrderedLinks(tree))).toEqual(['a = x', 'm == a', 'other = y', 'z == a'])
    expect(show(tree)).toEqual(['a == m', 'm = x', 'other = y', 'z == m'])
  })

  test.each([
    ['nothing', treeOf(hardlink('a', 'missing'))],
    ['a symbolic link', treeOf(hardlink('a', 'l'), link('l', 'x'))],
    ['a directory', treeOf(hardlink('a', 'd'), dir('d'))],
    ['another hard link', treeOf(hardlink('a', 'b'), hardlink('b', 'c'), file('c', ''))],
    ['the outside', treeOf(hardlink('a', '../../etc/passwd'))],
  ])('refuses a link to %s', async (_, tree) => {
    expect(await codeOf(() => withOrderedLinks(tree))).toBe('PATH_UNSAFE')
  })

  test('makes the same of every order of the same tree', () => {
    const entries = [
      file('m', 'x'),
      hardlink('z', 'm'),
      hardlink('a', 'm'),
      dir('d'),
      link('d/l', 'x'),
    ]
    const expected = show(withOrderedLinks(treeOf(...entries)))
    const dice = random(1)
    for (let i = 0; i < 20; i++) {
      const shuffled = entries.toSorted(() => dice.int(3) - 1)
      expect(show(withOrderedLinks(treeOf(...shuffled)))).toEqual(expected)
    }
  })
})

test('sortedEntries() puts directories before what they hold', () => {
  const paths = ['a', 'a!', 'a-b', 'a/b', 'a/b/c', 'a0', 'b', 'Z', 'ü', '\u{1F600}', '\uFFFD']
  const dice = random(2)
  const tree = treeOf(...paths.toSorted(() => dice.int(3) - 1).map((p) => file(p, '')))
  expect(sortedEntries(tree).map((e) => e.path)).toEqual(paths.toSorted())
  expect(paths.toSorted().indexOf('a')).toBeLessThan(paths.toSorted().indexOf('a/b'))
})
