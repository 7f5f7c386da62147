import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/digest.ts'
import { archive } from '../../src/output/archive.ts'
import { rootfsTar } from '../../src/output/rootfs-tar.ts'
import type { OutputDeps, Store } from '../../src/ports.ts'
import { appendLayer, emptyImage } from '../../src/oci/image.ts'
import { parsePlatform } from '../../src/platform.ts'
import { openStore } from '../../src/store/store.ts'
import {
  dir,
  epoch,
  file,
  hardlink,
  makeImage,
  makeLayer,
  tarOf,
  whiteout,
} from '../support/layer.ts'

describe('rootfsTar()', () => {
  let work: string
  let store: Store
  let deps: OutputDeps
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'rootfs-tar-'))
    store = await openStore(join(work, 'store'))
    deps = { store, names: [], emit: () => {}, signal: new AbortController().signal }
  })
  afterEach(() => rm(work, { recursive: true, force: true }))

  const entries = [
    dir('a'),
    file('a/x', 'x'.repeat(2000), { mtime: epoch + 9 }),
    hardlink('a/y', 'a/x', { mtime: epoch + 9 }),
  ]

  test.each(['gzip', 'none'] as const)(
    'gives the tar of one layer as it is (%s layer)',
    async (compression) => {
      const layer = await makeLayer(store, entries, { compression })
      const image = appendLayer(emptyImage(parsePlatform('linux/amd64'), epoch), layer)
      await rootfsTar(join(work, 'r.tar')).write(image, deps)
      await rootfsTar(join(work, 'r.tar.gz')).write(image, deps)
      const tar = await tarOf(entries)
      expect(await readFile(join(work, 'r.tar'))).toEqual(tar)
      expect(gunzipSync(await readFile(join(work, 'r.tar.gz')))).toEqual(tar)
    },
  )

  test('gives what several layers amount to, times untouched', async () => {
    const image = await makeImage(
      store,
      [...entries, file('gone', '')],
      [whiteout('gone'), file('b', 'new')],
    )
    await rootfsTar(join(work, 'r.tar')).write(image, deps)
    const mode = { mode: 0o644 }
    expect(await readFile(join(work, 'r.tar'))).toEqual(
      await tarOf([
        dir('a'),
        entries[1]!,
        hardlink('a/y', 'a/x', { ...mode, mtime: epoch + 9 }),
        file('b', 'new'),
      ]),
    )
  })

  test('compression is chosen by name, and can be said', async () => {
    const image = await makeImage(store, entries)
    await rootfsTar(join(work, 'plain.gz'), { compression: 'none' }).write(image, deps)
    await rootfsTar(join(work, 'packed'), { compression: 'gzip' }).write(image, deps)
    const tar = await tarOf(entries)
    expect(await readFile(join(work, 'plain.gz'))).toEqual(tar)
    expect(gunzipSync(await readFile(join(work, 'packed')))).toEqual(tar)
  })

  test('an image without layers is an empty archive', async () => {
    await rootfsTar(join(work, 'r.tar')).write(
      emptyImage(parsePlatform('linux/amd64'), epoch),
      deps,
    )
    expect(await readFile(join(work, 'r.tar'))).toEqual(Buffer.alloc(1024))
  })

  test('refuses a layer that is not its diff id', async () => {
    const image = await makeImage(store, entries)
    const forged = { ...image, layers: [{ ...image.layers[0]!, diffId: sha256('other') }] }
    await expect(rootfsTar(join(work, 'r.tar')).write(forged, deps)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
  })
})

describe('a stream as target', () => {
  test('gets the same bytes as a file, and stays open', async () => {
    const work = await mkdtemp(join(tmpdir(), 'stream-'))
    try {
      const store = await openStore(join(work, 'store'))
      const image = await makeImage(store, [file('x', 'x'.repeat(100_000))])
      const deps = { store, names: [], emit: () => {}, signal: new AbortController().signal }
      const stream = new PassThrough()
      const received = buffer(stream)
      const written = await archive(stream).write(image, deps)
      expect(stream.writableEnded).toBe(false)
      stream.end()
      await archive(join(work, 'x.tar')).write(image, deps)
      const bytes = await readFile(join(work, 'x.tar'))
      expect(await received).toEqual(bytes)
      expect(written).toMatchObject({ size: bytes.length, path: undefined })
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  })

  test('a reader that goes away is an error', async () => {
    const work = await mkdtemp(join(tmpdir(), 'stream-'))
    try {
      const store = await openStore(join(work, 'store'))
      const image = await makeImage(store, [file('x', Buffer.alloc(100))])
      const stream = new PassThrough()
      stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }))
      stream.on('error', () => {})
      const writing = archive(stream).write(image, {
        store,
        names: [],
        emit: () => {},
        signal: new AbortController().signal,
      })
      await expect(writing).rejects.toMatchObject({ code: 'IO' })
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  })
})
