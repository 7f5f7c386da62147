import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { builtPlinth, plinth, runProcess } from '../support/plinth.ts'

// The built program as a process: what only shows there.
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'plinth-cli-'))
  await builtPlinth()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the plinth program', () => {
  it('prints its version and nothing else', async () => {
    expect(await plinth(['--version'])).toEqual({
      code: 0,
      signal: null,
      stdout: `${packageJson.version}\n`,
      stderr: '',
    })
  })

  it('keeps results and diagnostics apart', async () => {
    const recipes = await plinth(['recipes', '--json'])
    expect(JSON.parse(recipes.stdout)).toMatchObject([
      { name: 'alpine' },
      { name: 'debian' },
      { name: 'ubuntu' },
      { name: 'wolfi' },
    ])
    expect(recipes.stderr).toBe('')
    expect(await plinth(['build', 'nothing'])).toMatchObject({ code: 64, stdout: '' })
  })

  it('says nothing of a module loader when it loads TypeScript', async () => {
    await writeFile(
      path.join(folder, 'mine.ts'),
      `import { deb, defineRecipe } from 'plinth'
      import { z } from 'zod'
      const suite: string = 'trixie'
      export default defineRecipe({ name: 'mine', params: z.object({ a: z.int() }), rootfs: deb({ suite }) })`,
    )
    const ended = await plinth(['build', './mine.ts', '-p', 'a=x'], { cwd: folder })
    expect(ended).toMatchObject({ code: 64, stdout: '' })
    expect(ended.stderr).toMatch(
      /^plinth: cannot use the params of recipe mine: a: expected (int|number)/,
    )
  })

  it('shows where a TypeScript recipe does not parse', async () => {
    await writeFile(path.join(folder, 'broken.ts'), `const a = 1\n\nconst b: = 2\n`)
    const ended = await plinth(['plan', './broken.ts'], { cwd: folder })
    expect(ended.code).toBe(64)
    expect(ended.stderr).toContain('broken.ts')
    expect(ended.stderr).toContain('(RECIPE_INVALID)')
  })

  it('is quiet when the reader of its results goes away', async () => {
    const child = spawn(process.execPath, [await builtPlinth(), 'recipes'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.destroy()
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    await once(child, 'close')
    expect({ code: child.exitCode, stderr }).toEqual({ code: 0, stderr: '' })
  })

  it('runs from any folder with an empty environment', async () => {
    const ended = await runProcess(
      ['/usr/bin/env', '-i', process.execPath, await builtPlinth(), 'help'],
      { cwd: '/' },
    )
    expect(ended.stdout).toContain('Usage: plinth')
  })
})
