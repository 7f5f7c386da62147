import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import * as tarStream from 'tar-stream'
import { afterAll, describe, expect, test } from 'vitest'
import { readTar } from '../../src/archive/tar-read.ts'
import { writeTar, type FillContent, type OpenContent } from '../../src/archive/tar-write.ts'
import { sha256 } from '../../src/digest.ts'
import type { Entry } from '../../src/entry.ts'
import { device, dir, fifo, file, hardlink, link, tarOf } from '../support/layer.ts'
import { needs } from '../support/needs.ts'
import { random, type Random } from '../support/random.ts'
import { chunked, codeOf, gathered } from '../support/streams.ts'

/** Entries from an archive, read with plinth's own reader. */
async function entriesOf(archive: Uint8Array): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const member of readTar(chunked(archive), 'x', { end: 'required' })) {
    const { mode, uid, gid, mtime, xattrs } = member
    const common = { path: member.name.replace(/\/$/, ''), mode, uid, gid, mtime, xattrs }
    const bytes = await gathered(member.body())
    switch (member.type) {
      case 'file':
        entries.push({
          ...common,
          type: 'file',
          size: bytes.length,
          content: { kind: 'bytes', bytes },
        })
        break
      case 'symlink':
      case 'hardlink':
        entries.push({ ...common, type: member.type, target: member.linkname })
        break
      case 'character':
      case 'block':
        entries.push({ ...common, type: member.type, major: member.major, minor: member.minor })
        break
      case 'directory':
      case 'fifo':
        entries.push({ ...common, type: member.type })
    }
  }
  return entries
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1)

/** An entry as text, so that buffers and maps compare by what they hold and fields by name. */
function text(entry: Entry): string {
  return JSON.stringify(Object.entries(entry).toSorted(byKey), (_, value: unknown) =>
    value instanceof Map
      ? [...value]
          .map(([k, v]): [string, string] => [
            k as string,
            Buffer.from(v as Uint8Array).toString('hex'),
          ])
          .toSorted(byKey)
      : value,
  )
}

const component = (dice: Random): string =>
  dice
    .pick([
      'a',
      'usr',
      'lib x86',
      'ü',
      '日本',
      '😀',
      'new\nline',
      '%=',
      'n'.repeat(99),
      'n'.repeat(100),
      'm'.repeat(250),
    ])
    .concat(String(dice.int(1000)))
    .slice(0, 255)

/** Any entry a package or a workspace could have. */
function randomEntry(dice: Random, index: number): Entry {
  const depth = dice.int(4)
  const name = [
    ...Array.from({ length: depth }, () => component(dice)),
    component(dice),
    index,
  ].join('/')
  const xattrs = dice.oneIn(4)
    ? new Map([
        ['user.k', dice.bytes(dice.int(40))],
        ['security.capability', Buffer.from([1, 0, 0, 2, 0x0a, 0x3d, 0, 255])],
        ['user.a=b%', Buffer.alloc(0)],
      ])
    : undefined
  const more = {
    mode: dice.int(0o10000),
    uid: dice.pick([0, 42, 0o7777777, 0o7777777 + 1, 4_294_967_294]),
    gid: dice.pick([0, 65534, 0o7777777 + 1]),
    mtime: dice.pick([0, -1, 1_700_000_000, 2 ** 33 - 1, 2 ** 33, 2 ** 40]),
    xattrs,
  }
  const target = `${component(dice)}/${component(dice)}`
  const kinds: (() => Entry)[] = [
    () => file(name, dice.bytes(dice.pick([0, 1, 511, 512, 513, 3000])), more),
    () => ({ ...dir(name), ...more }),
    () => ({ ...link(name, target), ...more }),
    () => ({ ...hardlink(name, target), ...more }),
    () => ({ ...fifo(name), ...more }),
    () => ({ ...device(name, dice.int(4096), dice.int(1 << 20)), ...more }),
  ]
  return dice.pick(kinds)()
}

