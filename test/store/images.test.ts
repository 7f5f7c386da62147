import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { digestHex, sha256, type Digest } from '../../src/digest.ts'
import type { Image } from '../../src/image.ts'
import { imageDigest } from '../../src/oci/encode-image.ts'
import { appendLayer, emptyImage } from '../../src/oci/image.ts'
import { parsePlatform } from '../../src/platform.ts'
import type { Store } from '../../src/ports.ts'
import { parseReference } from '../../src/reference.ts'
import { imageByDigest, putImage, resolveImage, untag } from '../../src/store/images.ts'
import { readNames } from '../../src/store/names.ts'
import { openStore } from '../../src/store/store.ts'
import { run } from '../support/engines.ts'
import { epoch, file, makeImage, makeLayer } from '../support/layer.ts'
import { needs } from '../support/needs.ts'
import { scratchDirectory, scratchStore } from '../support/scratch.ts'
import { codeOf } from '../support/streams.ts'

const { signal } = new AbortController()
const amd64 = parsePlatform('linux/amd64')
const arm64 = parsePlatform('linux/arm64')
const name = parseReference('base:1')
let store: Store
beforeEach(async () => {
  store = await scratchStore()
})

const indexOf = ({ root }: Store) =>
  JSON.parse(readFileSync(path.join(root, 'index.json'), 'utf8')) as {
    manifests: Record<string, unknown>[]
  }
const imageFor = async (platform: string): Promise<Image> =>
  appendLayer(
    emptyImage(parsePlatform(platform), epoch),
    await makeLayer(store, [file('platform', platform)]),
  )

