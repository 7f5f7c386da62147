import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { listParams, parseParams, readParams } from '../../src/recipe/params.ts'
import { defineRecipe, type Recipe } from '../../src/recipe/recipe.ts'
import { deb } from '../../src/recipe/rootfs.ts'

const rootfs = deb({ suite: 'trixie' })
const recipe: Recipe = defineRecipe({
  name: 'sample',
  rootfs,
  params: z.object({
    suite: z.enum(['bookworm', 'trixie']).default('trixie').describe('the release'),
    include: z.array(z.string()).default([]),
    ports: z.array(z.number()).optional(),
    level: z.int().min(1).max(9).optional(),
    slim: z.boolean().default(false),
    mode: z.union([z.literal('auto'), z.number()]).optional(),
    extra: z.object({ key: z.string() }).optional(),
  }),
})

describe('readParams()', () => {
  it.each([
    { given: [], expected: {} },
    { given: ['suite=bookworm'], expected: { suite: 'bookworm' } },
    {
      given: ['include=curl, ca-certificates'],
      expected: { include: ['curl', 'ca-certificates'] },
    },
    { given: ['include=a,b', 'include=c'], expected: { include: ['a', 'b', 'c'] } },
    { given: ['include='], expected: { include: [] } },
    { given: ['include=curl=8.1-2,nano-'], expected: { include: ['curl=8.1-2', 'nano-'] } },
    { given: ['ports=80,443'], expected: { ports: [80, 443] } },
    { given: ['level=3', 'slim=true'], expected: { level: 3, slim: true } },
    { given: ['mode=auto'], expected: { mode: 'auto' } },
    { given: ['mode=7'], expected: { mode: 7 } },
    { given: ['extra={"key":"v"}'], expected: { extra: { key: 'v' } } },
    // what fits no type stays text, so that the schema's own message is shown
    { given: ['level=high', 'slim=yes'], expected: { level: 'high', slim: 'yes' } },
  ])('reads $given', async ({ given, expected }) => {
    expect(await readParams(recipe, given)).toEqual(expected)
  })

  it.each([
    { name: 'no equals sign', given: ['suite'], says: /'suite' is not key=value/ },
    { name: 'no key', given: ['=x'], says: /not key=value/ },
    { name: 'an unknown key', given: ['siute=trixie'], says: /siute.*did you mean suite\?/ },
    { name: 'a scalar twice', given: ['slim=true', 'slim=false'], says: /slim is given 2 times/ },
  ])('refuses $name', async ({ given, says }) => {
    await expect(readParams(recipe, given)).rejects.toMatchObject({
      code: 'PARAM_INVALID',
      message: expect.stringMatching(says) as string,
      hint: expect.stringContaining('suite=bookworm|trixie include=text,…') as string,
    })
  })

  it('refuses any param of a recipe that takes none', async () => {
    const none: Recipe = defineRecipe({ name: 'none', rootfs })
    await expect(readParams(none, ['a=b'])).rejects.toMatchObject({
      code: 'PARAM_INVALID',
      hint: 'it takes no params',
    })
  })
})

describe('parseParams()', () => {
  it('fills in defaults', async () => {
    expect(await parseParams(recipe, { level: 2 })).toEqual({
      suite: 'trixie',
      include: [],
      slim: false,
      level: 2,
    })
  })

  it('gives each problem a line', async () => {
    await expect(parseParams(recipe, { suite: 'sid', level: 12 })).rejects.toMatchObject({
      code: 'PARAM_INVALID',
      message: expect.stringMatching(
        /recipe sample:\n {2}suite: expected one of .*\n {2}level: .*<=9/,
      ) as string,
    })
  })

  it('refuses a key the schema does not have', async () => {
    await expect(parseParams(recipe, { sweet: 1 })).rejects.toMatchObject({ code: 'PARAM_INVALID' })
  })
})

describe('listParams()', () => {
  it('tells names, types and defaults for people', async () => {
    expect(await listParams(recipe)).toMatchObject([
      { name: 'suite', type: 'bookworm|trixie', default: 'trixie', description: 'the release' },
      { name: 'include', type: 'text,…', default: [] },
      { name: 'ports', type: 'number,…' },
      { name: 'level', type: 'integer' },
      { name: 'slim', type: 'true|false', default: false },
      { name: 'mode', type: '"auto"|number' },
      { name: 'extra', type: 'object' },
    ])
  })
})
