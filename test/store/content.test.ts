import { readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { sha256 } from '../../src/digest.ts'
import type { Content } from '../../src/entry.ts'
import { contentReader, type ContentReader } from '../../src/store/content.ts'
import { openStore } from '../../src/store/store.ts'
import { random } from '../support/random.ts'
import { scratchStore } from '../support/scratch.ts'
import { codeOf } from '../support/streams.ts'

const read = async (contents: ContentReader, content: Content, size: number): Promise<Buffer> => {
  const body = contents.open(content, size)
  const parts: Uint8Array[] = []
  for await (const part of body instanceof Uint8Array ? [body] : body) parts.push(part)
  return Buffer.concat(parts)
}

test('contentReader() gives slices of blobs, small and large', async () => {
  const store = await scratchStore()
  const bytes = Buffer.concat([random(1).bytes(5000), Buffer.alloc(3_000_000, 'plinth')])
  const { digest } = await store.put([bytes])
  using contents = contentReader(store)
  for (const [offset, size] of [
    [0, 0],
    [0, 1],
    [17, 4000],
    [0, bytes.length],
    [4000, 1024 * 1024],
    [bytes.length - 1, 1],
  ] as const) {
    const content: Content = { kind: 'blob', digest, offset }
    const expected = bytes.subarray(offset, offset + size)
    expect((await read(contents, content, size)).equals(expected)).toBe(true)
    expect(Buffer.from(await contents.bytes(content, size)).equals(expected)).toBe(true)
  }
  const inline: Content = { kind: 'bytes', bytes: Buffer.from('x') }
  expect((await read(contents, inline, 1)).toString()).toBe('x')
})

test('contentReader() verifies before it reads', async () => {
  const { root } = await scratchStore()
  const { digest } = await (await openStore(root)).put([Buffer.from('right')])
  const store = await openStore(root)
  writeFileSync(`${root}/blobs/sha256/${digest.slice(7)}`, 'wrong')
  using contents = contentReader(store)
  const content: Content = { kind: 'blob', digest, offset: 0 }
  expect(await codeOf(contents.bytes(content, 5))).toBe('STORE_CORRUPT')
  expect(await codeOf(read(contents, content, 5))).toBe('STORE_CORRUPT')
  expect(await codeOf(contents.bytes({ ...content, digest: sha256('absent') }, 5))).toBe(
    'STORE_CORRUPT',
  )
})

test('contentReader() notices a blob that ends early', async () => {
  const store = await scratchStore()
  const { digest } = await store.put([Buffer.from('12345')])
  using contents = contentReader(store)
  expect(await codeOf(contents.bytes({ kind: 'blob', digest, offset: 3 }, 3))).toBe('STORE_CORRUPT')
  truncateSync(await store.verified(digest), 2)
  expect(await codeOf(contents.bytes({ kind: 'blob', digest, offset: 0 }, 5))).toBe('STORE_CORRUPT')
})

const open = () => readdirSync('/proc/self/fd').length

test('contentReader() keeps a bounded number of files open, and closes all', async () => {
  const store = await scratchStore()
  const before = open()
  const digests = []
  for (let i = 0; i < 600; i++) digests.push((await store.put([Buffer.from(String(i))])).digest)
  {
    using contents = contentReader(store)
    // all at once: each is read although others are opened and closed meanwhile
    const all = await Promise.all(
      digests.map(async (digest, i) =>
        contents.bytes({ kind: 'blob', digest, offset: 0 }, String(i).length),
      ),
    )
    expect(all.map((bytes) => Buffer.from(bytes).toString())).toEqual(
      digests.map((_, i) => String(i)),
    )
    expect(open() - before).toBeLessThan(520)
  }
  expect(open() - before).toBeLessThan(8)
})
