// Debian minbase: plinth beside mmdebstrap and debootstrap, same mirror, same kind of output, in turns.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readArguments, runScript, ScriptError, wholeNumber, words } from '../arguments.ts'
import { findProgram, measure, median, type Measured } from './measure.ts'

const usage = `usage: npm run bench -- [--pairs N] [--suite SUITE]… [--output tar|tar.gz]…
  Debian minbase: plinth beside mmdebstrap and debootstrap, on this machine, with the same mirror and the same
  kind of output, in turns. Prints the medians as a table. Needs root, mmdebstrap and debootstrap.

  --pairs N        how many runs of each (default 5)
  --suite SUITE    may be given again (default trixie and bookworm)
  --output KIND    a root filesystem as tar or tar.gz; may be given again (default both)

  States of plinth's store:
  fresh      empty: indexes and packages are fetched, verified and decompressed
  packages   an earlier build has fetched and decompressed the packages; the image is made anew (--no-cache)
  unchanged  an earlier build has made the same image
`

const { values } = readArguments(usage, {
  options: {
    pairs: { type: 'string', default: '5' },
    suite: { type: 'string', multiple: true, default: ['trixie', 'bookworm'] },
    output: { type: 'string', multiple: true, default: ['tar', 'tar.gz'] },
  },
})
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'plinth-bench-'))
process.once('exit', () => rmSync(work, { recursive: true, force: true }))

/** What the peers are told of the archive: as plinth's preset has it. */
async function mirrorOf(suite: string): Promise<string> {
  const { debianSources } = await import('../../src/distro/deb/presets.ts')
  const [first] = await debianSources({ suite, architecture: 'amd64' })
  return first!.uris[0]!
}

const store = join(work, 'store')

function plinth(suite: string, output: string, more: readonly string[] = []): Promise<Measured> {
  const dest = join(work, `plinth.${output}`)
  const asked = ['build', 'debian', '-p', `suite=${suite}`, '-o', `type=rootfs,dest=${dest}`]
  return measure([
    process.execPath,
    cli,
    ...asked,
    '--store',
    store,
    '--progress',
    'plain',
    ...more,
  ])
}

async function peers(suite: string, output: string) {
  const mirror = await mirrorOf(suite)
  const dest = join(work, `peer.${output}`)
  const root = join(work, 'debootstrap')
  const options = output === 'tar' ? '-cf' : '-czf'
  return {
    mmdebstrap: () => measure(['mmdebstrap', '--variant=minbase', suite, dest, mirror]),
    debootstrap: async () => {
      const script =
        'debootstrap --variant=minbase "$1" "$2" "$3" && tar --numeric-owner "$4" "$5" -C "$2" .'
      const measured = await measure(['sh', '-c', script, 'sh', suite, root, mirror, options, dest])
      rmSync(root, { recursive: true, force: true })
      return measured
    },
  }
}

async function main(): Promise<boolean> {
  const pairs = wholeNumber('pairs', values.pairs, 1)
  const suites = words('suite', values.suite)
  const outputs = words('output', values.output, ['tar', 'tar.gz'])
  if (!existsSync(cli)) throw new ScriptError('plinth is not built: npm run build')
  for (const program of ['mmdebstrap', 'debootstrap']) {
    if (!findProgram(program))
      throw new ScriptError(`there is no ${program} to compare with: apt-get install ${program}`)
  }
  for (const suite of suites) {
    for (const output of outputs) {
      const { mmdebstrap, debootstrap } = await peers(suite, output)
      const runs: Record<string, Measured[]> = {
        mmdebstrap: [],
        debootstrap: [],
        fresh: [],
        packages: [],
        unchanged: [],
      }
      const add = async (name: string, run: () => Promise<Measured>) => {
        const measured = await run()
        runs[name]!.push(measured)
        process.stderr.write(`${suite} ${output} ${name} ${measured.seconds.toFixed(2)} s\n`)
      }
      for (let pair = 0; pair < pairs; pair++) {
        rmSync(store, { recursive: true, force: true })
        await add('mmdebstrap', mmdebstrap)
        await add('fresh', () => plinth(suite, output))
        await add('packages', () => plinth(suite, output, ['--no-cache']))
        await add('unchanged', () => plinth(suite, output))
        await add('debootstrap', debootstrap)
      }
      report(suite, output, runs, pairs)
    }
  }
  return true
}

function report(
  suite: string,
  output: string,
  runs: Record<string, readonly Measured[]>,
  pairs: number,
): void {
  const seconds = (name: string) => median(runs[name]!.map((run) => run.seconds))
  const range = (name: string) => {
    const all = runs[name]!.map((run) => run.seconds)
    return `${Math.min(...all).toFixed(2)}–${Math.max(...all).toFixed(2)}`
  }
  console.log(`\n${suite} minbase, ${output}, ${pairs} pairs, medians`)
  console.log('| | seconds | range | × mmdebstrap | × debootstrap | peak memory |')
  console.log('|---|---|---|---|---|---|')
  for (const name of Object.keys(runs)) {
    const isPeer = name === 'mmdebstrap' || name === 'debootstrap'
    const memory = isPeer
      ? ''
      : `${Math.max(...runs[name]!.map((run) => run.nodeMemory)).toFixed(0)} MiB`
    const ratio = (peer: string) => (isPeer ? '' : (seconds(peer) / seconds(name)).toFixed(1))
    console.log(
      `| ${isPeer ? name : `plinth, ${name}`} | ${seconds(name).toFixed(2)} | ${range(name)} | ${ratio('mmdebstrap')} | ${ratio('debootstrap')} | ${memory} |`,
    )
  }
}

await runScript(main)
