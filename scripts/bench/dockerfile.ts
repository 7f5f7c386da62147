// Dockerfiles: plinth beside Docker's classic builder, BuildKit and buildah, from one Debian base.
import { randomFillSync } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { startDockerd, type PrivateDockerd } from '../../test/support/dockerd.ts'
import { findDockerClient } from '../../test/support/dockerfiles/builders.ts'
import { readArguments, runScript, ScriptError, wholeNumber } from '../arguments.ts'
import { findProgram, measure, median, peakMemory } from './measure.ts'

const usage = `usage: npm run bench -- dockerfile [--pairs N] [--tree DIR]
  plinth build beside docker build (classic and BuildKit) and buildah build, in turns, from one Debian base that
  each has in its store: what one more RUN costs, a rebuild in which all 20 steps are cached, COPY of 10,000 small
  files and of one large file; each leaves the image in its builder's own store. Then plinth's memory by the size
  of the file. Prints medians. Needs root, Linux, docker.io, and plinth built; buildah where it is installed.

  --pairs N        how many runs of each (default 5)
  --size MB        of the large file (default 1024)
  --tree DIR       a system with a newer Docker, unpacked, which is measured too
  --store DIR      a store of plinth's that may have the base already
`

const { values } = readArguments(usage, {
  options: {
    pairs: { type: 'string', default: '5' },
    size: { type: 'string', default: '1024' },
    tree: { type: 'string' },
    store: { type: 'string' },
  },
})
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const work = mkdtempSync(path.join(tmpdir(), 'plinth-bench-'))
process.once('exit', () => rmSync(work, { recursive: true, force: true }))
const base = 'bench-base:1'

type Command = readonly [string, ...string[]]

/** How one builder builds a context; `cache` says whether steps may come from it. */
interface Peer {
  readonly name: string
  readonly command: (context: string, cache: boolean) => Command
}

/** What is built, and how the seconds of it become the figure. */
interface Subject {
  readonly title: string
  readonly context: string
  /** all steps are in the cache, from a first build that is not measured */
  readonly cached?: boolean
  /** what is taken off, and how many parts the rest has */
  readonly over?: { readonly context: string; readonly parts: number }
}

/** Writes a context and gives its path. */
function context(name: string, dockerfile: readonly string[]): string {
  const folder = path.join(work, name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'Dockerfile'), [`FROM ${base}`, ...dockerfile, ''].join('\n'))
  return folder
}

function subjects(megabytes: number): Subject[] {
  const runs = Array.from({ length: 11 }, (_, i) => `RUN true ${i}`)
  const steps = Array.from({ length: 20 }, (_, i) =>
    i % 4 === 3 ? `COPY file /file${i}` : `RUN echo ${i} >/step${i}`,
  )
  const cached = context('cached', steps)
  writeFileSync(path.join(cached, 'file'), 'file\n')
  const many = context('many', ['COPY files /files'])
  for (let i = 0; i < 10_000; i++) {
    const folder = path.join(many, 'files', String(i % 100))
    if (i < 100) mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, `${i}.txt`), `${i} `.repeat(100 + (i % 400)))
  }
  return [
    {
      title: 'one more RUN true',
      context: context('eleven', runs),
      over: { context: context('one', runs.slice(0, 1)), parts: 10 },
    },
    { title: 'RUN true, the whole build', context: context('one', runs.slice(0, 1)) },
    { title: '20 steps, all cached', context: cached, cached: true },
    { title: 'COPY of 10,000 small files', context: many },
    { title: `COPY of one file of ${megabytes} MB`, context: largeFile('large', megabytes) },
  ]
}

/** Half of it noise, as in programs and media, so that neither hashing nor compressing has it easy. */
function largeFile(name: string, megabytes: number): string {
  const folder = context(name, ['COPY large /large'])
  const file = openSync(path.join(folder, 'large'), 'w')
  const piece = Buffer.alloc(1 << 20, 'compressible text. ')
  for (let i = 0; i < megabytes; i++) {
    randomFillSync(piece, 0, piece.length / 2)
    writeSync(file, piece)
  }
  closeSync(file)
  return folder
}

const plinthStore = values.store ?? path.join(work, 'store')
const plinth: Peer = {
  name: 'plinth',
  command: (folder, cache) => {
    const options = ['-t', 'bench:1', '--store', plinthStore, '--progress', 'plain']
    return [process.execPath, cli, 'build', folder, ...(cache ? [] : ['--no-cache']), ...options]
  },
}

