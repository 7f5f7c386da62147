import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { digestHex, sha256, type Digest } from '../../src/digest.ts'
import type { Store } from '../../src/ports.ts'
import { processOwner } from '../../src/store/owner.ts'
import { openStore } from '../../src/store/store.ts'
import { needs } from '../support/needs.ts'
import { random } from '../support/random.ts'
import { scratchDirectory, scratchStore } from '../support/scratch.ts'
import { chunked, codeOf, gathered } from '../support/streams.ts'

const bytes = random(1).bytes(3_000_00)
const digest = sha256(bytes)
const blobPath = (store: Store, of: Digest) => path.join(store.root, 'blobs/sha256', digestHex(of))
/** Every file below the store that is no mark of the layout. */
const filesOf = (store: Store) =>
  readdirSync(store.root, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && !['oci-layout', 'index.json'].includes(f.name))
    .map((f) => f.name)
    .toSorted()

describe('openStore()', () => {
  test('makes an OCI image layout', async () => {
    const store = await scratchStore()
    const read = (name: string) =>
      JSON.parse(readFileSync(path.join(store.root, name), 'utf8')) as unknown
    expect(read('oci-layout')).toEqual({ imageLayoutVersion: '1.0.0' })
    expect(read('index.json')).toMatchObject({ schemaVersion: 2, manifests: [] })
    expect(filesOf(store)).toEqual([])
  })

  test('keeps an index that is there', async () => {
    const { root } = await scratchStore()
    writeFileSync(path.join(root, 'index.json'), 'kept')
    await openStore(root)
    expect(readFileSync(path.join(root, 'index.json'), 'utf8')).toBe('kept')
  })

  test.each(['{"imageLayoutVersion":"2.0.0"}', 'null', '', '{"image', '[]'])(
    'refuses a layout marked %j',
    async (mark) => {
      const root = scratchDirectory()
      writeFileSync(path.join(root, 'oci-layout'), mark)
      expect(await codeOf(openStore(root))).toBe('STORE_INVALID')
    },
  )

  test('cannot be where a file is', async () => {
    const file = path.join(scratchDirectory(), 'file')
    writeFileSync(file, '')
    expect(await codeOf(openStore(file))).toBe('IO')
    expect(await codeOf(openStore(path.join(file, 'below')))).toBe('IO')
  })

  test('sweeps what dead processes left, and nothing of the living', async () => {
    const { root } = await scratchStore()
    const tmp = path.join(root, 'tmp')
    const dead = spawn('sleep', ['60'])
    const owner = processOwner(dead.pid)
    dead.kill('SIGKILL')
    await once(dead, 'close')
    const living = spawn('sleep', ['60'])
    onTestFinished(() => void living.kill())
    const reused = processOwner(living.pid).replace(/-\d+-/, '-1-')
    const elsewhere = processOwner().replace(/\d+$/, '1')
    const keep = [
      `${processOwner(living.pid)}.0`,
      `${processOwner()}.record7`,
      'unknown',
      'odd.name',
      `${elsewhere}.new`,
    ]
    for (const name of [...keep, `${owner}.0`, `${reused}.0`, `${elsewhere}.old`])
      writeFileSync(path.join(tmp, name), '')
    mkdirSync(path.join(tmp, `${owner}.directory`))
    writeFileSync(path.join(tmp, `${owner}.directory`, 'file'), '')
    utimesSync(path.join(tmp, `${elsewhere}.old`), 1_000_000, 1_000_000)
    await openStore(root)
    expect(readdirSync(tmp).toSorted()).toEqual(keep.toSorted())
  })
})

const open = () => readdirSync('/proc/self/fd').length

