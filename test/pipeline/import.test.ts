import { spawnSync } from 'node:child_process'
import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/digest.ts'
import type { Entry } from '../../src/entry.ts'
import type { Event } from '../../src/events.ts'
import { flatten } from '../../src/output/flatten.ts'
import { importTar, type ImportRequest } from '../../src/pipeline/import.ts'
import { parsePlatform } from '../../src/platform.ts'
import type { Store } from '../../src/ports.ts'
import { parseReference } from '../../src/reference.ts'
import { imageByDigest, resolveImage } from '../../src/store/images.ts'
import { device, dir, epoch, file, hardlink, link, tarOf, whiteout } from '../support/layer.ts'
import { needs } from '../support/needs.ts'
import { scratchStore } from '../support/scratch.ts'
import { chunked, codeOf } from '../support/streams.ts'
import { rawTar } from '../support/tar.ts'

const { signal } = new AbortController()
const platform = parsePlatform('linux/amd64')
let store: Store
let events: Event[]
beforeEach(async () => {
  store = await scratchStore()
  events = []
})

const rootfs: readonly Entry[] = [
  dir('bin', { mtime: epoch - 100 }),
  file('bin/a', 'a', { mode: 0o4755, mtime: epoch - 3 }),
  hardlink('bin/b', 'bin/a', { mode: 0o4755, mtime: epoch - 3 }),
  link('bin/c', 'a'),
  dir('dev'),
  device('dev/null', 1, 3),
  file('x', 'x', {
    uid: 1000,
    gid: 50,
    xattrs: new Map([
      ['user.kept', Buffer.from([0xff, 0])],
      ['security.selinux', Buffer.from('unconfined_u')],
      ['user.overlay.origin', Buffer.from('x')],
    ]),
  }),
]

const imported = async (tar: Uint8Array, more: Partial<ImportRequest> = {}) =>
  importTar(
    {
      source: 'rootfs.tar',
      chunks: chunked(tar, 1000),
      platform,
      config: {},
      message: 'Imported from -',
      compression: 'gzip',
      names: [],
      outputs: [],
      ...more,
    },
    { store, signal, emit: (event) => void events.push(event) },
  )

