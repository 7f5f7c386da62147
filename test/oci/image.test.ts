import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/digest.ts'
import type { Layer } from '../../src/image.ts'
import { encodeImage, imageDigest } from '../../src/oci/encode-image.ts'
import {
  appendLayer,
  createdSeconds,
  emptyImage,
  timestamp,
  withAnnotations,
  withConfig,
} from '../../src/oci/image.ts'
import { mediaTypes } from '../../src/oci/media-types.ts'
import { parseImage } from '../../src/oci/parse-image.ts'
import { withBase } from '../../src/oci/provenance.ts'
import { parsePlatform } from '../../src/platform.ts'
import { parseReference } from '../../src/reference.ts'

const epoch = 1_700_000_000
const layer = (name: string): Layer => ({
  mediaType: mediaTypes.layerGzip,
  digest: sha256(`gzip of ${name}`),
  size: name.length,
  diffId: sha256(name),
  history: { created: timestamp(epoch), created_by: name },
})
const empty = emptyImage(parsePlatform('linux/amd64'), epoch)

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const json = (bytes: Uint8Array): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

describe('an image', () => {
  test('keeps layers, diff ids and history in step', () => {
    const image = withConfig(
      appendLayer(
        withConfig(appendLayer(empty, layer('a')), { Env: ['A=1'] }, 'ENV A=1'),
        layer('b'),
      ),
      { Cmd: ['x'] },
      'CMD',
    )
    expect(image.config).toEqual({
      created: '2023-11-14T22:13:20Z',
      architecture: 'amd64',
      os: 'linux',
      config: { Env: ['A=1'], Cmd: ['x'] },
      rootfs: { type: 'layers', diff_ids: [sha256('a'), sha256('b')] },
      history: [
        { created: '2023-11-14T22:13:20Z', created_by: 'a' },
        { created: '2023-11-14T22:13:20Z', created_by: 'ENV A=1', empty_layer: true },
        { created: '2023-11-14T22:13:20Z', created_by: 'b' },
        { created: '2023-11-14T22:13:20Z', created_by: 'CMD', empty_layer: true },
      ],
    })
    expect(image.layers.map(({ diffId }) => diffId)).toEqual(image.config.rootfs.diff_ids)
  })

  test('is a frozen value: changes make new ones', () => {
    const image = appendLayer(empty, layer('a'))
    expect(empty.layers).toEqual([])
    expect(() => (image.layers as Layer[]).push(layer('b'))).toThrow(TypeError)
    expect(() => Object.assign(image.config.config, { User: 'x' })).toThrow(TypeError)
  })

  test('withConfig() removes a field set to undefined', () => {
    const image = withConfig(
      withConfig(empty, { User: 'a', Cmd: ['b'] }, 'USER'),
      { User: undefined },
      'USER',
    )
    expect(image.config.config).toEqual({ Cmd: ['b'] })
  })

  test.each([
    { platform: 'linux/amd64', config: undefined, index: undefined },
    { platform: 'linux/arm64', config: undefined, index: 'v8' },
    { platform: 'linux/arm/v7', config: 'v7', index: 'v7' },
    { platform: 'linux/arm/v5', config: 'v5', index: 'v5' },
  ])('names the variant of $platform where readers look for it', ({ platform, config, index }) => {
    const image = emptyImage(parsePlatform(platform), epoch)
    expect(image.config.variant).toBe(config)
    expect(encodeImage(image).manifest.descriptor.platform?.variant).toBe(index)
  })

  test('timestamp() and createdSeconds() are each other’s inverse', () => {
    expect(timestamp(0)).toBe('1970-01-01T00:00:00Z')
    expect(createdSeconds({ ...empty.config, created: timestamp(epoch) })).toBe(epoch)
    expect(createdSeconds({ ...empty.config, created: undefined })).toBe(0)
    expect(createdSeconds({ ...empty.config, created: 'yesterday' })).toBe(0)
  })

  test('withBase() says what it was built on, in annotations and labels', () => {
    const name = parseReference('debian:trixie')
    const marks = {
      'org.opencontainers.image.base.name': name,
      'org.opencontainers.image.base.digest': sha256('x'),
    }
    const image = withBase(withConfig(empty, { Labels: { a: 'b' } }, 'LABEL'), {
      name,
      digest: sha256('x'),
    })
    expect(image.annotations).toEqual(marks)
    expect(image.config.config.Labels).toEqual({ a: 'b', ...marks })
  })
})

