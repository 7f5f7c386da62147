import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Entry } from '../../src/entry.ts'
import { sha256 } from '../../src/digest.ts'
import type { Image } from '../../src/image.ts'
import { flatten } from '../../src/output/flatten.ts'
import type { Store } from '../../src/ports.ts'
import { openStore } from '../../src/store/store.ts'
import { device, dir, fifo, file, hardlink, link, makeImage, whiteout } from '../support/layer.ts'

const opaque = (path: string): Entry => file(`${path}/.wh..wh..opq`, '')

describe('flatten()', () => {
  let work: string
  let store: Store
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'flatten-'))
    store = await openStore(work)
  })
  afterEach(() => rm(work, { recursive: true, force: true }))

  const flat = async (image: Image) =>
    flatten(image, { store, signal: new AbortController().signal })
  /** Paths, with the first letter of the type, and contents or targets. */
  async function listing(...layers: Entry[][]): Promise<string[]> {
    const tree = await flat(await makeImage(store, ...layers))
    const lines: string[] = []
    for (const entry of tree.values()) {
      const target = 'target' in entry ? ` > ${entry.target}` : ''
      let text = ''
      if (entry.type === 'file' && entry.content.kind === 'blob') {
        const parts: Uint8Array[] = []
        for await (const part of store.get(entry.content.digest)) parts.push(part)
        text = ` ${Buffer.concat(parts).toString('utf8', entry.content.offset, entry.content.offset + entry.size)}`
      }
      lines.push(`${entry.type[0]} ${entry.path}${target}${text}`)
    }
    return lines.toSorted()
  }

  const base = [
    dir('a'),
    file('a/one', '1'),
    file('a/two', '2'),
    dir('a/sub'),
    file('a/sub/x', 'x'),
    link('l', 'a'),
  ]
  const cases: { name: string; upper: Entry[]; expected: string[] }[] = [
    {
      name: 'nothing',
      upper: [],
      expected: ['d a', 'd a/sub', 'f a/one 1', 'f a/sub/x x', 'f a/two 2', 's l > a'],
    },
    {
      name: 'a whiteout of a file',
      upper: [whiteout('a/one')],
      expected: ['d a', 'd a/sub', 'f a/sub/x x', 'f a/two 2', 's l > a'],
    },
    { name: 'a whiteout of a directory', upper: [whiteout('a')], expected: ['s l > a'] },
    {
      name: 'a whiteout of what is not there',
      upper: [whiteout('b')],
      expected: ['d a', 'd a/sub', 'f a/one 1', 'f a/sub/x x', 'f a/two 2', 's l > a'],
    },
    {
      name: 'a whiteout beside a new entry of the name',
      upper: [file('a/one', 'new'), whiteout('a/one')],
      expected: ['d a', 'd a/sub', 'f a/one new', 'f a/sub/x x', 'f a/two 2', 's l > a'],
    },
    {
      name: 'an opaque directory, wherever the mark stands',
      upper: [dir('a'), file('a/new', 'n'), opaque('a')],
      expected: ['d a', 'f a/new n', 's l > a'],
    },
    {
      name: 'a file in place of a directory',
      upper: [file('a', 'f')],
      expected: ['f a f', 's l > a'],
    },
    {
      name: 'a directory in place of a symlink',
      upper: [dir('l'), file('l/y', 'y')],
      expected: ['d a', 'd a/sub', 'd l', 'f a/one 1', 'f a/sub/x x', 'f a/two 2', 'f l/y y'],
    },
    {
      name: 'a file below a symlink',
      upper: [file('l/one', 'new')],
      expected: ['d a', 'd a/sub', 'f a/one new', 'f a/sub/x x', 'f a/two 2', 's l > a'],
    },
    {
      name: 'a whiteout below a symlink',
      upper: [whiteout('l/one')],
      expected: ['d a', 'd a/sub', 'f a/sub/x x', 'f a/two 2', 's l > a'],
    },
  ]
  test.each(cases)('applies $name', async ({ upper, expected }) => {
    expect(await listing(base, upper)).toEqual(expected)
  })

  test('keeps a hard link whose first name goes', async () => {
    expect(
      await listing([file('a', 'x'), hardlink('b', 'a'), hardlink('c', 'b')], [whiteout('a')]),
    ).toEqual(['f b x', 'h c > b'])
  })
  test('adds the directories that paths imply', async () => {
    expect(await listing([file('a/b/x', 'x')])).toEqual(['d a', 'd a/b', 'f a/b/x x'])
  })
  test('keeps pipes and devices', async () => {
    expect(await listing([device('n', 1, 3), fifo('p')])).toEqual(['c n', 'f p'])
  })

  const hostile: { name: string; layers: Entry[][]; code: string }[] = [
    { name: 'a path that climbs out', layers: [[file('../x', '')]], code: 'PATH_UNSAFE' },
    { name: 'an absolute path', layers: [[file('/etc/x', '')]], code: 'PATH_UNSAFE' },
    {
      name: 'a path below a file',
      layers: [[file('a', ''), file('a/b', '')]],
      code: 'PATH_UNSAFE',
    },
    {
      name: 'a symlink loop in a path',
      layers: [[link('a', 'b'), link('b', 'a'), file('a/x', '')]],
      code: 'PATH_UNSAFE',
    },
    { name: 'a hard link to nothing', layers: [[hardlink('a', 'b')]], code: 'PATH_UNSAFE' },
    { name: 'a hard link out', layers: [[hardlink('a', '../../etc/shadow')]], code: 'PATH_UNSAFE' },
    {
      name: 'a hard link to a directory',
      layers: [[dir('d'), hardlink('a', 'd')]],
      code: 'PATH_UNSAFE',
    },
    { name: 'a path twice', layers: [[file('a', '1'), file('a', '2')]], code: 'ARCHIVE_INVALID' },
    { name: 'a bare whiteout', layers: [[], [file('a/.wh.', '')]], code: 'ARCHIVE_INVALID' },
  ]
  test.each(hostile)('refuses $name', async ({ layers, code }) => {
    await expect(makeImage(store, ...layers).then(flat)).rejects.toMatchObject({ code })
  })

  test('a symlink that leads out of the tree leads back in', async () => {
    expect(await listing([link('up', '../../..'), file('up/x', 'x')])).toEqual([
      'f x x',
      's up > ../../..',
    ])
  })

  test('refuses a layer that is not its diff id', async () => {
    const image = await makeImage(store, base)
    const forged = { ...image, layers: [{ ...image.layers[0]!, diffId: sha256('other') }] }
    await expect(flat(forged)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  })

  test('refuses a layer that expands beyond reason', async () => {
    const image = await makeImage(store, [file('a', Buffer.alloc(8 << 20))])
    const claimed = { ...image, layers: [{ ...image.layers[0]!, size: 10 }] }
    await expect(flat(claimed)).rejects.toMatchObject({ code: 'DECOMPRESSION_BOMB' })
  })
})
