import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { parsePlatform } from '../../src/platform.ts'
import { cmd, env, expose, stopsignal, user, volume } from '../../src/recipe/instruction.ts'
import { checkRecipe, defineRecipe, withParams, type Recipe } from '../../src/recipe/recipe.ts'
import { resolveRecipe } from '../../src/recipe/resolve.ts'
import { deb, type DebRootfs } from '../../src/recipe/rootfs.ts'

const platform = parsePlatform('linux/amd64')
const base = defineRecipe({
  name: 'base',
  params: z.object({ suite: z.string().default('trixie') }),
  rootfs: ({ params }) => deb({ suite: params.suite }),
  instructions: [env({ A: '1' })],
})

describe('defineRecipe()', () => {
  it('types its functions by the params', () => {
    defineRecipe({
      name: 'typed',
      params: z.object({ include: z.array(z.string()).default([]) }),
      rootfs: (context) => {
        expectTypeOf(context.params.include).toEqualTypeOf<string[]>()
        return deb({ suite: 'trixie', ...context.params })
      },
    })
    expectTypeOf(base).toExtend<Recipe>()
  })

  it('does not compile what is no recipe, and refuses it at run time too', () => {
    const rootfs = deb({ suite: 'trixie' })
    // @ts-expect-error both a root filesystem and a recipe to continue
    expect(() => defineRecipe({ name: 'both', rootfs, from: base })).toThrow(
      /either rootfs or from/,
    )
    // @ts-expect-error neither
    expect(() => defineRecipe({ name: 'neither' })).toThrow(/either rootfs or from/)
    // @ts-expect-error a field that does not exist
    expect(() => defineRecipe({ name: 'typo', rootfs, instrutcions: [] })).toThrow(/'instrutcions'/)
    // @ts-expect-error a string is no root filesystem
    defineRecipe({ name: 'text', rootfs: 'trixie' })
    // @ts-expect-error params are a zod object
    expect(() => defineRecipe({ name: 'params', rootfs, params: z.string() })).toThrow(/zod object/)
  })

  it.each([
    { name: 'null', value: null },
    { name: 'a function', value: () => base },
    { name: 'no name', value: { rootfs: {} } },
    { name: 'a name with a space', value: { name: 'a b', rootfs: {} } },
  ])('checkRecipe() refuses $name', ({ value }) => {
    expect(() => checkRecipe(value)).toThrow(expect.objectContaining({ code: 'RECIPE_INVALID' }))
  })
})

describe('deb()', () => {
  it('fills in what needs no network', () => {
    expect(deb({ suite: 'trixie' })).toEqual({
      kind: 'deb',
      distro: 'debian',
      suite: 'trixie',
      suites: undefined,
      mirrors: [],
      components: undefined,
      variant: 'minbase',
      include: [],
      recommends: false,
      skip: [],
      configure: 'run',
      keys: undefined,
      sources: [],
    })
  })

  it('does not compile a suite of a custom distribution', () => {
    expectTypeOf(deb({ distro: 'custom', sources: 'Types: deb' })).toEqualTypeOf<DebRootfs>()
    // @ts-expect-error a custom distribution's suites are in its sources
    deb({ distro: 'custom', suite: 'trixie', sources: 'Types: deb' })
    // @ts-expect-error a distribution plinth knows nothing of
    deb({ distro: 'devuan', suite: 'daedalus' })
  })

  it.each([
    { name: 'a suite with a space', options: { suite: 'trixie sid' } },
    { name: 'an empty suite', options: { suite: '' } },
    { name: 'no sources', options: { distro: 'custom', sources: [] } },
    { name: 'custom of nothing', options: { suite: 'trixie', variant: 'custom' } },
    { name: 'a package with a space', options: { suite: 'trixie', include: ['curl wget'] } },
    { name: 'an option as a package', options: { suite: 'trixie', include: ['--yes'] } },
    { name: 'an unknown variant', options: { suite: 'trixie', variant: 'tiny' } },
    {
      name: 'a check that cannot be skipped',
      options: { suite: 'trixie', skip: ['check/digest'] },
    },
  ])('refuses $name', ({ options }) => {
    expect(() => deb(options as never)).toThrow(expect.objectContaining({ code: 'RECIPE_INVALID' }))
  })

  it.each([
    'curl',
    'libc6:arm64',
    'curl=8.14.1-2+deb13u1',
    'curl/trixie-backports',
    'nano-',
    'g++',
  ])('takes %s as a package', (name) => {
    expect(deb({ suite: 'trixie', include: [name] }).include).toEqual([name])
  })
})

describe('resolveRecipe()', () => {
  it('decides everything and keeps plain data', async () => {
    const resolved = await resolveRecipe(base, { params: { suite: 'bookworm' }, platform })
    expect(resolved).toMatchObject({
      name: 'base',
      platform,
      params: { suite: 'bookworm' },
      rootfs: { suite: 'bookworm' },
      instructions: [{ kind: 'env', pairs: [['A', '1']] }],
    })
    expect(JSON.parse(JSON.stringify(resolved))).toMatchObject({ rootfs: { suite: 'bookworm' } })
  })

  it('continues another recipe: its root filesystem, its instructions first', async () => {
    const derived = defineRecipe({
      name: 'derived',
      from: withParams(base, { suite: 'sid' }),
      instructions: [cmd(['bash'])],
    })
    expect(await resolveRecipe(derived, { platform })).toMatchObject({
      name: 'derived',
      rootfs: { suite: 'sid' },
      instructions: [{ kind: 'env' }, { kind: 'cmd', command: ['bash'] }],
    })
  })

  it('says which function of which recipe threw', async () => {
    const broken = defineRecipe({
      name: 'broken',
      rootfs: () => {
        throw new Error('no idea')
      },
    })
    await expect(resolveRecipe(broken, { platform })).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
      message: 'recipe broken: rootfs threw: no idea',
    })
  })

  it('refuses a platform the recipe excludes, however it is spelled', async () => {
    const some = defineRecipe({ ...base, platforms: ['linux/x86_64'] })
    await expect(resolveRecipe(some, { platform })).resolves.toBeDefined()
    await expect(
      resolveRecipe(some, { platform: parsePlatform('linux/arm64') }),
    ).rejects.toMatchObject({ code: 'PLATFORM_INVALID', hint: 'it is for linux/x86_64' })
  })
})

describe('instructions', () => {
  it('normalise ports', () => {
    expect(expose(80, '53/udp')).toEqual({ kind: 'expose', ports: ['80/tcp', '53/udp'] })
  })

  it.each([
    { name: 'expose', make: () => expose(70_000) },
    { name: 'expose protocol', make: () => expose('80/http') },
    { name: 'env', make: () => env({ 'A=B': '1' }) },
    { name: 'user', make: () => user('a:b:c') },
    { name: 'volume', make: () => volume('data') },
    { name: 'stopsignal', make: () => stopsignal('please') },
  ])('$name refuses what no image can hold', ({ make }) => {
    expect(make).toThrow(expect.objectContaining({ code: 'RECIPE_INVALID' }))
  })
})