describe('encodeImage()', () => {
  test('writes documents whose digest is known', () => {
    const { manifest, config } = encodeImage(
      withConfig(appendLayer(empty, layer('a')), { Cmd: ['x'], User: undefined }, 'CMD'),
    )
    expect(text(config.bytes)).toBe(
      `{"architecture":"amd64","config":{"Cmd":["x"]},"created":"2023-11-14T22:13:20Z","history":[{"created":"2023-11-14T22:13:20Z","created_by":"a"},{"created":"2023-11-14T22:13:20Z","created_by":"CMD","empty_layer":true}],"os":"linux","rootfs":{"diff_ids":["${sha256('a')}"],"type":"layers"}}`,
    )
    expect(text(manifest.bytes)).toBe(
      `{"config":{"digest":"${sha256(config.bytes)}","mediaType":"${mediaTypes.config}","size":${config.bytes.length}},"layers":[{"digest":"${sha256('gzip of a')}","mediaType":"${mediaTypes.layerGzip}","size":1}],"mediaType":"${mediaTypes.manifest}","schemaVersion":2}`,
    )
    expect(manifest.descriptor).toEqual({
      mediaType: mediaTypes.manifest,
      digest: sha256(manifest.bytes),
      size: manifest.bytes.length,
      platform: { os: 'linux', architecture: 'amd64' },
    })
  })

  test('does not depend on the order in which things were said', () => {
    const one = withConfig(empty, { Labels: { a: '1', __proto__x: '2', Z: '3' }, Cmd: ['x'] }, 'c')
    const two = withConfig(empty, { Cmd: ['x'], Labels: { Z: '3', __proto__x: '2', a: '1' } }, 'c')
    expect(imageDigest(one)).toBe(imageDigest(two))
    expect(imageDigest(one)).not.toBe(imageDigest(withConfig(empty, { Cmd: ['y'] }, 'c')))
  })

  test('annotations change the manifest and not the image id', () => {
    const marked = withAnnotations(empty, { a: 'b' })
    expect(encodeImage(marked).config.descriptor).toEqual(encodeImage(empty).config.descriptor)
    expect(imageDigest(marked)).not.toBe(imageDigest(empty))
  })
})