describe('putImage() and resolveImage()', () => {
  test('a name gives the image again, in a store opened anew', async () => {
    const image = await makeImage(store, [file('a', 'a')])
    const { digest } = await putImage(image, [name, parseReference('other')], { store, signal })
    const again = await openStore(store.root)
    for (const text of ['base:1', 'other', 'docker.io/library/other:latest', `x@${digest}`]) {
      const found = await resolveImage(parseReference(text), amd64, { store: again })
      expect(found).toEqual({ image, digest: imageDigest(image) })
    }
    expect(await imageByDigest(digest, amd64, { store })).toEqual({ image, digest })
  })

  test('the index has each name once, with both annotations', async () => {
    const [first, second] = [await makeImage(store, [file('a', 'a')]), await makeImage(store, [])]
    await putImage(first, [name, parseReference('ghcr.io/a/b:2')], { store, signal })
    const { digest, size, platform } = await putImage(second, [name, name], { store, signal })
    expect(indexOf(store).manifests).toEqual([
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: imageDigest(first),
        size: expect.any(Number) as number,
        platform,
        annotations: {
          'io.containerd.image.name': 'ghcr.io/a/b:2',
          'org.opencontainers.image.ref.name': 'ghcr.io/a/b:2',
        },
      },
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest,
        size,
        platform: { os: 'linux', architecture: 'amd64' },
        annotations: {
          'io.containerd.image.name': 'docker.io/library/base:1',
          'org.opencontainers.image.ref.name': 'base:1',
        },
      },
    ])
  })

  test('an image without a name is kept and not listed', async () => {
    const { digest } = await putImage(await makeImage(store, []), [], { store, signal })
    expect(indexOf(store).manifests).toEqual([])
    expect(await imageByDigest(digest, amd64, { store })).toMatchObject({ digest })
  })

  test('one name may stand for several platforms, each replaced alone', async () => {
    const images = { amd64: await imageFor('linux/amd64'), arm64: await imageFor('linux/arm64') }
    await putImage(images.arm64, [name], { store, signal })
    await putImage(images.amd64, [name], { store, signal })
    const newer = await makeImage(store, [file('newer', '')])
    await putImage(newer, [name], { store, signal })
    expect(await resolveImage(name, amd64, { store })).toMatchObject({ image: newer })
    expect(await resolveImage(name, arm64, { store })).toMatchObject({ image: images.arm64 })
    expect(indexOf(store).manifests).toHaveLength(1)
    const missing = resolveImage(name, parsePlatform('linux/s390x'), { store })
    await expect(missing).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      facts: { known: ['linux/amd64', 'linux/arm64'] },
    })
  })

  test('an image for another platform only is not taken', async () => {
    await putImage(await imageFor('linux/arm64'), [name], { store, signal })
    expect(await codeOf(resolveImage(name, amd64, { store }))).toBe('IMAGE_NOT_FOUND')
  })

  test('an unknown name is told, with the one that was meant', async () => {
    await putImage(await makeImage(store, []), [name], { store, signal })
    await expect(resolveImage(parseReference('bsae:1'), amd64, { store })).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      hint: 'did you mean base:1?',
    })
    const unknown = `x@${sha256('nothing')}`
    expect(await codeOf(resolveImage(parseReference(unknown), amd64, { store }))).toBe(
      'IMAGE_NOT_FOUND',
    )
  })

  test('what is no image is refused by its digest', async () => {
    for (const content of ['', 'text', 'null', '{}', '[1]', '{"mediaType":"text/plain"}']) {
      const { digest } = await store.put([Buffer.from(content)])
      expect(await codeOf(imageByDigest(digest, amd64, { store }))).toBe('IMAGE_INVALID')
    }
  })

  test('a part that is damaged or gone is told', async () => {
    const image = await makeImage(store, [file('a', 'a')])
    const { digest } = await putImage(image, [name], { store, signal })
    const layer = image.layers[0]!
    await store.delete(layer.digest)
    await expect(resolveImage(name, amd64, { store })).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      facts: { digest: layer.digest },
    })
    writeFileSync(path.join(store.root, 'blobs/sha256', digestHex(digest)), '{}')
    expect(await codeOf(resolveImage(name, amd64, { store }))).toBe('STORE_CORRUPT')
  })

  test.each(['', 'kept', '{"schemaVersion":2,"manifests":[{}]}'])(
    'a damaged index is neither read nor overwritten: %j',
    async (text) => {
      const image = await makeImage(store, [])
      writeFileSync(path.join(store.root, 'index.json'), text)
      expect(await codeOf(readNames(store))).toBe('STORE_INVALID')
      expect(await codeOf(putImage(image, [name], { store, signal }))).toBe('STORE_INVALID')
      expect(readFileSync(path.join(store.root, 'index.json'), 'utf8')).toBe(text)
    },
  )

  test('entries of other tools stay, and are found when they are names', async () => {
    const { digest, size, mediaType } = await putImage(await makeImage(store, []), [], {
      store,
      signal,
    })
    const foreign = ['theirs:2', 'UPPER case'].map((refName) => ({
      mediaType,
      digest,
      size,
      annotations: { 'org.opencontainers.image.ref.name': refName },
    }))
    const text = JSON.stringify({ schemaVersion: 2, manifests: foreign })
    writeFileSync(path.join(store.root, 'index.json'), text)
    await putImage(await makeImage(store, [file('b', 'b')]), [name], { store, signal })
    expect(indexOf(store).manifests.slice(0, 2)).toEqual(foreign)
    const found = await resolveImage(parseReference('theirs:2'), amd64, { store })
    expect(found.digest).toBe(digest)
  })
})

test('untag() takes one name away and leaves the image', async () => {
  const image = await makeImage(store, [])
  const other = parseReference('other')
  const { digest } = await putImage(image, [name, other], { store, signal })
  expect(await untag(name, { store, signal })).toMatchObject({ digest })
  expect(await untag(name, { store, signal })).toBeUndefined()
  expect([...(await readNames(store)).keys()]).toEqual([other])
  expect(await imageByDigest(digest, amd64, { store })).toMatchObject({ digest })
})

