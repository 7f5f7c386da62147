import { describe, expect, test } from 'vitest'
import type { Entry } from '../../src/entry.ts'
import { diff, type Found } from '../../src/executor/native/changes.ts'
import { listing, tree, type TreeFile } from '../support/tree.ts'

type Files = Readonly<Record<string, TreeFile>>

interface Row {
  readonly name: string
  readonly base: Files
  readonly found?: Files
  readonly opaque?: readonly string[]
  readonly removed?: readonly string[]
  readonly stubs?: readonly string[]
  readonly same?: boolean
  readonly expected: Record<string, string>
}

const rows: readonly Row[] = [
  {
    name: 'leaves out what is equal in metadata and content',
    base: { 'd/f': 'x' },
    found: { 'd/f': 'x' },
    expected: {},
  },
  {
    name: 'keeps a file whose bytes differ under equal metadata',
    base: { f: 'x' },
    found: { f: 'y' },
    same: false,
    expected: { f: 'file 0644 0:0 "y"' },
  },
  {
    name: 'keeps an equal file that something else links to',
    base: { f: 'x' },
    found: { f: 'x', g: { hardlink: 'f' } },
    expected: { f: 'file 0644 0:0 "x"', g: 'hardlink 0644 0:0 -> f' },
  },
  {
    name: 'leaves out a directory whose time alone changed',
    base: { 'd/': { mtime: 1 } },
    found: { 'd/': { mtime: 2 } },
    expected: {},
  },
  {
    name: 'keeps a directory whose attributes changed',
    base: { 'd/': {} },
    found: { 'd/': { xattrs: new Map([['user.a', Buffer.from([0xff])]]) } },
    expected: { d: 'directory 0755 0:0 user.a=ff' },
  },
  {
    name: 'ignores the mode of a symbolic link, not its target or time',
    base: { a: { symlink: 'x' }, b: { symlink: 'x' }, c: { symlink: 'x', mtime: 1 } },
    found: { a: { symlink: 'x' }, b: { symlink: 'y' }, c: { symlink: 'x', mtime: 2 } },
    expected: { b: 'symlink 0777 0:0 -> y', c: 'symlink 0777 0:0 -> x' },
  },
  {
    name: 'spells out what an opaque directory hides, topmost only',
    base: { 'o/a': '', 'o/s/x': '', 'o/s/y': '', 'o/t/z/w': '', 'other/a': '' },
    found: { 'o/s/y': 'new' },
    opaque: ['o'],
    expected: {
      'o/a': 'whiteout',
      'o/s/x': 'whiteout',
      'o/s/y': 'file 0644 0:0 "new"',
      'o/t': 'whiteout',
    },
  },
  {
    name: 'does not spell out what went with a directory that is a file now',
    base: { 'o/s/x': '' },
    found: { 'o/': {}, 'o/s': 'file' },
    opaque: ['o'],
    expected: { 'o/s': 'file 0644 0:0 "file"' },
  },
  {
    name: 'drops a whiteout for what the base never had',
    base: { a: '' },
    removed: ['a', 'never'],
    expected: { a: 'whiteout' },
  },
  {
    name: 'drops empty stubs and the directories made for them',
    base: { 'etc/': {} },
    found: { 'etc/resolv.conf': '', 'run/a/stub.conf': '', 'proc/': {} },
    stubs: ['etc/resolv.conf', 'run', 'run/a', 'run/a/stub.conf', 'proc'],
    expected: {},
  },
  {
    name: 'keeps a stub that something was written to, and its directory',
    base: {},
    found: { 'run/stub.conf': 'nameserver', 'proc/own': 'x' },
    stubs: ['run', 'run/stub.conf', 'proc'],
    expected: {
      proc: 'directory 0755 0:0',
      'proc/own': 'file 0644 0:0 "x"',
      run: 'directory 0755 0:0',
      'run/stub.conf': 'file 0644 0:0 "nameserver"',
    },
  },
  {
    name: 'sorts by code units with parents first',
    base: {},
    found: { 'a/b': '', 'a-b': '', 'a.b': '' },
    expected: {
      a: 'directory 0755 0:0',
      'a-b': 'file 0644 0:0 ""',
      'a.b': 'file 0644 0:0 ""',
      'a/b': 'file 0644 0:0 ""',
    },
  },
]

function byPath(files: Files): Map<string, Entry> {
  return new Map(tree(files).map((e) => [e.path, e]))
}

describe('diff()', () => {
  test.each(rows)('$name', async (row) => {
    const found = new Map<string, Found>(
      [...byPath(row.found ?? {})].map(([path, entry]: [string, Entry]) => [
        path,
        { entry, opaque: row.opaque?.includes(path) ?? false },
      ]),
    )
    const base = byPath(row.base)
    const changes = await diff({
      base: {
        get: (path) => base.get(path),
        paths: () => base.keys(),
        sameContent: async () => row.same ?? true,
      },
      found,
      removed: row.removed ?? [],
      stubs: new Set(row.stubs),
    })
    expect(listing(changes)).toEqual(row.expected)
    expect(changes.map(({ path }) => path)).toEqual(Object.keys(row.expected))
  })
})
