import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { $ } from 'zx'
import type { DebPlan } from '../../src/plan.ts'
import { readArguments, runScript, ScriptError, words } from '../arguments.ts'
import { inspectRoots } from './inside-root.ts'
import { compareTrees, type TreeDifference } from './compare-trees.ts'
import { normalisations } from './mmdebstrap-table.ts'
import { readRootTar } from './root-tar.ts'

const variants = ['essential', 'apt', 'minbase', 'important'] as const

/** What is built by both. */
interface Subject {
  readonly suite: string
  readonly variant: string
  readonly include: readonly string[]
}

const usage = `usage: node scripts/run.mjs scripts/compare/mmdebstrap.ts [option]…
  Builds the same Debian with mmdebstrap and with plinth, from the same sources at the same time, and
  compares the two root filesystems path by path: type, mode, owner, link target, device, extended
  attributes, content, and modification time. What may differ is the table in mmdebstrap-table.ts.
  As root it also asks the dpkg and apt inside of plinth's tree whether all is well. Exits 1 when anything
  differs.

  --suite A,B      default bookworm,trixie
  --variant A,B    of ${variants.join(', ')}, buildd, standard (default: the first four)
  --include a,b    more packages; given again: another comparison
  --store DIR      plinth's store (default: an empty one)
  --cache DIR      keep mmdebstrap's archives there for the next run
  --keep DIR       keep both archives of this run there
`

const { values: options } = readArguments(usage, {
  options: {
    suite: { type: 'string', default: 'bookworm,trixie' },
    variant: { type: 'string', default: variants.join() },
    include: { type: 'string', multiple: true, default: [''] },
    store: { type: 'string' },
    cache: { type: 'string' },
    keep: { type: 'string' },
  },
})
const checkout = fileURLToPath(new URL('../../', import.meta.url))
const shell = $({ quiet: true, env: { ...process.env, LC_ALL: 'C.UTF-8' } })

/** What plinth calls the machine while scripts run: some write it down. */
const hostname = 'plinth'
const namedMachine = ['unshare', '--uts', 'sh', '-c', `hostname ${hostname} && exec "$@"`, 'sh']
const isRoot = process.getuid?.() === 0

await runScript(main)

async function main(): Promise<boolean> {
  const suites = words('suite', [options.suite])
  const asked = words('variant', [options.variant], [...variants, 'buildd', 'standard'])
  if ((await $({ nothrow: true, quiet: true })`mmdebstrap --version`).exitCode !== 0)
    throw new ScriptError('there is no mmdebstrap to compare with: apt-get install mmdebstrap')
  const work = await mkdtemp(path.join(tmpdir(), 'compare-mmdebstrap-'))
  try {
    let equal = true
    for (const suite of suites) {
      for (const variant of asked) {
        for (const include of options.include) {
          const names = include.split(',').filter((name) => name !== '')
          equal = (await compare({ suite, variant, include: names }, work)) && equal
        }
      }
    }
    return equal
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function compare(subject: Subject, work: string): Promise<boolean> {
  const title = [subject.suite, subject.variant, ...subject.include].join(' ')
  const [own, peer] = await buildBoth(subject, work)
  const { paths, differences } = compareTrees(
    await readRootTar(peer),
    await readRootTar(own),
    normalisations,
  )
  const complaints = isRoot ? await inspectRoots(peer, own, work) : []
  console.log(
    `${title}: ${paths} paths, ${differences.length} differ` +
      (complaints.length > 0 ? `, ${complaints.length} complaints` : ''),
  )
  for (const difference of differences) await print(difference, work)
  for (const complaint of complaints) console.log(`  ${complaint}`)
  if (options.keep !== undefined) {
    await mkdir(options.keep, { recursive: true })
    const name = title.replaceAll(/[^a-z0-9.+-]+/g, '_')
    await shell`cp ${own} ${path.join(options.keep, `${name}.plinth.tar`)}`
    await shell`cp ${peer} ${path.join(options.keep, `${name}.mmdebstrap.tar`)}`
  }
  return differences.length + complaints.length === 0
}

/** One after the other: plinth's plan says which sources at which time both are to use. */
async function buildBoth(
  { suite, variant, include }: Subject,
  work: string,
): Promise<[own: string, peer: string]> {
  const own = path.join(work, 'plinth.tar')
  const store = options.store ?? path.join(work, 'store')
  const recipe = ['-p', `suite=${suite}`, '-p', `variant=${variant}`]
  if (include.length > 0) recipe.push('-p', `include=${include.join(',')}`)
  const plinth = (argv: readonly string[]) =>
    shell`${process.execPath} ${path.join(checkout, 'scripts/run.mjs')} ${path.join(checkout, 'src/cli/main.ts')} ${argv}`
  const planned = await plinth(['plan', 'debian', ...recipe, '--json', '--store', store])
  const plan = JSON.parse(planned.stdout) as DebPlan
  await plinth([
    'build',
    'debian',
    '--no-cache',
    ...recipe,
    '--store',
    store,
    '-o',
    `type=rootfs,dest=${own}`,
  ])

  const key = createHash('sha256').update(JSON.stringify([plan.sources, plan.variant, include]))
  const cache = options.cache ?? work
  await mkdir(cache, { recursive: true })
  const peer = path.join(cache, `${suite}-${variant}-${key.digest('hex').slice(0, 16)}.tar`)
  if (!(await exists(peer))) {
    const sources = path.join(work, 'debian.sources')
    await writeFile(sources, plan.files['etc/apt/sources.list.d/debian.sources'] ?? '')
    const partial = `${peer}.partial`
    const more = include.length > 0 ? [`--include=${include.join(',')}`] : []
    const setup = `echo ${hostname} >"$1/etc/hostname" && : >"$1/etc/resolv.conf"`
    const argv = [
      '--quiet',
      `--variant=${variant}`,
      '--format=tar',
      `--setup-hook=${setup}`,
      ...more,
      suite,
      partial,
      sources,
    ]
    await $({
      quiet: true,
      env: scriptEnvironment(plan.epoch),
    })`${isRoot ? namedMachine : []} mmdebstrap ${argv}`
    await rename(partial, peer)
  }
  return [own, peer]
}

/**
 * mmdebstrap hands on what it was given, and scripts heed some of it: PYTHON…, for one. It works in /tmp, not
 * in TMPDIR: where the user apt downloads as cannot go, root downloads, and owns apt's directories then.
 */
function scriptEnvironment(epoch: number): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'http_proxy', 'https_proxy', 'no_proxy']
  return {
    ...Object.fromEntries(kept.map((name) => [name, process.env[name]])),
    LC_ALL: 'C.UTF-8',
    SOURCE_DATE_EPOCH: String(epoch),
  }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

async function print({ path: name, what, contents }: TreeDifference, work: string): Promise<void> {
  console.log(`  ${name}: ${what.join(', ')}`)
  if (contents === undefined) return
  const files = ['mmdebstrap', 'plinth'].map((side) => path.join(work, side))
  await Promise.all(files.map((file, side) => writeFile(file, contents[side]!, 'latin1')))
  const diff = await shell({ nothrow: true })`diff -U1 ${files[0]} ${files[1]}`
  const lines = diff.stdout.split('\n').slice(2, 32)
  console.log(
    lines
      .map((line) => `      ${line}`)
      .join('\n')
      .trimEnd(),
  )
}
