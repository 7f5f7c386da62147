import { existsSync } from 'node:fs'
import process from 'node:process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { prefixOf, startDockerd, type PrivateDockerd } from '../../test/support/dockerd.ts'
import {
  buildahBuilder,
  dockerBuilder,
  findDockerClient,
  plinthBuilder,
  type Builder,
  type DockerEngine,
  type Outcome,
} from '../../test/support/dockerfiles/builders.ts'
import { compareOutcomes, styleOf } from '../../test/support/dockerfiles/compare-images.ts'
import { readCorpus, type DockerfileCase } from '../../test/support/dockerfiles/corpus.ts'
import { splitDifferences, unusedRules } from '../../test/support/dockerfiles/deliberate.ts'
import type { Listing } from '../../test/support/dockerfiles/image-facts.ts'
import {
  readRecords,
  recordedBuilder,
  writeRecords,
} from '../../test/support/dockerfiles/records.ts'
import { runProcess } from '../../test/support/plinth.ts'
import {
  buildCases,
  loadBase,
  makeBase,
  type CorpusBase,
} from '../../test/support/dockerfiles/run-corpus.ts'
import { readArguments, runScript, ScriptError, wholeNumber, words } from '../arguments.ts'

const kinds = ['classic', 'buildkit', 'recent', 'labs', 'recorded'] as const

type Kind = (typeof kinds)[number]

const usage = `usage: node scripts/run.mjs scripts/compare/dockerfile.ts [option]…
  Builds every Dockerfile of test/corpus with Docker and with plinth, from one base image, and compares what
  came of it: failures, config, history, and layer by layer type, mode, owner, links, devices, extended
  attributes, content, whiteouts. What differs deliberately is the table in test/support/dockerfiles/deliberate.ts.
  Exits 1 when anything else differs. Needs root, and plinth built.

  --builder A,B    of ${kinds.join(', ')} (default classic,buildkit: both of this machine's dockerd)
                   'recorded' is what recent and labs made when --record was last given
  --tree DIR       a newer system, unpacked, whose Docker is 'recent' and whose buildah is 'labs':
                   plinth build debian -p suite=forky -o type=dir,dest=DIR \\
                     -p include=docker.io,docker-cli,docker-buildx,buildah,netavark,git,xz-utils
  --own NAME       compare that builder's images instead of plinth's: what the peers disagree on
  --only TEXT      cases whose name contains it
  --jobs N         cases at a time (default 2)
  --record         write what 'recent' and 'labs' make to test/corpus/recorded.jsonl
  --show           all differences, the deliberate ones too
`

const { values: options } = readArguments(usage, {
  options: {
    builder: { type: 'string', default: 'classic,buildkit' },
    tree: { type: 'string' },
    own: { type: 'string', default: 'plinth' },
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: '2' },
    record: { type: 'boolean', default: false },
    show: { type: 'boolean', default: false },
  },
})
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const plinth = [process.execPath, cli] as const

async function main(): Promise<boolean> {
  if (!existsSync(cli)) throw new ScriptError('plinth is not built: npm run build')
  const jobs = wholeNumber('jobs', options.jobs, 1)
  const asked = words<Kind>('builder', [options.builder], kinds)
  using base = await makeBase(plinth)
  const engines: PrivateDockerd[] = []
  try {
    return await compare(base, await openBuilders(asked, base, engines), jobs)
  } finally {
    await Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]()))
  }
}

async function compare(base: CorpusBase, builders: Builder[], jobs: number): Promise<boolean> {
  if (options.own === 'plinth') builders.push(plinthBuilder(plinth, base.env, base.image))
  const corpus = readCorpus()
  const cases = corpus.filter(({ name }) => name.includes(options.only))
  if (cases.length === 0) throw new ScriptError(`no case is called ${options.only}`)
  const tally = new Tally(base.image.tree)
  try {
    await buildCases(cases, builders, jobs, (one, outcomes) => tally.add(one, outcomes))
  } finally {
    if (options.record) writeRecords(tally.recent, new Set(corpus.map(({ name }) => name)))
  }
  const isWhole = options.only === '' && options.own === 'plinth'
  return tally.print(builders, isWhole)
}