describe('importTar()', () => {
  test('makes one layer of everything, and a config like Docker’s', async () => {
    const name = parseReference('imported:1')
    const config = { Cmd: ['/bin/a'], Env: ['A=b'] }
    const { image, digest } = await imported(await tarOf(rootfs), { names: [name], config })
    expect(await resolveImage(name, platform, { store })).toEqual({ image, digest })
    expect(image.config).toEqual({
      created: '2023-11-14T22:13:20Z',
      architecture: 'amd64',
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: [image.layers[0]!.diffId] },
      history: [{ created: '2023-11-14T22:13:20Z', comment: 'Imported from -' }],
    })
    const tree = await flatten(image, { store, signal })
    expect([...tree.keys()].toSorted()).toEqual(rootfs.map(({ path }) => path).toSorted())
    expect(tree.get('dev/null')).toMatchObject({ type: 'character', major: 1, minor: 3 })
    expect(tree.get('bin/a')).toMatchObject({ mode: 0o4755, mtime: epoch - 3 })
    expect(tree.get('bin/b')).toMatchObject({ type: 'hardlink', target: 'bin/a' })
    expect(tree.get('x')).toMatchObject({ uid: 1000, gid: 50 })
    expect([...tree.get('x')!.xattrs!.keys()]).toEqual(['user.kept'])
  })

  test('the same files give the same digest, in any order, named and compressed any way', async () => {
    const tar = await tarOf(rootfs)
    const others = [
      await tarOf([...rootfs.slice(4), ...rootfs.slice(0, 4)]),
      gzipSync(tar),
      Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]),
    ]
    const { digest } = await imported(tar)
    for (const other of others) {
      store = await scratchStore()
      expect((await imported(other, { source: 'other name' })).digest).toBe(digest)
    }
    expect((await imported(await tarOf([...rootfs, file('y', '')]))).digest).not.toBe(digest)
  })

  test('SOURCE_DATE_EPOCH is the image’s time, and nothing is younger', async () => {
    const { image } = await imported(await tarOf(rootfs), { epoch: epoch - 50 })
    expect(image.config.created).toBe('2023-11-14T22:12:30Z')
    const times = [...(await flatten(image, { store, signal })).values()].map(({ mtime }) => mtime)
    expect(Math.max(...times)).toBe(epoch - 50)
    expect(Math.min(...times)).toBe(epoch - 100)
  })

  test.each([
    ['in the far future', 2 ** 40, '9999-12-31T23:59:59Z'],
    ['before 1970', -5, '1970-01-01T00:00:00Z'],
  ])('a time %s does not stop it', async (_, mtime, created) => {
    const { image } = await imported(rawTar([{ name: 'a', mtime }]))
    expect(image.config.created).toBe(created)
  })

  test('directories that are only implied are root’s', async () => {
    const { image } = await imported(await tarOf([file('a/b/c', 'x')]))
    const tree = await flatten(image, { store, signal })
    expect(tree.get('a/b')).toMatchObject({ type: 'directory', mode: 0o755, uid: 0, gid: 0 })
  })

  test('whiteouts have nothing to hide', async () => {
    const { image } = await imported(await tarOf([dir('a'), file('a/b', 'x'), whiteout('a/c')]))
    expect([...(await flatten(image, { store, signal })).keys()]).toEqual(['a', 'a/b'])
  })

  test('without files it makes an empty image, and says so', async () => {
    const { digest } = await imported(rawTar([{ name: './' }]))
    expect(await imageByDigest(digest, platform, { store })).toMatchObject({ digest })
    expect(events).toContainEqual(expect.objectContaining({ code: 'ARCHIVE_EMPTY' }))
  })

  test('an image’s archive is told from a root filesystem', async () => {
    await imported(await tarOf([file('manifest.json', '[]'), file('oci-layout', '{}')]))
    expect(events).toContainEqual(expect.objectContaining({ code: 'ARCHIVE_IS_IMAGE' }))
  })

  test.each([
    { name: 'a path out of it', members: [{ name: '../etc/passwd' }], code: 'PATH_UNSAFE' },
    { name: 'an absolute path', members: [{ name: '/etc/passwd' }], code: 'PATH_UNSAFE' },
    {
      name: 'a file given twice',
      members: [{ name: 'a' }, { name: './a' }],
      code: 'ARCHIVE_INVALID',
    },
    {
      name: 'a hard link to what is not in it',
      members: [{ name: 'a', type: '1', linkname: 'etc/shadow' }],
      code: 'PATH_UNSAFE',
    },
    {
      name: 'a file below a file',
      members: [{ name: 'a' }, { name: 'a/b' }],
      code: 'PATH_UNSAFE',
    },
    {
      name: 'a loop of links',
      members: [
        { name: 'a', type: '2', linkname: 'b' },
        { name: 'b', type: '2', linkname: 'a' },
        { name: 'a/x' },
      ],
      code: 'PATH_UNSAFE',
    },
    { name: 'an unknown type', members: [{ name: 'a', type: 'V' }], code: 'ENTRY_UNSUPPORTED' },
  ])('refuses $name, naming the tar', async ({ members, code }) => {
    const failed = imported(rawTar(members), { source: 'evil.tar' })
    await expect(failed).rejects.toMatchObject({
      code,
      message: expect.stringContaining('evil.tar') as string,
    })
    expect(await store.has(sha256(rawTar(members)))).toBeUndefined()
  })

  test('a link out of the tree stays a link inside', async () => {
    const tar = rawTar([
      { name: 'out', type: '2', linkname: '/../../etc' },
      { name: 'etc/' },
      { name: 'out/passwd', body: 'mine' },
    ])
    const { image } = await imported(tar)
    const tree = await flatten(image, { store, signal })
    expect(tree.get('etc/passwd')).toMatchObject({ type: 'file', size: 4 })
  })

  test.each(['', 'text', Buffer.alloc(511, 1)])('refuses what is no tar (%#)', async (bytes) => {
    expect(await codeOf(imported(Buffer.from(bytes)))).toBe('ARCHIVE_INVALID')
  })

  test('refuses one that is cut off, plain or compressed', async () => {
    const tar = await tarOf([file('a', Buffer.alloc(5000, 1))])
    expect(await codeOf(imported(tar.subarray(0, 3000)))).toBe('ARCHIVE_INVALID')
    expect(await codeOf(imported(gzipSync(tar).subarray(0, -9)))).toBe('ARCHIVE_INVALID')
  })

  test('passes on what its source fails with', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield (await tarOf(rootfs)).subarray(0, 600)
      throw new RangeError('gone')
    }
    await expect(imported(Buffer.alloc(0), { chunks: failing() })).rejects.toThrow('gone')
  })
})

describe.skipIf(!needs('xz', 'bzip2', 'zstd').available)('compressions', () => {
  test.each(['xz', 'bzip2', 'zstd'])('%s is told by its first bytes', async (tool) => {
    const tar = await tarOf(rootfs)
    const { stdout } = spawnSync(tool, ['-c'], { input: tar })
    const { digest } = await imported(stdout)
    store = await scratchStore()
    expect((await imported(tar)).digest).toBe(digest)
  })

  test('a bomb is refused while it expands', async () => {
    // half a gigabyte of zeros in some kilobytes
    const zeros = 'head -c 536870912 /dev/zero | zstd -c'
    const { stdout } = spawnSync('sh', ['-c', zeros])
    expect(await codeOf(imported(stdout))).toBe('DECOMPRESSION_BOMB')
  }, 60_000)
})
