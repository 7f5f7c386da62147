import { readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bench, digestOf, type Bench } from '../support/builds.ts'
import { startFrozenMirror, type FrozenMirror } from '../support/frozen-mirror.ts'
import { installPlinth, type Installed } from '../support/installed.ts'
import { needs } from '../support/needs.ts'

const { available } = needs('linux', 'root', 'user-namespaces', 'apt-mirror')

const recipe = `import { cmd, deb, defineRecipe, env, label, type Recipe } from 'plinth'
import { z } from 'zod'
import { motto } from './motto.ts'

interface Words { readonly motto: string }
const words: Words = { motto }

const recipe: Recipe = defineRecipe({
  name: 'mine',
  params: z.object({ suite: z.enum(['bookworm', 'trixie']).default('trixie') }),
  rootfs: ({ params }) => deb({ suite: params.suite, variant: 'essential', include: ['netbase'] }),
  instructions: [env({ MOTTO: words.motto }), label({ mine: 'yes' }), cmd(['cat', '/etc/hostname'])],
})
export default recipe
`

describe.skipIf(!available)('a recipe of one’s own', () => {
  let frozen: FrozenMirror
  let here: Bench
  let installed: Installed
  let folder: string

  beforeAll(async () => {
    frozen = await startFrozenMirror()
    here = await bench(frozen.env)
    installed = await installPlinth()
    folder = path.dirname(here.file('project/my.ts', recipe))
    here.file('project/motto.ts', "export const motto: string = 'less is more'\n")
  }, 60_000)
  afterAll(async () => {
    await frozen?.[Symbol.asyncDispose]()
    here?.[Symbol.dispose]()
    installed?.[Symbol.dispose]()
  })

  test(
    'is built in a folder with nothing else in it, by an installed plinth',
    { timeout: 90_000 },
    async () => {
      const args = ['build', './my.ts', '-t', 'mine:1', '-o', 'mine.tar']
      const run = await here.plinth(args, { cwd: folder, binary: installed.binary })
      const digest = digestOf(run)
      expect(run.stderr).not.toMatch(/DeprecationWarning|ExperimentalWarning|MODULE_TYPELESS/)
      expect(readdirSync(folder).toSorted()).toEqual(['mine.tar', 'motto.ts', 'my.ts'])

      const inspected = await here.plinth(['inspect', path.join(folder, 'mine.tar'), '--json'])
      expect(inspected.stdout).toContain('MOTTO=less is more')
      const listed = await here.plinth(['inspect', path.join(folder, 'mine.tar'), '--packages'])
      expect(listed.stdout).toMatch(/\bnetbase\b/)
      // from elsewhere, by another path to the same file, it is the same image
      const elsewhere = ['build', path.join(folder, 'my.ts'), '-t', 'mine:1', '-o', 'again.tar']
      expect(digestOf(await here.plinth(elsewhere))).toBe(digest)
    },
  )

  test('is continued by another, and planned with params', async () => {
    here.file(
      'project/next.mjs',
      `import { defineRecipe, env } from 'plinth'
import mine from './my.ts'
export default defineRecipe({ name: 'next', from: mine, instructions: [env({ NEXT: '1' })] })
`,
    )
    const next = await here.plinth(['build', './next.mjs', '-o', 'next.tar'], { cwd: folder })
    expect(digestOf(next)).toMatch(/^sha256:/)
    const { stdout } = await here.plinth(['inspect', path.join(folder, 'next.tar'), '--json'])
    expect(stdout).toContain('MOTTO=less is more')
    expect(stdout).toContain('NEXT=1')
    const plan = await here.plinth(['plan', './my.ts', '-p', 'suite=bookworm', '--json'], {
      cwd: folder,
    })
    expect(JSON.parse(plan.stdout)).toMatchObject({
      recipe: 'mine',
      sources: expect.arrayContaining([expect.objectContaining({ suite: 'bookworm' })]),
    })
  })
})
