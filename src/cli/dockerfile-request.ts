import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { PlinthError } from '../errors.ts'
import { parsePlatform, platformOfArch } from '../platform.ts'
import type { BuildOptions } from './command.ts'
import type { Io } from './io.ts'
import type { DockerfileBuildRequest } from './stages.ts'

/** The part of a Dockerfile's build that its own options say. */
export type DockerfilePart = Omit<
  DockerfileBuildRequest,
  'outputs' | 'names' | 'compression' | 'noCache'
>

/**
 * Whether `plinth build NAME` means a Dockerfile: `-f` is given, it is a directory's path, a Dockerfile's, or `-`.
 * Anything else is a recipe; so is a directory called like a bundled one, unless written `./debian`.
 */
export async function meansDockerfile(
  name: string,
  options: Pick<BuildOptions, 'file'>,
  { cwd }: Pick<Io, 'cwd'>,
): Promise<boolean> {
  if (options.file !== undefined || name === '-') return true
  if (/\.[cm]?[jt]s$/.test(name)) return false
  if (/(^|[/.])(dockerfile|containerfile)(\.|$)/i.test(name)) return true
  const found = await stat(path.resolve(cwd, name)).catch(() => undefined)
  if (!found?.isDirectory()) return false
  const { isBundled } = await import('../recipe/load.ts')
  return !isBundled(name)
}

/** Reads a Dockerfile, its ignore file and the options that belong to it. Throws `USAGE` and `IO`. */
export async function readDockerfileRequest(
  name: string,
  options: BuildOptions,
  io: Pick<Io, 'cwd' | 'env' | 'arch'>,
): Promise<DockerfilePart> {
  const { cwd } = io
  const given = path.resolve(cwd, name)
  const isDirectory = (await stat(given).catch(() => undefined))?.isDirectory() ?? false
  const directory = isDirectory ? given : name === '-' ? undefined : path.dirname(given)
  const file = await dockerfilePath(name, options, directory, cwd)
  const text = await readText(file === undefined ? 0 : file, file ?? 'standard input')
  const shown = file === undefined ? 'Dockerfile' : path.relative(cwd, file) || file
  const buildPlatform = platformOfArch(io.arch)
  return {
    text,
    file: shown.startsWith('..') ? (file ?? shown) : shown,
    ...(directory !== undefined && {
      context: { directory, ...(await ignoreOf(directory, file)) },
    }),
    directory: directory ?? cwd,
    target: options.target,
    platform: options.platform === undefined ? buildPlatform : parsePlatform(options.platform),
    buildPlatform,
    skip: await skippedChecks(options.skip ?? []),
    buildArgs: buildArguments(options.buildArg ?? [], io.env),
    labels: (options.label ?? []).map(pairOf),
    network: options.network ?? 'host',
    secrets: new Map((options.secret ?? []).map((one) => secretOf(one, io))),
    agents: new Map((options.ssh ?? []).map((one) => agentOf(one, io))),
  }
}

/** Recipes' checks are known to them: they are loaded where one is named. */
async function skippedChecks(names: readonly string[]): Promise<DockerfilePart['skip']> {
  if (names.length === 0) return []
  const { parseCheck } = await import('./skipped-check.ts')
  return names.map(parseCheck)
}

async function dockerfilePath(
  name: string,
  options: BuildOptions,
  directory: string | undefined,
  cwd: string,
): Promise<string | undefined> {
  if (options.file === '-' || (name === '-' && options.file === undefined)) return undefined
  if (options.file !== undefined) return path.resolve(cwd, options.file)
  const given = path.resolve(cwd, name)
  if (given !== directory) return given
  for (const known of ['Dockerfile', 'Containerfile']) {
    const file = path.join(given, known)
    if (await stat(file).catch(() => undefined)) return file
  }
  throw new PlinthError('IO', `cannot build ${name}: it has no Dockerfile`, {
    hint: 'name one with -f FILE; a recipe is built by the path of its module',
  })
}

