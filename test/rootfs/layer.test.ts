import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readTar } from '../../src/archive/tar-read.ts'
import { sha256 } from '../../src/digest.ts'
import type { Entry } from '../../src/entry.ts'
import type { Store } from '../../src/ports.ts'
import { layerEntries, warmLayer, writeLayer } from '../../src/rootfs/layer.ts'
import type { Tree } from '../../src/rootfs/tree.ts'
import { dir, epoch, file, hardlink, link } from '../support/layer.ts'
import { random } from '../support/random.ts'
import { scratchStore } from '../support/scratch.ts'
import { chunked, codeOf, gathered } from '../support/streams.ts'

const signal = new AbortController().signal
const treeOf = (entries: readonly Entry[]): Tree => new Map(entries.map((e) => [e.path, e]))

/** Enough for several chunks: small files, one large, hard links, some times after the epoch. */
function manyEntries(seed: number): Entry[] {
  const dice = random(seed)
  const entries: Entry[] = [
    dir('usr'),
    link('bin', 'usr/bin'),
    file('big', Buffer.alloc(9_000_000, 'plinth')),
  ]
  for (let i = 0; i < 300; i++) {
    const more = { mtime: epoch + dice.int(100) - 50, mode: dice.pick([0o644, 0o755, 0o4755]) }
    entries.push(file(`usr/f${i}`, Buffer.alloc(dice.int(30_000), `${seed}.${i} `), more))
    if (dice.oneIn(10)) entries.push(hardlink(`usr/${i}-link`, `usr/f${i}`))
  }
  return entries
}
const entries = manyEntries(1)
const options = { compression: 'gzip', epoch } as const
const bytesOf = async (store: Store, layer: { digest: ReturnType<typeof sha256> }) =>
  gathered(store.get(layer.digest))

test('writeLayer() gives the same bytes whatever the order, the store or the cache', async () => {
  const [cold, other] = [await scratchStore(), await scratchStore()]
  const layer = await writeLayer(treeOf(entries), options, { store: cold, signal })
  const dice = random(3)
  const shuffled = treeOf(entries.toSorted(() => dice.int(3) - 1))
  expect(await writeLayer(shuffled, options, { store: other, signal })).toEqual(layer)
  // from the cache
  expect(await writeLayer(shuffled, options, { store: cold, signal })).toEqual(layer)
})

