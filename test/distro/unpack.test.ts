import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { conffilePaths, unpackDeb, type UnpackedDeb } from '../../src/distro/deb/unpack.ts'
import { digestHex, sha256 } from '../../src/digest.ts'
import type { Store } from '../../src/ports.ts'
import { contentReader } from '../../src/store/content.ts'
import { openStore } from '../../src/store/store.ts'
import { arArchive, buildDeb, compressBytes, controlText, type DebSpec } from '../support/deb.ts'
import { needs } from '../support/needs.ts'
import { random } from '../support/random.ts'
import { scratchStore } from '../support/scratch.ts'
import { codeOf } from '../support/streams.ts'
import { pax, rawTar, type RawMember } from '../support/tar.ts'

const unpackBytes = async (bytes: Uint8Array, store?: Store): Promise<UnpackedDeb> => {
  const into = store ?? (await scratchStore())
  const { digest } = await into.put([bytes])
  return unpackDeb(digest, 'demo', into)
}
const unpack = async (spec: DebSpec, store?: Store) => unpackBytes(await buildDeb(spec), store)
const root: RawMember = { name: './' }

const spec: DebSpec = {
  control: { postinst: '#!/bin/sh\n\xff', conffiles: '/etc/c\n' },
  files: {
    'etc/c': 'conf',
    'usr/bin/x': { content: 'text', mode: 0o4755, gid: 42 },
    'usr/bin/y': { hardlink: 'usr/bin/x' },
    'usr/bin/z': { symlink: '/etc/c' },
    'var/big': Buffer.alloc(3_000_000, 'plinth'),
  },
}
const tools = needs('bzip2', 'xz', 'zstd')

describe.skipIf(!tools.available)('unpackDeb() reads', () => {
  test.each(['none', 'gzip', 'xz', 'zstd', 'bzip2'] as const)('%s', async (compression) => {
    const store = await scratchStore()
    const deb = await unpack({ ...spec, compression }, store)
    expect(deb.control).toContain('Package: demo\n')
    expect(deb.rootListed).toBe(true)
    expect(Object.entries(deb.md5)).toEqual([['etc/c', expect.stringMatching(/^[0-9a-f]{32}$/)]])
    expect(deb.controlFiles.map((f) => `${f.name} ${f.mode.toString(8)}`)).toEqual([
      'postinst 755',
      'conffiles 644',
      'md5sums 644',
    ])
    using contents = contentReader(store)
    const lines = await Promise.all(
      deb.entries.map(async (e) => {
        const meta = `${e.path} ${e.type} ${e.mode.toString(8)} ${e.uid}:${e.gid}`
        if ('target' in e) return `${meta} ${e.target}`
        if (e.type !== 'file') return meta
        return `${meta} ${sha256(await contents.bytes(e.content, e.size)).slice(7, 15)}`
      }),
    )
    expect(lines).toEqual([
      'etc directory 755 0:0',
      `etc/c file 644 0:0 ${hash('conf')}`,
      'usr directory 755 0:0',
      'usr/bin directory 755 0:0',
      `usr/bin/x file 4755 0:42 ${hash('text')}`,
      'usr/bin/y hardlink 644 0:0 usr/bin/x',
      'usr/bin/z symlink 777 0:0 /etc/c',
      'var directory 755 0:0',
      `var/big file 644 0:0 ${hash(Buffer.alloc(3_000_000, 'plinth'))}`,
    ])
  })
})

const plain = (deb: UnpackedDeb) =>
  JSON.stringify([
    deb.control,
    deb.data,
    deb.rootListed,
    deb.md5,
    deb.controlFiles,
    deb.entries.map((e) => [e.path, e.type, e.mode, e.mtime, [...(e.xattrs ?? [])]]),
  ])

const hash = (content: string | Buffer) => sha256(content).slice(7, 15)

