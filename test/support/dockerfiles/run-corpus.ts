import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { runProcess } from '../plinth.ts'
import { baseName, writeBaseRecipe } from './base.ts'
import type { Builder, DockerEngine, Outcome } from './builders.ts'
import { startFileServer, writeContext } from './context.ts'
import type { DockerfileCase } from './corpus.ts'
import { readBaseImage, type BaseImage } from './image-facts.ts'

/** The base in plinth's store, and in an archive that engines load. */
export interface CorpusBase extends Disposable {
  readonly image: BaseImage
  /** a directory that goes with it */
  readonly home: string
  readonly archive: string
  /** for plinth: the store that has it */
  readonly env: Readonly<Record<string, string>>
}

/** Has plinth, run as `command`, make the image that cases build on. */
export async function makeBase(command: readonly [string, ...string[]]): Promise<CorpusBase> {
  const home = mkdtempSync(path.join(tmpdir(), 'corpus-'))
  const remove = (): void => rmSync(home, { recursive: true, force: true })
  try {
    const recipe = path.join(home, 'base.ts')
    writeFileSync(recipe, writeBaseRecipe(home))
    const archive = path.join(home, 'base.tar')
    const env = { PLINTH_STORE: path.join(home, 'store') }
    const argv = ['build', recipe, '-t', baseName, '-o', archive]
    const made = await runProcess([...command, ...argv], { env })
    if (made.code !== 0) throw new Error(made.stderr)
    return { image: await readBaseImage(archive), home, archive, env, [Symbol.dispose]: remove }
  } catch (error) {
    remove()
    throw error
  }
}

/** Gives it to an engine. */
export async function loadBase(base: CorpusBase, { host, client }: DockerEngine): Promise<void> {
  const loaded = await runProcess([...client, 'load', '-i', base.archive], {
    env: { DOCKER_HOST: host },
  })
  if (loaded.code !== 0) throw new Error(`docker load: ${loaded.stderr}`)
}

/**
 * Builds cases with every builder that knows them, `jobs` cases at a time, and hands over the outcomes by
 * builder as each case is done. What a case fetches is served meanwhile; its address stands as `@URL@`.
 * Rejects at the end when a builder neither built a case nor said why not.
 */
export async function buildCases(
  cases: readonly DockerfileCase[],
  builders: readonly Builder[],
  jobs: number,
  onBuilt: (one: DockerfileCase, outcomes: ReadonlyMap<string, Outcome>) => void,
): Promise<void> {
  await using server = await startFileServer()
  const pending = cases.values()
  const broken: string[] = []
  const work = async (): Promise<void> => {
    for (const one of pending) {
      const context = mkdtempSync(path.join(tmpdir(), 'context-'))
      try {
        writeContext(one, context, server.url)
        const outcomes = new Map<string, Outcome>()
        for (const builder of builders) {
          if (!builder.knows(one)) continue
          const outcome = await builder.build(one, context)
          const text = JSON.stringify(outcome).replaceAll(server.url, '@URL@')
          outcomes.set(builder.name, JSON.parse(text) as Outcome)
        }
        onBuilt(one, outcomes)
      } catch (error) {
        broken.push(`${one.name}: ${(error as Error).message}`)
      } finally {
        rmSync(context, { recursive: true, force: true })
      }
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  if (broken.length > 0) throw new Error(broken.join('\n'))
}
