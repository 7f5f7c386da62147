import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDockerd, type PrivateDockerd } from '../support/dockerd.ts'
import {
  dockerBuilder,
  findDockerClient,
  plinthBuilder,
  type Outcome,
} from '../support/dockerfiles/builders.ts'
import { compareOutcomes, styleOf } from '../support/dockerfiles/compare-images.ts'
import { readCorpus, type DockerfileCase } from '../support/dockerfiles/corpus.ts'
import { splitDifferences } from '../support/dockerfiles/deliberate.ts'
import { readRecords } from '../support/dockerfiles/records.ts'
import {
  buildCases,
  loadBase,
  makeBase,
  type CorpusBase,
} from '../support/dockerfiles/run-corpus.ts'
import { needs } from '../support/needs.ts'
import { builtPlinth } from '../support/plinth.ts'

const programs = [
  'linux',
  'root',
  'user-namespaces',
  'busybox',
  'bzip2',
  'git',
  'xz',
  'zstd',
] as const
const corpus = readCorpus()
const records = readRecords()

/** Every n-th case, which is one of every sort. */
const sample = corpus.filter((one, at) => at % 6 === 0 && ['all', 'buildkit'].includes(one.only))

describe.skipIf(!needs(...programs).available)('Dockerfiles, built by plinth', () => {
  const outcomes = new Map<string, Outcome>()
  let base: CorpusBase
  beforeAll(async () => {
    const plinth = [process.execPath, await builtPlinth()] as const
    base = await makeBase(plinth)
    const builder = plinthBuilder(plinth, base.env, base.image)
    await buildCases(corpus, [builder], 3, (one, made) => {
      outcomes.set(one.name, made.get('plinth')!)
    })
  }, 600_000)
  afterAll(() => base?.[Symbol.dispose]())

  test('the records are of this corpus', () => {
    expect([...records.keys()]).toEqual(corpus.map(({ name }) => name).toSorted())
  })

  test.each(corpus)('are what BuildKit made: $name', (one) => {
    expect(
      unexpected(
        one,
        one.only === 'labs' ? 'labs' : 'recent',
        records.get(one.name)!,
        outcomes.get(one.name)!,
        base,
      ),
    ).toEqual([])
  })
})

const { available } = needs(...programs, 'docker', 'dockerd')

describe.skipIf(!available)("Dockerfiles, built by this machine's Docker and by plinth", () => {
  const outcomes = new Map<string, ReadonlyMap<string, Outcome>>()
  let dockerd: PrivateDockerd
  let base: CorpusBase
  beforeAll(async () => {
    const plinth = [process.execPath, await builtPlinth()] as const
    const client = await findDockerClient()
    if (client === undefined) throw new Error('no docker command line here builds with BuildKit')
    base = await makeBase(plinth)
    dockerd = await startDockerd()
    const engine = { host: dockerd.host, client: [client] as const }
    await loadBase(base, engine)
    const builders = [
      dockerBuilder('classic', engine, base.image),
      dockerBuilder('buildkit', engine, base.image),
      plinthBuilder(plinth, base.env, base.image),
    ]
    await buildCases(sample, builders, 3, (one, made) => void outcomes.set(one.name, made))
  }, 600_000)
  afterAll(async () => {
    await dockerd?.[Symbol.asyncDispose]()
    base?.[Symbol.dispose]()
  }, 60_000)

  test.each(sample)('are alike: $name', (one) => {
    const made = outcomes.get(one.name)!
    for (const builder of ['classic', 'buildkit']) {
      const peer = made.get(builder)
      if (peer) expect(unexpected(one, builder, peer, made.get('plinth')!, base)).toEqual([])
    }
  })
})

/** What differs and is not in the table of what may. */
function unexpected(
  one: DockerfileCase,
  builder: string,
  peer: Outcome,
  own: Outcome,
  base: CorpusBase,
): readonly object[] {
  const differences = compareOutcomes(peer, own, base.image.tree, styleOf(builder, one))
  const record = records.get(one.name)
  const today = record && compareOutcomes(record, own, base.image.tree, styleOf('recorded', one))
  return splitDifferences(one.name, builder, differences, today).others
}