/** The builders of engines that are started for them. */
async function openBuilders(
  asked: readonly Kind[],
  base: CorpusBase,
  engines: PrivateDockerd[],
): Promise<Builder[]> {
  const builders: Builder[] = []
  const open = async (tree: string | undefined): Promise<DockerEngine> => {
    const dockerd = await startDockerd({ tree })
    engines.push(dockerd)
    const own = tree === undefined ? await findDockerClient() : 'docker'
    if (own === undefined) throw new ScriptError('no docker command line here builds with BuildKit')
    const [first, ...rest] = [...dockerd.prefix, own]
    const engine: DockerEngine = { host: dockerd.host, client: [first, ...rest] }
    await loadBase(base, engine)
    return engine
  }
  const isOld = (kind: Kind): kind is 'classic' | 'buildkit' =>
    kind === 'classic' || kind === 'buildkit'
  const old = asked.filter(isOld)
  if (old.length > 0) {
    const engine = await open(undefined)
    builders.push(...old.map((kind) => dockerBuilder(kind, engine, base.image)))
  }
  if (asked.includes('recorded')) builders.push(recordedBuilder())
  if (!asked.includes('recent') && !asked.includes('labs')) return builders
  if (options.tree === undefined) throw new ScriptError('say where the newer system is: --tree DIR')
  const tree = path.resolve(options.tree)
  if (asked.includes('recent')) builders.push(dockerBuilder('recent', await open(tree), base.image))
  if (asked.includes('labs')) {
    const place = ['root', 'runroot'].flatMap((name) => [`--${name}`, path.join(base.home, name)])
    const started = [...prefixOf(tree), 'buildah', '--storage-driver', 'vfs', ...place]
    const buildah = [started[0]!, ...started.slice(1)] as const
    const pulled = await runProcess([...buildah, 'pull', `docker-archive:${base.archive}`])
    if (pulled.code !== 0) throw new ScriptError(pulled.stderr)
    builders.push(buildahBuilder(buildah, base.image))
  }
  return builders
}

/** What was found so far. */
class Tally {
  readonly recent = new Map<string, Outcome>()
  readonly #base: Listing
  readonly #records = readRecords()
  readonly #counts = new Map<string, { cases: number; equal: number; deliberate: number }>()
  #failed = 0

  constructor(base: Listing) {
    this.#base = base
  }

  add(one: DockerfileCase, outcomes: ReadonlyMap<string, Outcome>): void {
    const own = outcomes.get(options.own)
    const recent = outcomes.get(one.only === 'labs' ? 'labs' : 'recent')
    if (recent) this.recent.set(one.name, recent)
    if (own === undefined) return
    const record = this.#records.get(one.name)
    const today = record && compareOutcomes(record, own, this.#base, styleOf('recorded', one))
    for (const [name, peer] of outcomes) {
      if (name === options.own) continue
      const differences = compareOutcomes(peer, own, this.#base, styleOf(name, one))
      const { deliberate, others } = splitDifferences(one.name, name, differences, today)
      const counts = this.#counts.get(name) ?? { cases: 0, equal: 0, deliberate: 0 }
      counts.cases++
      if (differences.length === 0) counts.equal++
      else if (others.length === 0) counts.deliberate++
      else this.#failed++
      this.#counts.set(name, counts)
      const shown = options.show ? differences : others
      if (shown.length > 0) console.log(`${one.name}, ${name}:`)
      for (const difference of shown) {
        const mark = deliberate.includes(difference) ? ' (deliberate)' : ''
        console.log(
          `  ${difference.where}${mark}\n    ${name}: ${difference.peer}\n    own: ${difference.own}`,
        )
      }
    }
  }

  print(builders: readonly Builder[], isWhole: boolean): boolean {
    for (const { name } of builders) {
      const counts = this.#counts.get(name)
      if (counts === undefined) continue
      const { cases, equal, deliberate } = counts
      const rest = cases - equal - deliberate
      console.log(
        `${name}: ${cases} cases, ${equal} equal, ${deliberate} differ deliberately, ${rest} differ`,
      )
    }
    const names = builders.map(({ name }) => name)
    const unused = isWhole ? unusedRules(names) : []
    for (const rule of unused) console.log(`the table has a rule that is not needed: ${rule}`)
    return this.#failed === 0 && unused.length === 0
  }
}

await runScript(main)