describe('parseImage()', () => {
  const image = withAnnotations(
    withConfig(
      appendLayer(appendLayer(empty, layer('a')), layer('b')),
      {
        Healthcheck: { Test: ['CMD', 'x'], Interval: 30_000_000_000 },
        OnBuild: ['RUN x'],
        Shell: ['/bin/sh'],
      },
      'x',
    ),
    { k: 'v' },
  )
  const encoded = encodeImage(image)
  /** The image with its documents changed, and the manifest made to fit the config again. */
  function documents(change: {
    manifest?: Record<string, unknown>
    config?: Record<string, unknown>
  }): { manifest: Uint8Array; config: Uint8Array } {
    const config = bytes({ ...json(encoded.config.bytes), ...change.config })
    const descriptor = { ...encoded.config.descriptor, digest: sha256(config), size: config.length }
    return {
      config,
      manifest: bytes({ ...json(encoded.manifest.bytes), config: descriptor, ...change.manifest }),
    }
  }

  test('gives back what was encoded', () => {
    const parsed = parseImage({ manifest: encoded.manifest.bytes, config: encoded.config.bytes })
    expect(parsed).toEqual(image)
    expect(encodeImage(parsed).manifest.bytes).toEqual(encoded.manifest.bytes)
    expect(Object.isFrozen(parsed.config.config)).toBe(true)
  })

  test('reads Docker’s types as OCI’s, and keeps fields it does not know', () => {
    const layers = image.layers.map(({ digest, size }) => ({
      digest,
      size,
      mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    }))
    const docker = documents({
      manifest: { mediaType: 'application/vnd.docker.distribution.manifest.v2+json', layers },
      config: {
        docker_version: '20',
        config: { ...image.config.config, Env: null, Volumes: { '/x': {} }, Domainname: 'd' },
      },
    })
    const parsed = parseImage(docker)
    expect(parsed.layers.map(({ mediaType }) => mediaType)).toEqual([
      mediaTypes.layerGzip,
      mediaTypes.layerGzip,
    ])
    expect(parsed.config).toMatchObject({
      docker_version: '20',
      config: { Domainname: 'd', Volumes: { '/x': {} } },
    })
  })

  test('an image without history gets entries for its layers when it goes on', () => {
    const parsed = parseImage(documents({ config: { history: null, config: null } }))
    const next = appendLayer(parsed, layer('c'))
    expect(next.config.history).toHaveLength(3)
    const again = encodeImage(next)
    expect(
      parseImage({ manifest: again.manifest.bytes, config: again.config.bytes }).layers,
    ).toHaveLength(3)
  })

  const { layers } = image
  const [first, second] = json(encoded.manifest.bytes)['layers'] as Record<string, unknown>[]
  const forged: {
    name: string
    documents: { manifest: Uint8Array; config: Uint8Array }
    code?: string
  }[] = [
    {
      name: 'another config',
      documents: { manifest: encoded.manifest.bytes, config: bytes({}) },
      code: 'DIGEST_MISMATCH',
    },
    {
      name: 'a config of another size',
      documents: documents({ manifest: { config: { ...encoded.config.descriptor, size: 1 } } }),
      code: 'DIGEST_MISMATCH',
    },
    { name: 'a layer too few', documents: documents({ manifest: { layers: [first] } }) },
    {
      name: 'a diff id too few',
      documents: documents({
        config: { rootfs: { type: 'layers', diff_ids: [layers[0]!.diffId] } },
      }),
    },
    {
      name: 'a history entry too many',
      documents: documents({ config: { history: [{}, {}, {}] } }),
    },
    {
      name: 'one layer for two diff ids',
      documents: documents({ manifest: { layers: [first, first] } }),
    },
    {
      name: 'a foreign layer',
      documents: documents({
        manifest: {
          layers: [
            first,
            { ...second, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' },
          ],
        },
      }),
    },
    {
      name: 'a negative size',
      documents: documents({ manifest: { layers: [first, { ...second, size: -1 }] } }),
    },
    {
      name: 'a malformed digest',
      documents: documents({
        manifest: { layers: [first, { ...second, digest: 'sha256:../../x' }] },
      }),
    },
    { name: 'an index in disguise', documents: documents({ manifest: { manifests: [] } }) },
    { name: 'an index', documents: documents({ manifest: { mediaType: mediaTypes.index } }) },
    { name: 'schema 1', documents: documents({ manifest: { schemaVersion: 1 } }) },
    {
      name: 'an artifact',
      documents: documents({
        manifest: {
          config: { ...encoded.config.descriptor, mediaType: 'application/vnd.oci.empty.v1+json' },
        },
      }),
    },
    {
      name: 'no JSON',
      documents: { manifest: new Uint8Array([0xff]), config: encoded.config.bytes },
    },
    {
      name: 'a config without architecture',
      documents: documents({ config: { architecture: '' } }),
    },
  ]
  test.each(forged)('refuses $name', ({ documents: given, code = 'IMAGE_INVALID' }) => {
    expect(() => parseImage(given)).toThrow(expect.objectContaining({ code }))
  })
})
