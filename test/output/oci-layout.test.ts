import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestHex } from '../../src/digest.ts'
import { encodeImage, imageDigest } from '../../src/oci/encode-image.ts'
import { parseIndex } from '../../src/oci/image-index.ts'
import { ociLayout } from '../../src/output/oci-layout.ts'
import type { OutputDeps, Store } from '../../src/ports.ts'
import { parseImageName } from '../../src/reference.ts'
import { openStore } from '../../src/store/store.ts'
import { file, makeImage } from '../support/layer.ts'

describe('ociLayout()', () => {
  let work: string
  let layout: string
  let store: Store
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'layout-'))
    layout = join(work, 'layout')
    store = await openStore(join(work, 'store'))
  })
  afterEach(() => rm(work, { recursive: true, force: true }))

  const deps = (...names: string[]): OutputDeps => ({
    store,
    names: names.map(parseImageName),
    emit: () => {},
    signal: new AbortController().signal,
  })
  const index = async () => parseIndex(await readFile(join(layout, 'index.json'))).manifests

  test('keeps other images, and replaces one of the same name', async () => {
    const images = await Promise.all(
      ['1', '2', '3'].map((text) => makeImage(store, [file('x', text)])),
    )
    const [one, two, three] = images as [(typeof images)[0], (typeof images)[0], (typeof images)[0]]
    await ociLayout(layout).write(one, deps('a:1', 'b:1'))
    await ociLayout(layout).write(two, deps('c:1'))
    await ociLayout(layout).write(three, deps('a:1'))
    const named = (await index()).map(({ annotations, digest }) => [
      annotations?.['io.containerd.image.name'],
      digest,
    ])
    expect(named).toEqual([
      ['docker.io/library/b:1', imageDigest(one)],
      ['docker.io/library/c:1', imageDigest(two)],
      ['docker.io/library/a:1', imageDigest(three)],
    ])
  })

  test('several writers at once lose nothing', async () => {
    const numbers = Array.from({ length: 8 }, (_, i) => String(i))
    const images = await Promise.all(numbers.map((text) => makeImage(store, [file('x', text)])))
    await Promise.all(images.map((image, i) => ociLayout(layout).write(image, deps(`image:${i}`))))
    const digests = (await index()).map(({ digest }) => digest)
    expect(new Set(digests)).toEqual(new Set(images.map(imageDigest)))
    expect(await readdir(layout)).toEqual(['blobs', 'index.json', 'oci-layout'])
  })

  test('breaks the lock of a process that was killed', async () => {
    await ociLayout(layout).write(await makeImage(store, [file('x', '1')]), deps('a'))
    // no process has the highest id and this start time
    await writeFile(join(layout, '.plinth.lock'), '4194304-1')
    await ociLayout(layout).write(await makeImage(store, [file('x', '2')]), deps('b'))
    expect(await index()).toHaveLength(2)
    expect(await readdir(layout)).not.toContain('.plinth.lock')
  })

  test('links layers from the store instead of copying them', async () => {
    const image = await makeImage(store, [file('x', '1')])
    await ociLayout(layout).write(image, deps())
    const blob = join('blobs', 'sha256', digestHex(image.layers[0]!.digest))
    expect((await stat(join(layout, blob))).ino).toBe((await stat(join(store.root, blob))).ino)
  })

  test('repairs a blob that is there but damaged', async () => {
    const image = await makeImage(store, [file('x', '1')])
    const { manifest } = encodeImage(image)
    await ociLayout(layout).write(image, deps())
    const blob = join(layout, 'blobs', 'sha256', digestHex(manifest.descriptor.digest))
    await writeFile(blob, Buffer.alloc(manifest.bytes.length))
    await ociLayout(layout).write(image, deps())
    expect(await readFile(blob)).toEqual(Buffer.from(manifest.bytes))
  })

  test('goes on where a run was killed', async () => {
    await mkdir(layout)
    await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    await ociLayout(layout).write(await makeImage(store, [file('x', '1')]), deps('a'))
    expect(await index()).toHaveLength(1)
  })

  test('writes into an empty directory, and keeps it when it fails', async () => {
    await mkdir(layout)
    const image = await makeImage(store, [file('x', '1')])
    const blob = image.layers[0]!.digest
    const kept = await readFile(await store.verified(blob))
    await store.delete(blob)
    await expect(ociLayout(layout).write(image, deps())).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
    })
    await store.put([kept])
    await ociLayout(layout).write(image, deps())
    expect(await index()).toHaveLength(1)
  })

  test.each([
    {
      name: 'a directory with something else',
      files: { 'thesis.txt': 'x' },
      code: 'OUTPUT_INVALID',
    },
    {
      name: 'a layout of another version',
      files: { 'oci-layout': '{"imageLayoutVersion":"2.0.0"}' },
      code: 'OUTPUT_INVALID',
    },
    {
      name: 'a layout whose index is damaged',
      files: { 'oci-layout': '{"imageLayoutVersion":"1.0.0"}', 'index.json': '{' },
      code: 'IMAGE_INVALID',
    },
  ])('refuses $name and leaves it alone', async ({ files, code }) => {
    await mkdir(layout)
    for (const [name, text] of Object.entries(files)) await writeFile(join(layout, name), text)
    const image = await makeImage(store, [file('x', '1')])
    await expect(ociLayout(layout).write(image, deps())).rejects.toMatchObject({ code })
    const left = (await readdir(layout)).filter((name) => name !== 'blobs')
    expect(left.toSorted()).toEqual(Object.keys(files).toSorted())
  })

  test('refuses a file', async () => {
    await writeFile(layout, 'x')
    await expect(ociLayout(layout).write(await makeImage(store, []), deps())).rejects.toMatchObject(
      { code: 'OUTPUT_INVALID' },
    )
    expect(await readFile(layout, 'utf8')).toBe('x')
  })
})
