import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Module hooks are for a whole process, so recipes are loaded by one of its own, from a folder that has no
// node_modules above it.
const at = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url))
let folder: string
let loader: ChildProcess

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'plinth recipes ü '))
  const script = path.join(folder, 'loader.mjs')
  await writeFile(
    script,
    `import { loadRecipe } from ${JSON.stringify(at('src/recipe/load.ts'))}
    process.on('message', async (name) => {
      try {
        const { recipe, bundled } = await loadRecipe(name, { cwd: process.cwd() })
        process.send({ name: recipe.name, bundled, params: Object.keys(recipe.params?.shape ?? {}) })
      } catch ({ code, message, hint }) {
        process.send({ code, message, hint })
      }
    })`,
  )
  loader = fork(script, { cwd: folder, execArgv: ['--import', at('scripts/typescript.mjs')] })
})
afterAll(async () => {
  loader.kill()
  await rm(folder, { recursive: true, force: true })
})

interface Loaded {
  readonly name?: string
  readonly bundled?: boolean
  readonly params?: readonly string[]
  readonly code?: string
  readonly message?: string
  readonly hint?: string
}

/** Loads `name` in the folder and tells what came of it. */
async function load(name: string): Promise<Loaded> {
  const answer = once(loader, 'message')
  loader.send(name)
  const [loaded] = (await answer) as [Loaded]
  return loaded
}

async function write(name: string, text: string): Promise<string> {
  await writeFile(path.join(folder, name), text)
  return `./${name}`
}

let count = 0
const body = `({ name: 'mine', params: z.object({ n: z.number().default(1) }), rootfs: deb({ suite: 'trixie' }) })`

describe('loadRecipe()', () => {
  it.each(['ts', 'mts', 'js', 'mjs'])(
    'loads a .%s module that can resolve nothing',
    async (ext) => {
      const type = ext.endsWith('ts') ? ': string' : ''
      const text = `import { deb, defineRecipe } from 'plinth'\nimport { z } from 'zod'
      const unused${type} = ''\nexport default defineRecipe${body}`
      expect(await load(await write(`a-${ext}.${ext}`, text))).toEqual({
        name: 'mine',
        bundled: false,
        params: ['n'],
      })
    },
  )

  it('follows imports of TypeScript beside it', async () => {
    await write('helper.ts', `export const name: string = 'helped'`)
    const text = `import { deb, defineRecipe } from 'plinth'\nimport { name } from './helper.ts'
      export default defineRecipe({ name, rootfs: deb({ suite: 'trixie' }) })`
    expect(await load(await write('helped.ts', text))).toMatchObject({ name: 'helped' })
  })

  it("prefers the recipe's own zod", async () => {
    const own = path.join(folder, 'node_modules', 'zod')
    await mkdir(own, { recursive: true })
    await writeFile(path.join(own, 'package.json'), '{"type":"module","exports":"./index.js"}')
    await writeFile(path.join(own, 'index.js'), `export const z = 'its own'`)
    const text = `import { z } from 'zod'\nthrow new Error(z)`
    const loaded = await load(await write('zod.ts', text))
    await rm(path.join(folder, 'node_modules'), { recursive: true })
    expect(loaded.message).toContain('its own')
  })

  it('loads a bundled recipe by its name', async () => {
    expect(await load('debian')).toMatchObject({ name: 'debian', bundled: true })
  })

  it.each([
    { name: 'a name that is close to one', given: 'debain', hint: 'did you mean debian?' },
    { name: 'a name that is not', given: 'plan9', hint: 'bundled: alpine, debian, ubuntu, wolfi' },
    { name: 'a name that is a file here', given: 'here', hint: 'write ./here.ts' },
    { name: 'a path that is not there', given: './nothing.ts', hint: 'debian, ubuntu' },
    { name: 'a path without its extension', given: './here', hint: 'did you mean ./here.ts?' },
    { name: 'a folder', given: './', hint: '.ts, .mts, .js, .mjs' },
    { name: 'another kind of file', given: './recipe.json', hint: '.ts, .mts, .js, .mjs' },
  ])('RECIPE_NOT_FOUND for $name', async ({ given, hint }) => {
    await write('here.ts', `export {}`)
    await write('recipe.json', `{}`)
    const loaded = await load(given)
    expect(loaded.code).toBe('RECIPE_NOT_FOUND')
    expect(loaded.hint).toContain(hint)
  })

  it.each([
    {
      name: 'TypeScript that does not parse',
      ext: 'ts',
      text: `\n\nconst a: = 3`,
      says: 'broken-',
    },
    {
      name: 'JavaScript that does not parse',
      ext: 'mjs',
      text: `\n\nconst a = ;`,
      says: ':3: it does not parse: ',
    },
    {
      name: 'a module that throws',
      ext: 'ts',
      text: `\nthrow new Error('boom')`,
      says: ':2: boom',
    },
    {
      name: 'a missing package',
      ext: 'ts',
      text: `import 'nope'`,
      says: 'it imports nope, which is not there',
    },
    { name: 'a missing file', ext: 'ts', text: `import './nope.ts'`, says: 'which is not there' },
    {
      name: 'a missing export',
      ext: 'ts',
      text: `import { rum } from 'plinth'`,
      says: "named 'rum'",
    },
    {
      name: 'no default export',
      ext: 'ts',
      text: `export const a = 1`,
      says: 'it has no default export',
    },
    {
      name: 'a default that is no recipe',
      ext: 'ts',
      text: `export default { name: 'x' }`,
      says: 'either rootfs or from',
    },
  ])('RECIPE_INVALID for $name', async ({ ext, text, says }) => {
    // Node remembers failed imports, so each has a name of its own
    const file = await write(`broken-${++count}.${ext}`, text)
    const loaded = await load(file)
    expect(loaded).toMatchObject({ code: 'RECIPE_INVALID' })
    expect(loaded.message).toContain(`${folder}/broken-${count}.${ext}`)
    expect(loaded.message).toContain(says)
  })
})
