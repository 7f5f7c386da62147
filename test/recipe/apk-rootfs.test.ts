import { describe, expect, expectTypeOf, it } from 'vitest'
import { apk, type ApkRootfs } from '../../src/recipe/apk-rootfs.ts'
import { defineRecipe } from '../../src/recipe/recipe.ts'
import { deb } from '../../src/recipe/rootfs.ts'

const key = { name: 'x.rsa.pub', pem: 'PEM' }
const custom = {
  distro: 'custom',
  packages: ['musl'],
  repositories: ['https://example.org/x'],
  keys: [key],
} as const

describe('apk()', () => {
  it('fills in what needs no network', () => {
    expect(apk({ release: '3.22' })).toEqual({
      kind: 'apk',
      distro: 'alpine',
      release: 'v3.22',
      components: ['main', 'community'],
      mirrors: [],
      packages: undefined,
      include: [],
      scripts: 'run',
      repositories: [],
      keys: [],
    })
  })

  it('is a root filesystem of a recipe', () => {
    expectTypeOf(apk({ release: 'edge' })).toEqualTypeOf<ApkRootfs>()
    const recipe = defineRecipe({ name: 'mine', rootfs: () => apk({ release: 'edge' }) })
    expect(recipe.name).toBe('mine')
  })

  it('does not compile what cannot be meant, and refuses it at run time too', () => {
    // @ts-expect-error Alpine has releases
    expect(() => apk({})).toThrow(/release/)
    // @ts-expect-error Wolfi has none
    apk({ distro: 'wolfi', release: '3.22', keys: [key] })
    // @ts-expect-error no key of Wolfi comes with plinth
    expect(() => apk({ distro: 'wolfi' })).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('needs keys') as string,
        hint: expect.stringContaining('wolfi-signing.rsa.pub') as string,
      }),
    )
    // @ts-expect-error nothing is trusted by default
    expect(() => apk({ ...custom, keys: [] })).toThrow(/needs keys/)
    // @ts-expect-error a custom distribution has no mirror
    apk({ ...custom, mirror: 'https://example.org' })
    // @ts-expect-error nor packages of its own choice
    expect(() => apk({ ...custom, packages: undefined })).toThrow(/packages is empty/)
    // @ts-expect-error an option of deb()
    apk({ release: '3.22', variant: 'minbase' })
    // @ts-expect-error an option of apk()
    deb({ suite: 'trixie', scripts: 'off' })
    // @ts-expect-error neither of them
    expect(() => apk({ release: '3.22', scripts: 'emulate' })).toThrow(/neither run nor off/)
    // @ts-expect-error a distribution plinth knows nothing of
    expect(() => apk({ distro: 'chimera', release: '1' })).toThrow(/none of/)
  })

  it.each([
    { given: '3.22', release: 'v3.22' },
    { given: 'v3.9', release: 'v3.9' },
    { given: 'edge', release: 'edge' },
    { given: 'latest-stable', release: 'latest-stable' },
  ])('takes $given as a release', ({ given, release }) => {
    expect(apk({ release: given })).toMatchObject({ release })
  })

  it.each([
    { given: 'https://example.org/x/', repository: { uris: ['https://example.org/x'] } },
    {
      given: '@edge https://example.org/x',
      repository: { uris: ['https://example.org/x'], tag: 'edge' },
    },
    { given: '/srv/my packages/', repository: { uris: ['file:///srv/my%20packages'] } },
    { given: '@a /srv/a#b', repository: null },
    { given: 'file:///srv/x', repository: { uris: ['file:///srv/x'] } },
    {
      given: { uris: ['http://a.example', 'http://b.example/'], tag: 't' },
      repository: { uris: ['http://a.example', 'http://b.example'], tag: 't' },
    },
  ])('takes $given as a repository', ({ given, repository }) => {
    const [read] = apk({ release: '3.22', repositories: [given] }).repositories
    expect(read).toMatchObject(repository ?? { uris: ['file:///srv/a%23b'], tag: 'a' })
  })

  it.each([
    { name: 'a release with a space', options: { release: '3.22 edge' } },
    { name: 'a release that climbs', options: { release: '../3.22' } },
    { name: 'a relative path', options: { release: '3.22', repositories: ['packages'] } },
    { name: 'an address of another kind', options: { release: '3.22', repositories: ['ftp://x'] } },
    { name: 'a tag without an address', options: { release: '3.22', repositories: ['@edge'] } },
    {
      name: 'a repository of no address',
      options: { release: '3.22', repositories: [{ uris: [] }] },
    },
    {
      name: 'a tag that is none',
      options: { release: '3.22', repositories: [{ uris: ['http://x'], tag: '@x' }] },
    },
    { name: 'two packages in one', options: { release: '3.22', include: ['curl wget'] } },
    { name: 'an option as a package', options: { release: '3.22', include: ['curl='] } },
    { name: 'an empty name', options: { release: '3.22', include: [''] } },
    { name: 'no packages', options: { release: '3.22', packages: [] } },
    { name: 'a component that climbs', options: { release: '3.22', components: ['../x'] } },
    { name: 'no repositories', options: { ...custom, repositories: [] } },
  ])('refuses $name', ({ options }) => {
    expect(() => apk(options as never)).toThrow(expect.objectContaining({ code: 'RECIPE_INVALID' }))
  })

  it.each(['curl', 'curl=8.14.1-r2', 'curl>8', 'curl~8.14', 'curl@edge', '!curl', 'so:libz.so.1'])(
    'takes %s as a package',
    (name) => {
      expect(apk({ release: '3.22', include: [name] }).include).toEqual([name])
    },
  )
})
