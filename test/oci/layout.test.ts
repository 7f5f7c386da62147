import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/digest.ts'
import { emptyIndex, encodeIndex, parseIndex } from '../../src/oci/image-index.ts'
import { addToIndex, namedDescriptors } from '../../src/oci/layout.ts'
import { mediaTypes } from '../../src/oci/media-types.ts'
import type { Descriptor, OciPlatform } from '../../src/ports.ts'
import { parseReference } from '../../src/reference.ts'

const amd64 = { os: 'linux', architecture: 'amd64' }
const manifest = (content: string, platform: OciPlatform | undefined = amd64): Descriptor => ({
  mediaType: mediaTypes.manifest,
  digest: sha256(content),
  size: 7,
  platform,
})
const named = (content: string, name: string, platform?: OciPlatform): Descriptor[] =>
  namedDescriptors(manifest(content, platform), [parseReference(name)])

describe('namedDescriptors()', () => {
  test('gives the tag to skopeo and the full name to containerd', () => {
    expect(named('a', 'debian:trixie')[0]?.annotations).toEqual({
      'io.containerd.image.name': 'docker.io/library/debian:trixie',
      'org.opencontainers.image.ref.name': 'trixie',
    })
  })
  test('an image without name is there once, without annotations', () => {
    expect(namedDescriptors(manifest('a'), [])).toEqual([manifest('a')])
  })
})

describe('addToIndex()', () => {
  const index = addToIndex(emptyIndex, [...named('a', 'x:1'), ...named('b', 'y:1')])
  const after = (added: Descriptor[]): string[] =>
    addToIndex(index, added).manifests.map(({ digest }) => digest)

  test.each([
    { name: 'the same name gives way', added: named('c', 'x:1'), expected: ['b', 'c'] },
    {
      name: 'another name stays, also with the same tag',
      added: named('c', 'z:1'),
      expected: ['a', 'b', 'c'],
    },
    {
      name: 'another platform of a name stays',
      added: named('c', 'x:1', { os: 'linux', architecture: 'arm64' }),
      expected: ['a', 'b', 'c'],
    },
    { name: 'no name replaces none', added: [manifest('a')], expected: ['a', 'b', 'a'] },
  ])('$name', ({ added, expected }) => {
    expect(after(added)).toEqual(expected.map((content) => sha256(content)))
  })
  test('an entry that another tool named by tag alone gives way to that tag', () => {
    const foreign = {
      mediaType: mediaTypes.manifest,
      digest: sha256('f'),
      size: 1,
      annotations: { 'org.opencontainers.image.ref.name': '1' },
    }
    const next = addToIndex(addToIndex(emptyIndex, [foreign]), named('c', 'x:1'))
    expect(next.manifests.map(({ digest }) => digest)).toEqual([sha256('c')])
  })
  test('arm64 is arm64/v8', () => {
    const plain = addToIndex(emptyIndex, named('a', 'x:1', { os: 'linux', architecture: 'arm64' }))
    expect(
      addToIndex(plain, named('b', 'x:1', { os: 'linux', architecture: 'arm64', variant: 'v8' }))
        .manifests,
    ).toHaveLength(1)
  })
  test('the same nameless image is there once', () => {
    const once = addToIndex(emptyIndex, [manifest('a')])
    expect(addToIndex(once, [manifest('a')]).manifests).toHaveLength(1)
    expect(addToIndex(once, [manifest('b')]).manifests).toHaveLength(2)
  })
})

describe('parseIndex()', () => {
  test('gives back what was encoded', () => {
    const index = { manifests: named('a', 'x'), annotations: { a: 'b' } }
    expect(parseIndex(encodeIndex(index))).toEqual(index)
  })
  test.each([
    {
      name: 'a manifest',
      document: { schemaVersion: 2, mediaType: mediaTypes.manifest, manifests: [] },
    },
    {
      name: 'a bad digest',
      document: { schemaVersion: 2, manifests: [{ ...manifest('a'), digest: 'sha256:x' }] },
    },
    { name: 'no manifests', document: { schemaVersion: 2 } },
  ])('refuses $name', ({ document }) => {
    expect(() => parseIndex(Buffer.from(JSON.stringify(document)))).toThrow(
      expect.objectContaining({ code: 'IMAGE_INVALID' }),
    )
  })
})
