import { describe, expect, it } from 'vitest'
import { emptyImage } from '../../src/oci/image.ts'
import { buildOn, withInstructions } from '../../src/pipeline/instructions.ts'
import { parsePlatform } from '../../src/platform.ts'
import { defineRecipe } from '../../src/recipe/recipe.ts'
import { cmd, env, workdir } from '../../src/recipe/instruction.ts'
import { copy } from '../../src/recipe/files-instruction.ts'
import { resolveRecipe } from '../../src/recipe/resolve.ts'
import { rootOf } from '../../src/rootfs/layered-root.ts'
import { contextDirectory, engineDeps } from '../support/dockerfile-build.ts'
import { scratchStore } from '../support/scratch.ts'

const platform = parsePlatform('linux/amd64')

describe("a recipe's instructions", () => {
  it('leave the history a Dockerfile would', async () => {
    const deps = engineDeps(await scratchStore())
    const base = emptyImage(platform, 7)
    const instructions = [env({ A: '1' }), workdir('/w'), cmd('run')]
    const request = { instructions, platform, compression: 'gzip', noCache: false } as const
    const { config, layers } = await withInstructions(base, request, deps)
    expect(config.history.map((entry) => entry.created_by)).toEqual([
      'ENV A=1',
      'WORKDIR /w',
      'CMD ["/bin/sh" "-c" "run"]',
    ])
    expect(config.history.every(({ created }) => created === '1970-01-01T00:00:07Z')).toBe(true)
    expect(layers.map(({ mediaType }) => mediaType)).toEqual([
      'application/vnd.oci.image.layer.v1.tar+gzip',
    ])
  })
  it('may be all of a recipe: from scratch, with files beside its module', async () => {
    const recipe = defineRecipe({ name: 'own', from: 'scratch', instructions: [copy('a', '/b')] })
    const resolved = await resolveRecipe(recipe, { platform })
    expect(resolved.from).toBe('scratch')
    const store = await scratchStore()
    const directory = contextDirectory({ a: 'text' })
    const { image, cached } = await buildOn(
      {
        from: 'scratch',
        instructions: resolved.instructions,
        directory,
        platform,
        compression: 'none',
        noCache: false,
        names: [],
        outputs: [],
      },
      engineDeps(store),
    )
    expect([...(await rootOf(image.layers, store).tree()).keys()]).toEqual(['b'])
    expect(cached).toBe(false)
  })
})