describe('several processes', () => {
  const source = (module: string) => new URL(`../../src/${module}`, import.meta.url).href
  const loader = new URL('../../scripts/typescript.mjs', import.meta.url).href
  const start = (body: string) => {
    const modules = { store: 'store/store.ts', names: 'store/names.ts', ref: 'reference.ts' }
    const imports = Object.entries(modules).map(
      ([as, from]) => `const ${as} = await import(${JSON.stringify(source(from))})`,
    )
    const code = `${imports.join('\n')}
      const store_ = await store.openStore(${JSON.stringify(store.root)})
      const deps = { store: store_, signal: new AbortController().signal }
      ${body}`
    const argv = ['--import', loader, '--input-type=module', '--eval', code]
    return spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  }

  test('each keeps its names, also when one is killed in the middle', async () => {
    const { digest, size, mediaType } = await putImage(await makeImage(store, []), [], {
      store,
      signal,
    })
    const to = JSON.stringify({ digest, size, mediaType })
    // holds the lock for ever
    const stuck = start(`await names.changeNames([ref.parseReference('never')], () => {
      console.log('locked')
      return new Promise(() => setInterval(() => {}, 1000))
    }, deps)`)
    await once(stuck.stdout, 'data')
    const writers = [1, 2, 3].map((n) =>
      start(`for (let i = 0; i < 25; i++)
        await names.changeNames([ref.parseReference('n${n}:' + i)], () => (${to}), deps)`),
    )
    const ends = Promise.all(
      writers.map(async (child) => (await once(child, 'close'))[0] as number),
    )
    stuck.kill('SIGKILL')
    expect(await ends).toEqual([0, 0, 0])
    const names = await readNames(store)
    expect(names.size).toBe(75)
    expect(names.has(parseReference('never'))).toBe(false)
    expect(readdirSync(path.join(store.root, 'tmp'))).toEqual([])
  }, 60_000)

  test('one that waits can be interrupted', async () => {
    const stuck = start(`await names.changeNames([ref.parseReference('never')], () => {
      console.log('locked')
      return new Promise(() => setInterval(() => {}, 1000))
    }, deps)`)
    await once(stuck.stdout, 'data')
    const controller = new AbortController()
    const waiting = putImage(await makeImage(store, []), [name], {
      store,
      signal: controller.signal,
    })
    controller.abort()
    expect(await codeOf(waiting)).toBe('INTERRUPTED')
    stuck.kill('SIGKILL')
    await once(stuck, 'close')
  })
})

describe.skipIf(!needs('skopeo').available)('skopeo', () => {
  test('reads and writes the store as an OCI layout', async () => {
    const image = await makeImage(store, [file('a', 'a')])
    const { digest } = await putImage(image, [name, parseReference('ghcr.io/a/b:2')], {
      store,
      signal,
    })
    for (const text of ['base:1', 'ghcr.io/a/b:2']) {
      const raw = await run('skopeo', 'inspect', '--raw', `oci:${store.root}:${text}`)
      expect(sha256(raw)).toBe(digest)
    }
    const copy = path.join(scratchDirectory(), 'copy.tar')
    await run('skopeo', 'copy', `oci:${store.root}:base:1`, `oci-archive:${copy}`)
    expect(existsSync(copy)).toBe(true)
    await run('skopeo', 'copy', `oci-archive:${copy}`, `oci:${store.root}:theirs:3`)
    const found = await resolveImage(parseReference('theirs:3'), amd64, { store })
    expect(found.digest satisfies Digest).toBe(digest)
    expect(await resolveImage(name, amd64, { store })).toMatchObject({ digest })
  })

  test('chooses among platforms', async () => {
    const [amd, arm] = [await imageFor('linux/amd64'), await imageFor('linux/arm64')]
    for (const image of [amd, arm]) await putImage(image, [name], { store, signal })
    const place = `oci:${store.root}:base:1`
    const inspected = await run('skopeo', '--override-arch', 'arm64', 'inspect', place)
    expect(JSON.parse(inspected)).toMatchObject({
      Architecture: 'arm64',
      Layers: [arm.layers[0]!.digest],
    })
  })
})