test('what writeTar() writes, readTar() reads', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const dice = random(seed)
    const entries = Array.from({ length: 1 + dice.int(12) }, (_, index) => randomEntry(dice, index))
    const archive = await tarOf(entries)
    expect(archive.length % 512).toBe(0)
    expect((await entriesOf(archive)).map(text), `seed ${seed}`).toEqual(entries.map(text))
  }
})

test('what writeTar() writes, tar-stream reads', async () => {
  for (let seed = 100; seed <= 115; seed++) {
    const dice = random(seed)
    const entries = Array.from({ length: 8 }, (_, index) => randomEntry(dice, index))
    const seen: string[] = []
    const extract = tarStream.extract()
    Readable.from([await tarOf(entries)]).pipe(extract)
    for await (const entry of extract) {
      const { name, type, mode, uid, gid, mtime, linkname } = entry.header
      const pax = (entry.header.pax ?? {}) as Readonly<Record<string, string>>
      const body = await gathered(entry as AsyncIterable<Uint8Array>)
      seen.push(
        [
          name.replace(/\/$/, ''),
          type,
          mode,
          // it leaves these to its user
          pax['uid'] ?? uid,
          pax['gid'] ?? gid,
          pax['mtime'] ?? Number(mtime) / 1000,
          linkname ?? '',
          sha256(body),
        ].join(' '),
      )
    }
    const types: Record<string, string> = { character: 'character-device', hardlink: 'link' }
    const expected = entries.map((e) =>
      [
        e.path,
        types[e.type] ?? e.type,
        e.mode,
        e.uid,
        e.gid,
        e.mtime,
        'target' in e ? e.target : '',
        sha256(e.type === 'file' && e.content.kind === 'bytes' ? e.content.bytes : ''),
      ].join(' '),
    )
    expect(seen, `seed ${seed}`).toEqual(expected)
  }
})

test('plain entries need no PAX header', async () => {
  // 155 + 1 + 100 bytes is what ustar's two fields hold
  const longest = `${'p'.repeat(155)}/${'n'.repeat(100)}`
  const archive = await tarOf([
    file(longest, 'x'),
    link('s', 't'.repeat(100)),
    dir(`${'p'.repeat(155)}/${'n'.repeat(99)}`),
  ])
  expect(archive.length).toBe(512 * (2 + 1 + 1 + 2))
  for (const entry of [
    file(`${'p'.repeat(155)}/${'n'.repeat(101)}`, ''),
    file(`${'p'.repeat(156)}/n${'n'.repeat(99)}`, ''),
  ])
    expect((await tarOf([entry])).toString('latin1', 156, 157)).toBe('x')
})

test('the same entries give the same bytes, however their content comes', async () => {
  const bytes = random(7).bytes(10_000)
  const entries = [file('a', bytes), file('b', bytes.subarray(0, 700))]
  const ways: OpenContent[] = [
    (content) => (content.kind === 'bytes' ? content.bytes : []),
    (content) => (content.kind === 'bytes' ? chunked(content.bytes, 333) : []),
  ]
  for (const after of [() => false, () => true]) {
    const cuts = await Promise.all(
      ways.map(async (open) => {
        const lengths: number[] = []
        for await (const chunk of writeTar(entries, { open, chunks: { max: 4096, after } }))
          lengths.push(chunk.length)
        return lengths
      }),
    )
    expect(cuts[0]).toEqual(cuts[1])
    expect(Math.max(...cuts[0]!)).toBeLessThanOrEqual(4096)
  }
})

test.each([0, 1, 3, Number.POSITIVE_INFINITY])(
  'content that fills %s pieces itself and is then opened gives the same bytes',
  async (fills) => {
    const bytes = random(8).bytes(10_000)
    const entries = [file('a', bytes), file('b', bytes.subarray(0, 700)), file('c', bytes)]
    const open: OpenContent = (content) =>
      content.kind === 'bytes' ? chunked(content.bytes, 333) : []
    let left = fills
    const fill: FillContent = (content, offset, target) => {
      if (content.kind !== 'bytes' || left-- <= 0) return false
      target.set(content.bytes.subarray(offset, offset + target.length))
      return true
    }
    const chunks = { max: 4096, after: () => true }
    const written = async (deps: { open: OpenContent; fill?: FillContent }) => {
      const pieces: Buffer[] = []
      for await (const chunk of writeTar(entries, { ...deps, chunks })) pieces.push(chunk)
      return { lengths: pieces.map(({ length }) => length), all: Buffer.concat(pieces) }
    }
    expect(await written({ open, fill })).toEqual(await written({ open }))
  },
)

