// Debian minbase: plinth beside mmdebstrap and debootstrap, same mirror, same kind of output, in turns.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readArguments, runScript, ScriptError, wholeNumber, words } from '../arguments.ts'
import { findProgram, measure, median, peakMemory } from './measure.ts'

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

/** The states of plinth's store, in the order in which one leads to the next, and what is added to the command. */
const states = { fresh: [], packages: ['--no-cache'], unchanged: [] } as const
type State = keyof typeof states
const stateNames = Object.keys(states) as readonly State[]

function plinth(suite: string, output: string, state: State): readonly [string, ...string[]] {
  const dest = join(work, `plinth.${output}`)
  const asked = ['build', 'debian', '-p', `suite=${suite}`, '-o', `type=rootfs,dest=${dest}`]
  const options = ['--store', store, '--progress', 'plain', ...states[state]]
  return [process.execPath, cli, ...asked, ...options]
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
      const seconds = await measure(['sh', '-c', script, 'sh', suite, root, mirror, options, dest])
      rmSync(root, { recursive: true, force: true })
      return seconds
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
      const runs: Record<string, number[]> = { mmdebstrap: [], debootstrap: [] }
      const memory: Record<string, number> = {}
      const add = async (name: string, run: () => Promise<number>) => {
        const seconds = await run()
        runs[name]!.push(seconds)
        process.stderr.write(`${suite} ${output} ${name} ${seconds.toFixed(2)} s\n`)
      }
      rmSync(store, { recursive: true, force: true })
      for (const state of stateNames) {
        runs[state] = []
        memory[state] = await peakMemory(plinth(suite, output, state))
      }
      for (let pair = 0; pair < pairs; pair++) {
        rmSync(store, { recursive: true, force: true })
        await add('mmdebstrap', mmdebstrap)
        for (const state of stateNames)
          await add(state, () => measure(plinth(suite, output, state)))
        await add('debootstrap', debootstrap)
      }
      report(`${suite} minbase, ${output}, ${pairs} pairs, medians`, runs, memory)
    }
  }
  return true
}

function report(
  title: string,
  runs: Record<string, readonly number[]>,
  memory: Record<string, number>,
): void {
  const seconds = (name: string) => median(runs[name]!)
  const range = (name: string) =>
    `${Math.min(...runs[name]!).toFixed(2)}–${Math.max(...runs[name]!).toFixed(2)}`
  console.log(`\n${title}`)
  console.log('| | seconds | range | × mmdebstrap | × debootstrap | peak memory |')
  console.log('|---|---|---|---|---|---|')
  for (const name of Object.keys(runs)) {
    const isPeer = name === 'mmdebstrap' || name === 'debootstrap'
    const peak = isPeer ? '' : `${memory[name]!.toFixed(0)} MiB`
    const ratio = (peer: string) => (isPeer ? '' : (seconds(peer) / seconds(name)).toFixed(1))
    console.log(
      `| ${isPeer ? name : `plinth, ${name}`} | ${seconds(name).toFixed(2)} | ${range(name)} | ${ratio('mmdebstrap')} | ${ratio('debootstrap')} | ${peak} |`,
    )
  }
}

await runScript(main)