/** `docker build` of an engine, with one of its builders. */
function docker(name: string, buildkit: boolean, engine: PrivateDockerd, client: string): Peer {
  const env = [`DOCKER_HOST=${engine.host}`, `DOCKER_BUILDKIT=${buildkit ? 1 : 0}`]
  const quiet = [...env, 'BUILDX_NO_DEFAULT_ATTESTATIONS=1']
  return {
    name,
    command: (folder, cache) => {
      const options = [...(cache ? [] : ['--no-cache']), '--network', 'host', '-t', 'bench:1']
      const [first, ...rest] = [...engine.prefix, 'env', ...quiet, client, 'build']
      return [first, ...rest, ...options, folder]
    },
  }
}

const buildahStore = ['--root', path.join(work, 'buildah'), '--runroot', path.join(work, 'run')]
const buildah: Peer = {
  name: 'buildah',
  command: (folder, cache) => {
    const options = ['--layers', '--isolation', isolation(), '--network', 'host', '-t', 'bench:1']
    const caching = cache ? [] : ['--no-cache']
    return ['buildah', ...buildahStore, 'build', ...options, ...caching, folder]
  },
}

/** The runtime that buildah takes by itself does not run under every kernel's cgroups; runc is Docker's. */
function isolation(): string {
  return findProgram('runc') ? 'oci' : 'chroot'
}

/** Builds the base with plinth and gives it to all; starts the engines. */
async function openPeers(engines: PrivateDockerd[]): Promise<Peer[]> {
  const archive = path.join(work, 'base.tar')
  const asked = ['build', 'debian', '-p', 'suite=bookworm', '-t', base, '-o', archive]
  await measure([process.execPath, cli, ...asked, '--store', plinthStore])
  const client = await findDockerClient()
  if (client === undefined)
    throw new ScriptError('no docker command line here builds with BuildKit')
  const local = await startDockerd()
  engines.push(local)
  await local.docker('load', '-i', archive)
  const version = await local.docker('version', '--format', '{{.Server.Version}}')
  const peers = [
    plinth,
    docker(`docker ${version}, classic`, false, local, client),
    docker(`docker ${version}, BuildKit`, true, local, client),
  ]
  if (values.tree !== undefined) {
    const newer = await startDockerd({ tree: path.resolve(values.tree) })
    engines.push(newer)
    await newer.docker('load', '-i', archive)
    const its = await newer.docker('version', '--format', '{{.Server.Version}}')
    peers.push(docker(`docker ${its}, BuildKit`, true, newer, 'docker'))
  }
  if (findProgram('buildah')) {
    await measure(['buildah', ...buildahStore, 'pull', `docker-archive:${archive}`])
    peers.push(buildah)
  } else console.log('buildah is not installed: it is left out')
  return peers
}

/** Seconds of a subject by one builder. */
async function once(
  { context: folder, cached = false, over }: Subject,
  peer: Peer,
): Promise<number> {
  const seconds = await measure(peer.command(folder, cached))
  if (over === undefined) return seconds
  return (seconds - (await measure(peer.command(over.context, cached)))) / over.parts
}

async function main(): Promise<boolean> {
  const pairs = wholeNumber('pairs', values.pairs, 1)
  const megabytes = wholeNumber('size', values.size, 1)
  if (!existsSync(cli)) throw new ScriptError('plinth is not built: npm run build')
  const engines: PrivateDockerd[] = []
  try {
    const peers = await openPeers(engines)
    console.log(`\nDockerfiles on a Debian base, medians of ${pairs}, seconds`)
    console.log(
      `| | ${peers.map(({ name }) => name).join(' | ')} |\n|---|${'---|'.repeat(peers.length)}`,
    )
    for (const subject of subjects(megabytes)) {
      const runs = new Map<Peer, number[]>(peers.map((peer) => [peer, []]))
      // once before: caches are filled, programs are read from the disk
      for (const peer of peers) await once(subject, peer)
      for (let pair = 0; pair < pairs; pair++)
        for (const peer of peers) runs.get(peer)!.push(await once(subject, peer))
      const figures = [...runs.values()].map((seconds) => median(seconds).toFixed(3))
      console.log(`| ${subject.title} | ${figures.join(' | ')} |`)
    }
    console.log("\n| COPY of one file of | plinth's peak memory |\n|---|---|")
    for (const size of [Math.ceil(megabytes / 16), megabytes]) {
      const peak = await peakMemory(plinth.command(largeFile(`memory-${size}`, size), false))
      console.log(`| ${size} MB | ${peak.toFixed(0)} MiB |`)
    }
    return true
  } finally {
    await Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]()))
  }
}

await runScript(main)
