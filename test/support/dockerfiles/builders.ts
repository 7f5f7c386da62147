import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { runProcess, type Ended } from '../plinth.ts'
import type { DockerfileCase } from './corpus.ts'
import { readImageFacts, runConfig, type BaseImage, type ImageFacts } from './image-facts.ts'

/** What came of a build. */
export type Outcome =
  | { readonly built: true; readonly image: ImageFacts }
  /** what it said last */
  | { readonly built: false; readonly said: string }

/** Something that builds a directory with a Dockerfile. */
export interface Builder {
  readonly name: string
  /** whether it knows the syntax of a case */
  readonly knows: (one: DockerfileCase) => boolean
  readonly build: (one: DockerfileCase, context: string) => Promise<Outcome>
}

/** A Docker engine and the words before the arguments of its command line. */
export interface DockerEngine {
  /** `unix://…` */
  readonly host: string
  readonly client: readonly [string, ...string[]]
}

/** Docker's two builders; `recent` is the one with BuildKit where it knows today's syntax. */
export type DockerKind = 'classic' | 'buildkit' | 'recent'

const known: Readonly<Record<DockerKind, readonly DockerfileCase['only'][]>> = {
  classic: ['all'],
  buildkit: ['all', 'buildkit'],
  recent: ['all', 'buildkit', 'recent'],
}

/** `docker build`, as a builder. */
export function dockerBuilder(kind: DockerKind, engine: DockerEngine, base: BaseImage): Builder {
  const env = {
    DOCKER_HOST: engine.host,
    DOCKER_BUILDKIT: kind === 'classic' ? '0' : '1',
    BUILDKIT_PROGRESS: 'plain',
    BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
  }
  const docker = (argv: readonly string[], one?: DockerfileCase, cwd?: string): Promise<Ended> =>
    runProcess([...engine.client, ...argv], { env: { ...env, ...one?.env }, cwd })
  return {
    name: kind,
    knows: (one) => known[kind].includes(one.only),
    async build(one, context) {
      using scratch = temporary()
      const tag = `case-${path.basename(scratch.path).toLowerCase()}`
      const isSet = one.options.some((option) => option.startsWith('--network'))
      const network = isSet ? [] : ['--network', 'host']
      const argv = ['build', '--no-cache', ...network, ...one.options, '-t', tag, context]
      const ended = await docker(argv, one, context)
      // an engine that died would fail whatever fails
      if (/(cannot|failed to) connect to the docker/i.test(ended.stderr))
        throw new Error(`${one.name}: ${lastWords(ended)}`)
      if (ended.code !== 0) return { built: false, said: lastWords(ended) }
      const archive = path.join(scratch.path, 'image.tar')
      try {
        const saved = await docker(['save', '-o', archive, tag])
        if (saved.code === 0) return { built: true, image: await readImageFacts(archive, base) }
        if (!saved.stderr.includes('empty export')) throw new Error(`docker save: ${saved.stderr}`)
        return { built: true, image: await inspectEmpty(docker, tag) }
      } finally {
        await docker(['rmi', '--force', tag])
      }
    },
  }
}

/** An image without layers, which `docker save` refuses. */
async function inspectEmpty(
  docker: (argv: readonly string[]) => Promise<Ended>,
  tag: string,
): Promise<ImageFacts> {
  const inspected = await docker(['image', 'inspect', tag])
  const [image] = JSON.parse(inspected.stdout) as { Config: Record<string, unknown> }[]
  const format = ['--no-trunc', '--format', '{{json .CreatedBy}}']
  const history = await docker(['history', ...format, tag])
  const lines = history.stdout.split('\n').filter((line) => line !== '')
  return {
    config: runConfig(image!.Config),
    history: lines
      .toReversed()
      .map((line) => ({ createdBy: JSON.parse(line) as string, empty: true })),
    layers: [],
  }
}

/**
 * The docker command line of this machine that builds with BuildKit by itself: it is older than 23, or has
 * buildx; undefined where there is none.
 */
export async function findDockerClient(): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    const client = path.join(folder, 'docker')
    const said = await ask(client, 'version', '--format', '{{.Client.Version}}')
    const major = Number(/^\d+/.exec(said)?.[0] ?? Number.NaN)
    if (major < 23 || (major >= 23 && (await ask(client, 'buildx', 'version')) !== ''))
      return client
  }
  return undefined
}

/**
 * `buildah build`, the third opinion: the only builder here that knows `COPY --parents`.
 */
export function buildahBuilder(command: readonly [string, ...string[]], base: BaseImage): Builder {
  return {
    name: 'labs',
    knows: (one) => one.only === 'labs',
    async build(one, context) {
      using scratch = temporary()
      const tag = `case-${path.basename(scratch.path).toLowerCase()}`
      const options = ['--no-cache', '--isolation', 'chroot', '--network', 'host']
      const format = ['--layers', '--format', 'docker', '--pull=never', '--identity-label=false']
      const argv = ['build', ...options, ...format, ...one.options, '-t', tag, context]
      const ended = await runProcess([...command, ...argv], { cwd: context })
      if (ended.code !== 0) return { built: false, said: lastWords(ended) }
      const archive = path.join(scratch.path, 'image.tar')
      const pushed = await runProcess([...command, 'push', tag, `docker-archive:${archive}`])
      if (pushed.code !== 0) throw new Error(`buildah push: ${pushed.stderr}`)
      return { built: true, image: await readImageFacts(archive, base) }
    },
  }
}

/** What a command says on standard output, be there an engine or not. */
async function ask(command: string, ...argv: readonly string[]): Promise<string> {
  return promisify(execFile)(command, argv).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string }) => error.stdout ?? '',
  )
}

/** `plinth build`, run as `command`; `env` names the store that has the base. */
export function plinthBuilder(
  command: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
  base: BaseImage,
): Builder {
  return {
    name: 'plinth',
    knows: () => true,
    async build(one, context) {
      using scratch = temporary()
      const archive = path.join(scratch.path, 'image.tar')
      const output = ['-o', archive, '--progress', 'plain']
      const argv = ['build', context, '--no-cache', ...one.options, ...output]
      const ended = await runProcess([...command, ...argv], {
        env: { ...env, ...one.env },
        cwd: context,
      })
      if (ended.code === 0) return { built: true, image: await readImageFacts(archive, base) }
      // anything else is a bug, which must not pass for a failure that Docker has, too
      if (ended.code === null || ended.code === 70 || !/\([A-Z_]{2,}\)$/m.test(ended.stderr))
        throw new Error(`plinth ${lastWords(ended)}`)
      return { built: false, said: lastWords(ended) }
    },
  }
}

function lastWords({ code, signal, stdout, stderr }: Ended): string {
  const lines = `${stdout}${stderr}`.trim().split('\n')
  return `ended with ${signal ?? code}: ${lines.slice(-12).join('\n')}`
}

function temporary(): Disposable & { readonly path: string } {
  const made = mkdtempSync(path.join(tmpdir(), 'dockerfile-'))
  return { path: made, [Symbol.dispose]: () => rmSync(made, { recursive: true, force: true }) }
}