test('writeLayer() writes a gzip whose content is the plain layer', async () => {
  const store = await scratchStore()
  const gzip = await writeLayer(treeOf(entries), options, { store, signal })
  const plain = await writeLayer(
    treeOf(entries),
    { ...options, compression: 'none' },
    { store, signal },
  )
  const tar = gunzipSync(await bytesOf(store, gzip))
  expect(sha256(tar)).toBe(gzip.diffId)
  expect(tar.length).toBe(gzip.uncompressedSize)
  expect(plain).toEqual({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: gzip.diffId,
    diffId: gzip.diffId,
    size: tar.length,
    uncompressedSize: tar.length,
  })
  expect(gzip.mediaType).toBe('application/vnd.oci.image.layer.v1.tar+gzip')
  expect(gzip.size).toBe(await store.has(gzip.digest))
  // nothing of the machine: no time, no name, no operating system
  expect((await bytesOf(store, gzip)).subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff')
})

test('writeLayer() writes sorted, clamped entries, links after their targets', async () => {
  const store = await scratchStore()
  const layer = await writeLayer(
    treeOf(entries),
    { ...options, compression: 'none' },
    { store, signal },
  )
  const seen = new Set<string>()
  const names: string[] = []
  for await (const member of readTar(store.get(layer.digest), 'layer', { end: 'required' })) {
    expect(member.mtime).toBeLessThanOrEqual(epoch)
    expect(member.type !== 'hardlink' || seen.has(member.linkname)).toBe(true)
    names.push(member.name.replace(/\/$/, ''))
    seen.add(member.name)
  }
  expect(names).toEqual(entries.map((e) => e.path).toSorted())
})

test('writeLayer() remembers what it compressed, and notices when that was damaged', async () => {
  const store = await scratchStore()
  const layer = await writeLayer(treeOf(entries), options, { store, signal })
  const [kind] = readdirSync(path.join(store.root, 'cache'))
  const cache = path.join(store.root, 'cache', kind!)
  const files = readdirSync(cache).toSorted()
  expect(files.length).toBeGreaterThan(3)
  const damages = [
    (f: string) => writeFileSync(f, readFileSync(f).fill(0, 40, 50)),
    (f: string) => writeFileSync(f, readFileSync(f).subarray(0, 20)),
    (f: string) => writeFileSync(f, ''),
    (f: string) => writeFileSync(f, readFileSync(f).subarray(0, -1)),
  ]
  damages.forEach((damage, i) => damage(path.join(cache, files[i % files.length]!)))
  expect(await writeLayer(treeOf(entries), options, { store, signal })).toEqual(layer)
  expect(readdirSync(path.join(store.root, 'tmp'))).toEqual([])
})

test('one changed file changes few chunks', async () => {
  const store = await scratchStore()
  await writeLayer(treeOf(entries), options, { store, signal })
  const [kind] = readdirSync(path.join(store.root, 'cache'))
  const chunks = () => readdirSync(path.join(store.root, 'cache', kind!)).length
  const before = chunks()
  const changed = [...entries, file('usr/f150-new', 'something else')]
  await writeLayer(treeOf(changed), options, { store, signal })
  expect(before).toBeGreaterThan(5)
  expect(chunks() - before).toBeLessThanOrEqual(3)
})

test('warmLayer() makes nothing but the cache that writeLayer() then uses', async () => {
  const [store, cold] = [await scratchStore(), await scratchStore()]
  await warmLayer(treeOf(entries), epoch, { store, signal })
  const count = () => readdirSync(store.root, { recursive: true }).length
  const before = count()
  const layer = await writeLayer(treeOf(entries), options, { store, signal })
  expect(count()).toBe(before + 1)
  expect(await writeLayer(treeOf(entries), options, { store: cold, signal })).toEqual(layer)
})

test('an empty tree is a layer, too', async () => {
  const store = await scratchStore()
  const layer = await writeLayer(new Map(), options, { store, signal })
  expect(gunzipSync(await bytesOf(store, layer)).equals(Buffer.alloc(1024))).toBe(true)
})

test('contents come from blobs of the store', async () => {
  const store = await scratchStore()
  const { digest } = await store.put(chunked(Buffer.from('0123456789')))
  const inBlob = { ...file('f', '345'), content: { kind: 'blob', digest, offset: 3 } } as Entry
  const plain = { ...options, compression: 'none' } as const
  const layer = await writeLayer(treeOf([inBlob]), plain, { store, signal })
  expect(layer).toEqual(await writeLayer(treeOf([file('f', '345')]), plain, { store, signal }))
})

test('writeLayer() that fails keeps nothing', async () => {
  const store = await scratchStore()
  const missing = {
    ...file('zz', 'x'),
    content: { kind: 'blob', digest: sha256('absent'), offset: 0 },
  } as Entry
  const blobs = () => readdirSync(path.join(store.root, 'blobs/sha256')).length
  for (const compression of ['gzip', 'none'] as const) {
    const write = writeLayer(
      treeOf([...entries, missing]),
      { compression, epoch },
      { store, signal },
    )
    expect(await codeOf(write)).toBe('STORE_CORRUPT')
    const aborted = AbortSignal.abort(new Error('stopped'))
    await expect(
      writeLayer(treeOf(entries), { compression, epoch }, { store, signal: aborted }),
    ).rejects.toThrow('stopped')
  }
  expect(blobs()).toBe(0)
  expect(readdirSync(path.join(store.root, 'tmp'))).toEqual([])
})

test('layerEntries() clamps only what is younger', () => {
  const times = [epoch - 5, epoch, epoch + 5].map((mtime, i) => file(String(i), '', { mtime }))
  expect(layerEntries(treeOf(times), epoch).map((e) => e.mtime)).toEqual([epoch - 5, epoch, epoch])
})