test('unpackDeb() remembers, and is not misled by a damaged record or a lost blob', async () => {
  const store = await scratchStore()
  const xattrs = pax({ 'SCHILY.xattr.security.capability': Buffer.from([1, 0, 255]) })
  const data = [root, xattrs, { name: './__proto__', body: 'x' }, { name: './f', body: 'y' }]
  const bytes = await buildDeb({ data, md5sums: false })
  const first = await unpackBytes(bytes, store)
  expect(Object.keys(first.md5).toSorted()).toEqual(['__proto__', 'f'])
  expect(first.entries[0]?.xattrs?.get('security.capability')).toEqual(Buffer.from([1, 0, 255]))
  const record = path.join(store.root, 'cache/deb-2', digestHex(sha256(bytes)))
  const made = statSync(record).mtimeMs
  // remembered: the record is read, not written
  expect(plain(await unpackBytes(bytes, store))).toBe(plain(first))
  expect(statSync(record).mtimeMs).toBe(made)
  const kept = readFileSync(record)
  writeFileSync(record, kept.fill(0x20, 80, 90))
  expect(plain(await unpackBytes(bytes, store))).toBe(plain(first))
  await store.delete(first.data)
  expect(plain(await unpackBytes(bytes, store))).toBe(plain(first))
  expect(await store.has(first.data)).toBeGreaterThan(0)
})

test('unpackDeb() refuses a .deb that was damaged in the store', async () => {
  const { root: place } = await scratchStore()
  const bytes = await buildDeb(spec)
  const { digest } = await (await openStore(place)).put([bytes])
  writeFileSync(path.join(place, 'blobs/sha256', digestHex(digest)), bytes.subarray(0, -8))
  expect(await codeOf(unpackDeb(digest, 'demo', await openStore(place)))).toBe('STORE_CORRUPT')
})

const data = (...members: readonly RawMember[]): DebSpec => ({ data: [root, ...members] })

const withControl = async (members: readonly RawMember[]) =>
  arArchive([
    { name: 'debian-binary', body: '2.0\n' },
    { name: 'control.tar.gz', body: await compressBytes(rawTar(members), 'gzip') },
    { name: 'data.tar', body: rawTar([root]) },
  ])