describe('put() and get()', () => {
  test('what went in comes out', async () => {
    const store = await scratchStore()
    const expected = { digest, size: bytes.length }
    expect(await store.put(chunked(bytes, 999))).toEqual(expected)
    expect(await store.put([bytes], expected)).toEqual(expected)
    expect((await gathered(store.get(digest))).equals(bytes)).toBe(true)
    expect(await store.has(digest)).toBe(bytes.length)
    expect(await store.verified(digest)).toBe(blobPath(store, digest))
    expect(filesOf(store)).toEqual([digestHex(digest)])
    expect(await store.put([])).toEqual({ digest: sha256(''), size: 0 })
    await store.delete(digest)
    await store.delete(digest)
    expect(await store.has(digest)).toBe(undefined)
  })

  test.each([
    { name: 'another digest', expected: { digest: sha256('other') }, code: 'DIGEST_MISMATCH' },
    { name: 'another size', expected: { digest, size: bytes.length + 1 }, code: 'SIZE_MISMATCH' },
  ] as const)('$name keeps nothing', async ({ expected, code }) => {
    const store = await scratchStore()
    expect(await codeOf(store.put([bytes], expected))).toBe(code)
    expect(filesOf(store)).toEqual([])
  })

  test('a source that fails keeps nothing, and its error passes', async () => {
    const store = await scratchStore()
    const failing = (async function* () {
      yield bytes
      throw new Error('cut off')
    })()
    await expect(store.put(failing)).rejects.toThrow('cut off')
    expect(filesOf(store)).toEqual([])
  })

  test('an aborted writer keeps nothing; abort after commit keeps all', async () => {
    const store = await scratchStore()
    const aborted = await store.writer()
    for (let i = 0; i < 10; i++) await aborted.write(bytes)
    await aborted.abort()
    await aborted.abort()
    expect(filesOf(store)).toEqual([])
    const committed = await store.writer()
    await committed.write(bytes)
    await committed.commit()
    await committed.abort()
    expect(filesOf(store)).toEqual([digestHex(digest)])
  })

  test('a blob that cannot take its place leaves nothing behind', async () => {
    const store = await scratchStore()
    mkdirSync(path.join(blobPath(store, digest), 'in the way'), { recursive: true })
    expect(await codeOf(store.put([bytes]))).toBe('IO')
    expect(filesOf(store)).toEqual([])
  })

  test.each([
    {
      name: 'changed',
      damage: (file: string) => writeFileSync(file, Buffer.from(bytes).fill(0, 5, 6)),
    },
    { name: 'cut short', damage: (file: string) => writeFileSync(file, bytes.subarray(1)) },
    { name: 'grown', damage: (file: string) => appendFileSync(file, 'x') },
  ])('a blob that was $name is noticed and dropped', async ({ damage }) => {
    const { root } = await scratchStore()
    for (const use of [
      async (store: Store) => gathered(store.get(digest)),
      async (store: Store) => store.verified(digest),
    ]) {
      await (await openStore(root)).put([bytes])
      const store = await openStore(root)
      damage(blobPath(store, digest))
      expect(await codeOf(use(store))).toBe('STORE_CORRUPT')
      expect(await store.has(digest)).toBe(undefined)
      // and can be had anew
      await store.put([bytes])
      await use(store)
    }
  })

  test('a blob that is not there is STORE_CORRUPT, too', async () => {
    const store = await scratchStore()
    expect(await codeOf(gathered(store.get(digest)))).toBe('STORE_CORRUPT')
    expect(await codeOf(store.verified(digest))).toBe('STORE_CORRUPT')
    await store.put([bytes])
    await store.verified(digest)
  })

  test('a reader that stops lets the file go', async () => {
    const store = await scratchStore()
    await store.put([bytes])
    const before = open()
    for (let i = 0; i < 20; i++) for await (const _ of store.get(digest)) break
    expect(open()).toBeLessThan(before + 5)
  })
})

describe('several processes', () => {
  const loader = fileURLToPath(new URL('../../scripts/typescript.mjs', import.meta.url))
  const module = new URL('../../src/store/store.ts', import.meta.url).href
  /** Runs `body` in a process of its own, with `store` opened on `root`. */
  const process_ = (root: string, body: string): ChildProcess => {
    const code = `const { openStore } = await import(${JSON.stringify(module)})
      const store = await openStore(${JSON.stringify(root)})
      ${body}`
    const argv = ['--import', loader, '--input-type=module', '--eval', code]
    return spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  }

  test('may put the same blobs at once', async () => {
    const { root } = await scratchStore()
    const body = `for (let i = 0; i < 60; i++) await store.put([Buffer.alloc(100_000, i)])`
    const codes = await Promise.all(
      [1, 2, 3].map(async () => (await once(process_(root, body), 'close'))[0] as number),
    )
    expect(codes).toEqual([0, 0, 0])
    const store = await openStore(root)
    expect(filesOf(store)).toHaveLength(60)
    for (const name of filesOf(store)) await store.verified(`sha256:${name}` as Digest)
  })

  test('one that is killed leaves nothing once the next has opened the store', async () => {
    const { root } = await scratchStore()
    const child = process_(
      root,
      `const writer = await store.writer()
       for (let i = 0; i < 10; i++) await writer.write(Buffer.alloc(1000))
       console.log('written')
       setInterval(() => {}, 1000)`,
    )
    await once(child.stdout!, 'data')
    // while it lives, others leave it alone
    await openStore(root)
    expect(readdirSync(path.join(root, 'tmp'))).toHaveLength(1)
    child.kill('SIGKILL')
    await once(child, 'close')
    await openStore(root)
    expect(readdirSync(path.join(root, 'tmp'))).toEqual([])
  })
})

describe.skipIf(!needs('linux', 'root').available)('a full disk', () => {
  test('is DISK_FULL, keeps nothing, and the store works when there is room again', async () => {
    const mount = scratchDirectory()
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', mount]).status).toBe(0)
    onTestFinished(() => void spawnSync('umount', ['-l', mount]))
    const store = await openStore(path.join(mount, 'store'))
    await store.put([Buffer.alloc(300_000, 1)])
    const large = chunked(Buffer.alloc(3_000_000, 2), 50_000)
    expect(await codeOf(store.put(large))).toBe('DISK_FULL')
    expect(filesOf(store)).toHaveLength(1)
    await store.put([Buffer.alloc(300_000, 3)])
    expect(filesOf(store)).toHaveLength(2)
    // full when there is no room for a mere name
    writeFileSync(path.join(mount, 'ballast'), '')
    spawnSync('sh', ['-c', `cat /dev/zero > ${mount}/ballast`])
    expect(statSync(path.join(mount, 'ballast')).size).toBeGreaterThan(0)
    expect(await codeOf(store.put([Buffer.alloc(10, 4)]))).toBe('DISK_FULL')
    expect(existsSync(blobPath(store, sha256(Buffer.alloc(10, 4))))).toBe(false)
  })
})