test.each([
  { name: 'too little', size: 11 },
  { name: 'too much', size: 9 },
])('writeTar() refuses $name content', async ({ size }) => {
  const entry: Entry = { ...file('a', '0123456789'), size } as Entry
  expect(await codeOf(tarOf([entry]))).toBe('SIZE_MISMATCH')
})

const tar = (args: readonly string[], input?: Uint8Array) => {
  const { status, stdout, stderr } = spawnSync('tar', args, { input, maxBuffer: 2 ** 28 })
  expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: '' })
  return stdout
}

const gnuTar = needs('linux', 'root', 'tar', 'setcap')
describe.skipIf(!gnuTar.available)('GNU tar', () => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'plinth-tar-'))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')
  const xattrs = new Map([
    ['security.capability', capability],
    ['trusted.odd', Buffer.from([0, 10, 61, 255])],
    ['trusted.a=b', Buffer.from('v')],
  ])
  const tree: Entry[] = [
    dir('d', { mode: 0o1777 }),
    dir(`d/${'x'.repeat(200)}`),
    file(`d/${'x'.repeat(200)}/${'y'.repeat(250)}`, 'deep'),
    file('d/caps', 'ping', { mode: 0o755, xattrs }),
    fifo('d/fifo'),
    file('d/first', 'shared', { uid: 3_000_000, gid: 42, mode: 0o4755 }),
    hardlink('d/second', 'd/first', { uid: 3_000_000, gid: 42, mode: 0o4755 }),
    link('d/sym', 't'.repeat(150)),
    file('d/ünï 日本', 'name', { mtime: -5 }),
    device('d/zero', 1, 5),
  ]

  test.each(['gnu', 'pax', 'ustar'] as const)(
    'takes what we write and gives it back in format %s',
    async (format) => {
      const root = path.join(scratch, format)
      mkdirSync(root)
      // what the format cannot say is left out of it
      const entries = tree.filter(
        (e) =>
          format !== 'ustar' ||
          (!e.path.includes('x') &&
            e.path !== 'd/sym' &&
            e.mtime >= 0 &&
            e.uid < 2_000_000 &&
            e.type !== 'hardlink'),
      )
      tar(
        [
          '-C',
          root,
          '-x',
          '-p',
          '--xattrs',
          '--xattrs-include=*',
          '--numeric-owner',
          '--warning=no-timestamp',
        ],
        await tarOf(entries),
      )
      const back = tar([
        '-C',
        root,
        '-c',
        `--format=${format}`,
        ...(format === 'pax' ? ['--xattrs', '--xattrs-include=*'] : []),
        '--sort=name',
        '--numeric-owner',
        'd',
      ])
      const expected = entries.map((e) =>
        text({ ...e, xattrs: format === 'pax' ? e.xattrs : undefined }),
      )
      expect((await entriesOf(back)).map(text).toSorted()).toEqual(expected.toSorted())
    },
  )

  test('v7, incremental blocking and trailing garbage are read', async () => {
    const root = path.join(scratch, 'v7')
    mkdirSync(path.join(root, 'd'), { recursive: true })
    writeFileSync(path.join(root, 'd/f'), 'seven')
    const archive = tar([
      '-C',
      root,
      '-c',
      '--format=v7',
      '-b',
      '64',
      '--owner=7',
      '--group=8',
      'd',
    ])
    const seen = (await entriesOf(archive)).map((e) => `${e.type} ${e.path} ${e.uid}:${e.gid}`)
    expect(seen).toEqual(['directory d 7:8', 'file d/f 7:8'])
  })
})