describe('unpackDeb() refuses', () => {
  const file: RawMember = { name: './f', body: 'x' }
  test.each<[string, DebSpec, string]>([
    ['..', data({ name: './../etc/passwd', body: 'x' }), 'PATH_UNSAFE'],
    ['an inner ..', data({ name: './usr/../../etc/passwd', body: 'x' }), 'PATH_UNSAFE'],
    ['an absolute path', data({ name: '/etc/passwd', body: 'x' }), 'PATH_UNSAFE'],
    ['an absolute PAX path', data(pax({ path: '/etc/passwd' }), file), 'PATH_UNSAFE'],
    ['.. in a long name', data({ name: `./${'d/'.repeat(60)}../../x`, body: 'x' }), 'PATH_UNSAFE'],
    [
      'a path that is not UTF-8',
      data({ name: Buffer.from([0x2e, 0x2f, 0xff]), body: 'x' }),
      'PATH_UNSAFE',
    ],
    ['a root that is a link', { data: [{ name: './', type: '2', linkname: '/' }] }, 'PATH_UNSAFE'],
    [
      'a hard link to ..',
      data({ name: './h', type: '1', linkname: '../../etc/passwd' }),
      'PATH_UNSAFE',
    ],
    [
      'a hard link to an absolute path',
      data({ name: './h', type: '1', linkname: '/etc/passwd' }),
      'PATH_UNSAFE',
    ],
    ['a hard link to nothing', data({ name: './h', type: '1', linkname: './none' }), 'PATH_UNSAFE'],
    [
      'a hard link to a later file',
      data({ name: './h', type: '1', linkname: './f' }, file),
      'PATH_UNSAFE',
    ],
    ['a hard link to itself', data({ name: './h', type: '1', linkname: './h' }), 'PATH_UNSAFE'],
    [
      'a hard link to a symbolic link',
      data(
        { name: './l', type: '2', linkname: '/etc/passwd' },
        { name: './h', type: '1', linkname: './l' },
      ),
      'PATH_UNSAFE',
    ],
    [
      'a hard link to a directory',
      data({ name: './d/' }, { name: './h', type: '1', linkname: './d' }),
      'PATH_UNSAFE',
    ],
    ['a file twice', data(file, file), 'PATH_UNSAFE'],
    ['a file twice, spelled otherwise', data(file, { name: 'f', body: 'y' }), 'PATH_UNSAFE'],
    [
      'a link, then a file through it',
      data({ name: './f', type: '2', linkname: '/etc/passwd' }, file),
      'PATH_UNSAFE',
    ],
    ['a directory that is also a file', data({ name: './f/' }, file), 'PATH_UNSAFE'],
    [
      'a character device',
      data({ name: './null', type: '3', major: 1, minor: 3 }),
      'ENTRY_UNSUPPORTED',
    ],
    ['a block device', data({ name: './sda', type: '4', major: 8, minor: 0 }), 'ENTRY_UNSUPPORTED'],
    ['a sparse file', data({ name: './f', type: 'S' }), 'ENTRY_UNSUPPORTED'],
    ['a size that lies', data({ ...file, size: 100_000 }), 'ARCHIVE_INVALID'],
  ])('%s', async (_, deb, code) => {
    expect(await codeOf(unpack(deb))).toBe(code)
  })

  const control: RawMember = { name: './control', body: controlText({}) }
  test.each<[string, readonly RawMember[], string]>([
    ['an empty control.tar', [], 'CONTROL_INVALID'],
    ['a control.tar without control', [{ name: './postinst', body: '' }], 'CONTROL_INVALID'],
    ['a control file that climbs out', [control, { name: '../postinst', body: '' }], 'PATH_UNSAFE'],
    [
      'a control file in a directory',
      [control, { name: './d/postinst', body: '' }],
      'CONTROL_INVALID',
    ],
    [
      'a control file that is a link',
      [control, { name: './postinst', type: '2', linkname: '/x' }],
      'CONTROL_INVALID',
    ],
    ['a control file that is a device', [control, { name: './x', type: '3' }], 'CONTROL_INVALID'],
    ['a control file twice', [control, control], 'CONTROL_INVALID'],
  ])('%s', async (_, members, code) => {
    expect(await codeOf(unpackBytes(await withControl(members)))).toBe(code)
  })

  test('any truncation, even of what is in the parts', async () => {
    const deb = await buildDeb({ files: { f: 'some text' }, compression: 'none' })
    for (let length = 0; length < deb.length; length += 97)
      expect(await codeOf(unpackBytes(deb.subarray(0, length)))).toBe('ARCHIVE_INVALID')
    const packed = await compressBytes(rawTar([root, { name: './f', body: 'text' }]), 'gzip')
    for (let length = 0; length < packed.length; length += 5) {
      const cut = arArchive([
        { name: 'debian-binary', body: '2.0\n' },
        { name: 'control.tar', body: rawTar([control]) },
        { name: 'data.tar.gz', body: packed.subarray(0, length) },
      ])
      expect({ length, code: await codeOf(unpackBytes(cut)) }).toEqual({
        length,
        code: 'ARCHIVE_INVALID',
      })
    }
  })

  test('bombs, keeping nothing of them', async () => {
    const store = await scratchStore()
    const bomb = arArchive([
      { name: 'debian-binary', body: '2.0\n' },
      { name: 'control.tar', body: rawTar([control]) },
      { name: 'data.tar.gz', body: await compressBytes(Buffer.alloc(420 * 1024 * 1024), 'gzip') },
    ])
    expect(await codeOf(unpackBytes(bomb, store))).toBe('DECOMPRESSION_BOMB')
    expect(readdirSync(path.join(store.root, 'blobs/sha256'))).toHaveLength(1)
    expect(readdirSync(path.join(store.root, 'tmp'))).toEqual([])
    const large = { name: './big', body: Buffer.alloc(65 * 1024 * 1024) }
    expect(await codeOf(unpackBytes(await withControl([control, large])))).toBe(
      'DECOMPRESSION_BOMB',
    )
  })
})

const open = () => readdirSync('/proc/self/fd').length

test('unpackDeb() never crashes over flipped bits, and lets every file go', async () => {
  const deb = await buildDeb({
    ...spec,
    files: { f: 'text', g: { symlink: 'f' } },
    compression: 'none',
  })
  const dice = random(9)
  const store = await scratchStore()
  const before = open()
  for (let round = 0; round < 150; round++) {
    const damaged = Buffer.from(deb)
    damaged[dice.int(damaged.length)]! ^= 1 << dice.int(8)
    await codeOf(unpackBytes(damaged, store))
  }
  expect(open() - before).toBeLessThan(5)
  expect(readdirSync(path.join(store.root, 'tmp'))).toEqual([])
})

test('conffilePaths() reads deb-conffiles(5)', () => {
  const bytes = Buffer.from('/etc/a\n\n/etc/b c \nremove-on-upgrade /etc/d\n/etc/ü\n').toString(
    'latin1',
  )
  expect(conffilePaths([{ name: 'conffiles', mode: 0o644, mtime: 0, bytes }])).toEqual([
    { path: 'etc/a', removeOnUpgrade: false },
    { path: 'etc/b c', removeOnUpgrade: false },
    { path: 'etc/d', removeOnUpgrade: true },
    { path: 'etc/ü', removeOnUpgrade: false },
  ])
})
