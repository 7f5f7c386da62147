// node scripts/run.mjs scripts/compare/apt.ts [--suite bookworm,trixie] [--seed 1] [--count 500]
//   [--architecture amd64] [--directory DIR] [--chroot DIR] [--recommends] [-- package…]
// Draws random package sets from the real indexes and compares what plinth would install with what
// `apt-get -s install` says, in an empty root: same versions, or both refuse. Exits 1 when they differ
// for a reason that is not in the list below. Packages after `--` are compared instead of drawn sets.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { isPlinthError, type PlinthError } from '../../src/errors.ts'
import { solve } from '../../src/solver/apt/solve.ts'
import type { Universe } from '../../src/solver/apt/universe.ts'
import { drawSet, namesOf, seededRandom } from './apt-draw.ts'
import { openAptRoot, type AptAnswer } from './apt-root.ts'

interface Difference {
  readonly set: readonly string[]
  readonly onlyApt: readonly string[]
  readonly onlyPlinth: readonly string[]
  /** when one of the two refuses: why */
  readonly refusal?: string | undefined
}

/** Differences where apt's own answer is arbitrary, each with the reason. */
const explained: readonly {
  readonly reason: string
  readonly matches: (difference: Difference) => boolean
}[] = []

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    suite: { type: 'string', default: 'bookworm,trixie' },
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '500' },
    architecture: { type: 'string', default: 'amd64' },
    directory: { type: 'string' },
    chroot: { type: 'string' },
    recommends: { type: 'boolean', default: false },
  },
})

process.exitCode = (await main()) ? 0 : 1

async function main(): Promise<boolean> {
  let well = true
  for (const suite of options.suite.split(',')) {
    const parent = options.chroot === undefined ? tmpdir() : path.join(options.chroot, 'tmp')
    const directory =
      options.directory ?? (await mkdtemp(path.join(parent, `compare-apt-${suite}-`)))
    try {
      well = (await compareSuite(suite, path.resolve(directory, suite))) && well
    } finally {
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
    }
  }
  return well
}

async function compareSuite(suite: string, directory: string): Promise<boolean> {
  const root = await openAptRoot({
    suite,
    architecture: options.architecture,
    directory,
    chroot: options.chroot,
  })
  const random = seededRandom(Number(options.seed))
  const names = namesOf(root.universe)
  const sets =
    positionals.length > 0
      ? [positionals]
      : Array.from({ length: Number(options.count) }, () => drawSet(root.universe, names, random))
  const count = { equal: 0, refused: 0, explained: 0, different: 0 }
  let slowest = 0

  const next = sets.values()
  const worker = async (): Promise<void> => {
    for (const set of next) {
      const apt = await root.install(set, options.recommends)
      const started = performance.now()
      const own = ask(root.universe, set)
      slowest = Math.max(slowest, performance.now() - started)
      const difference = compare(set, apt, own)
      if (difference === undefined) {
        count[apt.refused ? 'refused' : 'equal']++
        continue
      }
      const reason = explained.find((one) => one.matches(difference))?.reason
      count[reason === undefined ? 'different' : 'explained']++
      print(difference, reason)
    }
  }
  await Promise.all([worker(), worker()])
  console.log(
    `${suite} (${root.version}), seed ${options.seed}${options.recommends ? ', recommends' : ''}: ${sets.length} sets, ${count.equal} equal, ${count.refused} both refused, ` +
      `${count.explained} explained, ${count.different} different; slowest ${slowest.toFixed(0)} ms`,
  )
  return count.different === 0
}

type OwnAnswer = ReadonlyMap<string, string> | PlinthError

function ask(universe: Universe, set: readonly string[]): OwnAnswer {
  try {
    const { packages } = solve(universe, {
      variant: 'custom',
      include: set,
      recommends: options.recommends,
    })
    return new Map(packages.map((one) => [one.name, one.version]))
  } catch (error) {
    if (isPlinthError(error, 'PACKAGE_NOT_FOUND', 'VERSION_NOT_FOUND', 'UNSATISFIABLE'))
      return error
    console.error(`cannot compare: ${set.join(' ')}`)
    throw error
  }
}

function compare(set: readonly string[], apt: AptAnswer, own: OwnAnswer): Difference | undefined {
  if (apt.refused) {
    return own instanceof Map
      ? { set, onlyApt: [], onlyPlinth: ['a solution'], refusal: apt.output }
      : undefined
  }
  if (!(own instanceof Map)) {
    return { set, onlyApt: ['a solution'], onlyPlinth: [], refusal: (own as PlinthError).message }
  }
  const theirs = new Set([...apt.packages].map(line))
  const ours = new Set([...own].map(line))
  const onlyApt = [...theirs].filter((one) => !ours.has(one))
  const onlyPlinth = [...ours].filter((one) => !theirs.has(one))
  return onlyApt.length + onlyPlinth.length === 0 ? undefined : { set, onlyApt, onlyPlinth }
}

function line([name, version]: readonly [string, string]): string {
  return `${name}=${version}`
}

function print(
  { set, onlyApt, onlyPlinth, refusal }: Difference,
  reason: string | undefined,
): void {
  console.log(`${reason === undefined ? 'different' : `explained (${reason})`}: ${set.join(' ')}`)
  if (onlyApt.length > 0) console.log(`  only apt: ${onlyApt.join(' ')}`)
  if (onlyPlinth.length > 0) console.log(`  only plinth: ${onlyPlinth.join(' ')}`)
  if (refusal !== undefined) console.log(refusal.trim().replaceAll(/^/gm, '    '))
}
