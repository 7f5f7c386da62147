import { existsSync, readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import path from 'node:path'
import { PlinthError } from '../errors.ts'
import type { DockerLoadOptions } from '../output/docker-load.ts'
import type { Io } from './io.ts'

/** The store: `--store`, PLINTH_STORE, else the place for data of the XDG base directory specification. */
export function storePath(given: string | undefined, io: Pick<Io, 'env' | 'cwd' | 'home'>): string {
  const named = given ?? io.env['PLINTH_STORE']
  if (named) return path.resolve(io.cwd, named)
  const data = io.env['XDG_DATA_HOME']
  // the specification has relative paths ignored
  return path.join(
    data && path.isAbsolute(data) ? data : path.join(io.home, '.local', 'share'),
    'plinth',
  )
}

/**
 * The engines `--load` tries: DOCKER_HOST, else docker's current context, else the usual sockets of
 * Docker and Podman. DOCKER_TLS_VERIFY and DOCKER_CERT_PATH count as for docker.
 */
export function engineOptions(io: Pick<Io, 'env' | 'home' | 'uid'>): DockerLoadOptions {
  const { env } = io
  const host = env['DOCKER_HOST'] || contextHost(io)
  const runtime = env['XDG_RUNTIME_DIR'] ?? `/run/user/${io.uid}`
  const endpoints: readonly [string, ...string[]] = host
    ? [host]
    : [
        'unix:///var/run/docker.sock',
        `unix://${runtime}/docker.sock`,
        `unix://${path.join(io.home, '.docker', 'run', 'docker.sock')}`,
        `unix://${runtime}/podman/podman.sock`,
        'unix:///run/podman/podman.sock',
      ]
  return { endpoints, tls: env['DOCKER_TLS_VERIFY'] ? certificates(io) : undefined }
}

function dockerConfig({ env, home }: Pick<Io, 'env' | 'home'>): string {
  return env['DOCKER_CONFIG'] || path.join(home, '.docker')
}

function contextHost(io: Pick<Io, 'env' | 'home'>): string | undefined {
  const folder = dockerConfig(io)
  const config = readJson(path.join(folder, 'config.json')) as
    | { currentContext?: unknown }
    | undefined
  const name = io.env['DOCKER_CONTEXT'] || config?.currentContext
  if (typeof name !== 'string' || name === '' || name === 'default') return undefined
  const id = createHash('sha256').update(name).digest('hex')
  const meta = readJson(path.join(folder, 'contexts', 'meta', id, 'meta.json')) as
    | { Endpoints?: { docker?: { Host?: unknown } } }
    | undefined
  const host = meta?.Endpoints?.docker?.Host
  return typeof host === 'string' && host !== '' ? host : undefined
}

function certificates(io: Pick<Io, 'env' | 'home'>): DockerLoadOptions['tls'] {
  const folder = io.env['DOCKER_CERT_PATH'] || dockerConfig(io)
  const read = (name: string): string | undefined => {
    const file = path.join(folder, name)
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined
  }
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') }
}

function readJson(file: string): unknown {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new PlinthError('OUTPUT_INVALID', `cannot read docker's settings in ${file}`, {
      cause,
      hint: 'mend the file, or name the engine with DOCKER_HOST',
    })
  }
}