async function readText(file: string | 0, name: string): Promise<string> {
  try {
    if (file !== 0) return await readFile(file, 'utf8')
    const chunks: Uint8Array[] = []
    for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array)
    return Buffer.concat(chunks).toString()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new PlinthError('IO', `cannot read ${name}: ${why}`, { cause })
  }
}

/** `<Dockerfile>.dockerignore` beside it, else `.dockerignore` in the context. */
async function ignoreOf(
  directory: string,
  dockerfile: string | undefined,
): Promise<{ readonly ignore?: { readonly file: string; readonly text: string } }> {
  const own = dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`]
  for (const file of [...own, path.join(directory, '.dockerignore')]) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw new PlinthError('IO', `cannot read ${file}: ${error.message}`, { cause: error })
    })
    if (text !== undefined) return { ignore: { file: path.basename(file), text } }
  }
  return {}
}

/** `K=V`; `K` alone takes the value of this machine's variable, where it has one. */
function buildArguments(given: readonly string[], env: Io['env']): ReadonlyMap<string, string> {
  const pairs = given.flatMap((text): (readonly [string, string])[] => {
    if (text.includes('=')) return [pairOf(text)]
    const value = env[text]
    return value === undefined ? [] : [[text, value]]
  })
  return new Map(pairs)
}

function pairOf(text: string): readonly [string, string] {
  const equals = text.indexOf('=')
  return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
}

/** `id=token,src=FILE`, `id=token,env=VARIABLE`; `id=token` alone is the variable of that name, or the file. */
function secretOf(
  text: string,
  { env, cwd }: Pick<Io, 'env' | 'cwd'>,
): readonly [string, () => Promise<Uint8Array>] {
  const fields = new Map(text.split(',').map(pairOf))
  const id = fields.get('id')
  const unknown = [...fields.keys()].find(
    (key) => !['id', 'src', 'source', 'env', 'type'].includes(key),
  )
  if (id === undefined || id === '' || unknown !== undefined) {
    throw new PlinthError(
      'USAGE',
      `--secret ${text}: ${unknown === undefined ? 'it has no id' : `'${unknown}' is not known`}`,
      {
        hint: 'write --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE',
      },
    )
  }
  const file = fields.get('src') ?? fields.get('source')
  const isVariable =
    fields.get('type') === 'env' || (file === undefined && fields.get('type') !== 'file')
  const variable = fields.get('env') ?? (isVariable ? (file ?? id) : undefined)
  if (
    variable !== undefined &&
    (fields.has('env') || env[variable] !== undefined || fields.get('type') === 'env')
  ) {
    const value = env[variable]
    if (value === undefined) {
      throw new PlinthError(
        'SECRET_MISSING',
        `the secret '${id}' is not there: $${variable} is not set`,
      )
    }
    return [id, () => Promise.resolve(Buffer.from(value))]
  }
  const place = path.resolve(cwd, file ?? id)
  return [
    id,
    async () =>
      readFile(place).catch((cause: Error) => {
        throw new PlinthError(
          'SECRET_MISSING',
          `cannot read the secret '${id}': ${cause.message}`,
          {
            cause,
            hint: 'give its file (src=) or variable (env=)',
          },
        )
      }),
  ]
}

/** `default`, or `id=SOCKET`. */
function agentOf(text: string, { env, cwd }: Pick<Io, 'env' | 'cwd'>): readonly [string, string] {
  const [id, given] = pairOf(text)
  const socket = given === '' ? env['SSH_AUTH_SOCK'] : path.resolve(cwd, given)
  if (socket) return [id, socket]
  throw new PlinthError(
    'SECRET_MISSING',
    `there is no ssh agent '${id}': $SSH_AUTH_SOCK is not set`,
    {
      hint: 'start one (eval $(ssh-agent)), or name its socket: --ssh default=SOCKET',
    },
  )
}
