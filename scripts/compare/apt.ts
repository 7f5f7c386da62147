import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { $ } from 'zx'
import { isPlinthError, type PlinthError } from '../../src/errors.ts'
import { solve, type SolveRequest } from '../../src/solver/apt/solve.ts'
import type { Universe } from '../../src/solver/apt/universe.ts'
import type { Variant } from '../../src/solver/apt/variants.ts'
import { readArguments, runScript, ScriptError, wholeNumber, words } from '../arguments.ts'
import { drawSet, namesOf, seededRandom, type DrawOptions } from './apt-draw.ts'
import { openAptRoot, type AptAnswer, type AptRoot } from './apt-root.ts'

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

const variants = [
  'custom',
  'essential',
  'apt',
  'minbase',
  'buildd',
  'important',
  'standard',
] as const satisfies readonly Variant[]

const usage = `usage: node scripts/run.mjs scripts/compare/apt.ts [option]… [-- package…]
  Draws random package sets from the real indexes and compares what plinth would install with what
  apt-get -s install says, in an empty root: same versions, or both refuse. Exits 1 when they differ for a
  reason that is not in the list in this file. Packages after -- are compared instead of drawn sets. Needs apt.

  --suite A,B          default bookworm,trixie
  --also A,B           further suites of the mirror, such as bookworm-backports (with one --suite)
  --variant A,B        custom is the set alone, others are the set on top of it, as mmdebstrap asks for
                       them: ${variants.join(', ')} (default custom)
  --seed N             default 1
  --count N            sets of each suite and variant (default 500)
  --size N             packages in a set, at most (default 30)
  --spice PERCENT      of sets with versions, suites, provided names, packages to leave out (default 40)
  --recommends         with what packages recommend
  --architecture A     default amd64
  --directory DIR      keep apt's root there for the next run
  --chroot DIR         use the apt in there; DIR must hold --directory
`

const { values: options, positionals } = readArguments(usage, {
  allowPositionals: true,
  options: {
    suite: { type: 'string', default: 'bookworm,trixie' },
    also: { type: 'string', default: '' },
    variant: { type: 'string', default: 'custom' },
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '500' },
    size: { type: 'string', default: '30' },
    spice: { type: 'string', default: '40' },
    recommends: { type: 'boolean', default: false },
    architecture: { type: 'string', default: 'amd64' },
    directory: { type: 'string' },
    chroot: { type: 'string' },
  },
})

await runScript(main)

async function main(): Promise<boolean> {
  const suites = words('suite', [options.suite])
  const asked = words('variant', [options.variant], variants)
  const draw = {
    seed: wholeNumber('seed', options.seed),
    count: wholeNumber('count', options.count, 1),
    size: wholeNumber('size', options.size, 1),
    spice: wholeNumber('spice', options.spice) / 100,
  }
  if ((await $({ nothrow: true, quiet: true })`apt-get --version`).exitCode !== 0)
    throw new ScriptError('there is no apt to compare with')
  let well = true
  for (const suite of suites) {
    const parent = options.chroot === undefined ? tmpdir() : path.join(options.chroot, 'tmp')
    const directory =
      options.directory ?? (await mkdtemp(path.join(parent, `compare-apt-${suite}-`)))
    try {
      const root = await openAptRoot({
        suite,
        also: options.also.split(',').filter((name) => name !== ''),
        architecture: options.architecture,
        directory: path.resolve(directory, suite),
        chroot: options.chroot,
      })
      for (const variant of asked)
        well = (await compareSets({ suite, variant }, root, draw)) && well
    } finally {
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
    }
  }
  return well
}

async function compareSets(
  { suite, variant }: { readonly suite: string; readonly variant: Variant },
  root: AptRoot,
  draw: Required<DrawOptions> & { readonly seed: number; readonly count: number },
): Promise<boolean> {
  const random = seededRandom(draw.seed)
  const names = namesOf(root.universe)
  const sets =
    positionals.length > 0
      ? [positionals]
      : Array.from({ length: draw.count }, () => drawSet(root.universe, names, random, draw))
  const count = { equal: 0, refused: 0, explained: 0, different: 0 }
  let slowest = 0

  const next = sets.values()
  let done = 0
  const worker = async (): Promise<void> => {
    for (const set of next) {
      if (done > 0 && done % 50 === 0) process.stderr.write(`${suite} ${variant}: ${done} sets\n`)
      done++
      const request = { variant, include: set, recommends: options.recommends }
      const apt = await root.install(request)
      const started = performance.now()
      const own = ask(root.universe, { ...request, suite })
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
  const title = [
    `${suite} (${root.version})`,
    ...(variant === 'custom' ? [] : [variant]),
    ...(options.also === '' ? [] : [`with ${options.also}`]),
    `seed ${draw.seed}`,
    ...(options.recommends ? ['recommends'] : []),
  ]
  console.log(
    `${title.join(', ')}: ${sets.length} sets, ${count.equal} equal, ${count.refused} both refused, ` +
      `${count.explained} explained, ${count.different} different; slowest ${slowest.toFixed(0)} ms`,
  )
  return count.different === 0
}

type OwnAnswer = ReadonlyMap<string, string> | PlinthError

function ask(universe: Universe, request: SolveRequest): OwnAnswer {
  try {
    const { packages } = solve(universe, request)
    return new Map(packages.map((one) => [one.name, one.version]))
  } catch (error) {
    if (isPlinthError(error, 'PACKAGE_NOT_FOUND', 'VERSION_NOT_FOUND', 'UNSATISFIABLE'))
      return error
    console.error(`cannot compare: ${request.include.join(' ')}`)
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
