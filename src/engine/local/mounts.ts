import { existsSync } from 'node:fs'
import { chmod, chown, mkdir } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { digestHex, sha256 } from '../../digest.ts'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Run, RunMount, Source } from '../../instruction.ts'
import { nearest } from '../../nearest.ts'
import type { Mount } from '../../ports.ts'
import { lockFile, tryLockFile } from '../../store/file-lock.ts'
import { beginCache, type CacheStart } from './cache-start.ts'
import { filesOf, listing } from './listing.ts'
import { sourceRoot } from './source-root.ts'
import type { StepDeps } from './deps.ts'
import { selectFiles } from './select.ts'

/** What a RUN sees besides its root filesystem. */
export interface PreparedMounts {
  /** what of it decides the result: neither what is in caches nor what secrets are */
  readonly key: unknown
  /** Makes it ready; leaving its scope lets others have what was locked. */
  open(): Promise<OpenMounts>
}

interface OpenMounts extends AsyncDisposable {
  readonly mounts: readonly Mount[]
  /** secrets given as variables */
  readonly env: Readonly<Record<string, string>>
  /** A line of output with secrets' values made unreadable. */
  mask(line: string): string
}

/** One mount: its part of the key, and how it is made. */
interface Prepared {
  readonly key: unknown
  open(held: AsyncDisposable[], secrets: Secrets): Promise<Mount | undefined>
}

interface Secrets {
  readonly env: Map<string, string>
  readonly values: Set<string>
}

/**
 * The mounts of a RUN. Throws `SECRET_MISSING` where a required secret or agent was not given, and what finding
 * the files of a bind throws.
 */
export async function prepareMounts(
  { mounts }: Run,
  workingDirectory: string,
  deps: StepDeps,
): Promise<PreparedMounts> {
  const prepared: Prepared[] = []
  for (const mount of mounts) prepared.push(await prepare(mount, workingDirectory, deps))
  return {
    key: prepared.map(({ key }) => key),
    async open() {
      const held: AsyncDisposable[] = []
      const release = async (): Promise<void> => {
        for (const one of held.toReversed()) await one[Symbol.asyncDispose]()
      }
      const secrets: Secrets = { env: new Map(), values: new Set() }
      const opened: Mount[] = []
      try {
        for (const one of prepared) {
          const mount = await one.open(held, secrets)
          if (mount !== undefined) opened.push(mount)
        }
      } catch (error) {
        await release()
        throw error
      }
      return {
        mounts: opened,
        env: Object.fromEntries(secrets.env),
        mask: masker(secrets.values),
        [Symbol.asyncDispose]: release,
      }
    },
  }
}

async function prepare(
  mount: RunMount,
  workingDirectory: string,
  deps: StepDeps,
): Promise<Prepared> {
  const target = (path: string): string => posix.resolve(workingDirectory || '/', path)
  switch (mount.type) {
    case 'bind':
      return bind({ ...mount, target: target(mount.target) }, deps)
    case 'cache':
      return cache({ ...mount, target: target(mount.target) }, deps)
    case 'tmpfs': {
      const made: Mount = { type: 'tmpfs', target: target(mount.target), size: mount.size }
      return { key: ['tmpfs', made.target], open: () => Promise.resolve(made) }
    }
    case 'secret': {
      const at = mount.target === undefined ? undefined : target(mount.target)
      return secret({ ...mount, target: at }, deps)
    }
    case 'ssh': {
      const at = mount.target === undefined ? undefined : target(mount.target)
      return agent({ ...mount, target: at }, deps)
    }
  }
}

type Of<T extends RunMount['type']> = Extract<RunMount, { readonly type: T }>

/** Files of the context with contents in the store, or a root filesystem as it is. */
async function bind(mount: Of<'bind'>, deps: StepDeps): Promise<Prepared> {
  const { target, source = '/' } = mount
  const readonly = mount.readwrite !== true
  if (mount.from !== undefined) {
    const [root] = await sourceRoot(mount.from, deps)
    return {
      key: ['bind', target, root.chain, source, readonly],
      open: () =>
        Promise.resolve({ type: 'tree', base: { layers: root.bases }, source, target, readonly }),
    }
  }
  const { context } = deps.request
  const { files } = deps
  if (context === undefined || files === undefined) {
    throw new PlinthError(
      'COPY_SOURCE_MISSING',
      `'${source}' cannot be mounted: there is no context`,
    )
  }
  const [selection] = selectFiles([source], context, {})
  const paths = filesOf([selection!])
  const digests = await files.digests(paths)
  return {
    key: ['bind', target, listing(selection!, digests), readonly],
    async open() {
      const contents = await files.stored(paths)
      const entries = selection!.entries.flatMap(({ below, entry }): Entry[] => {
        const path = selection!.isDirectory ? below : selection!.name
        if (path === '') return []
        if (entry.type !== 'file') return [{ ...entry, path, mtime: 0 }]
        const { link: _, ...file } = entry
        return [{ ...file, path, mtime: 0, content: contents.get(entry.path)! }]
      })
      const whole = selection!.isDirectory ? '/' : `/${selection!.name}`
      return { type: 'tree', base: entries, source: whole, target, readonly }
    },
  }
}

/**
 * A directory that builds share, by its id and what it began with: `<store>/cache-mounts/<digest of these>`. The
 * mode and owner it is given are those of one that begins empty or with a whole root, as in Docker.
 */
async function cache(mount: Of<'cache'>, deps: StepDeps): Promise<Prepared> {
  const { store, signal } = deps
  const { target, id = target, sharing = 'shared', readonly, source = '/' } = mount
  const start = mount.from && (await cacheStart(mount.from, source, deps))
  const began = start === undefined ? [] : [start.root.chain, source]
  return {
    key: ['cache', target, readonly ?? false, ...began],
    async open(held) {
      const root = await store.directory('cache-mounts')
      const name = digestHex(sha256([id, ...began].join('\0'))).slice(0, 32)
      const path = await ownDirectory(root, name, sharing, held, signal)
      if (existsSync(path)) return { type: 'directory', path, target, readonly }
      if (start === undefined) await mkdir(path, { recursive: true })
      else await beginCache(path, start, deps)
      if (start === undefined || source === '/') {
        if (start === undefined || mount.mode !== undefined) await chmod(path, mount.mode ?? 0o755)
        const { uid = 0, gid = 0 } = mount
        if (uid !== 0 || gid !== 0) await chown(path, uid, gid).catch(() => chmod(path, 0o777))
      }
      return { type: 'directory', path, target, readonly }
    },
  }
}

async function cacheStart(from: Source, source: string, deps: StepDeps): Promise<CacheStart> {
  const [root, name] = await sourceRoot(from, deps)
  return { root, name, source }
}

/** The directory a cache mount gets: `locked` waits for it, `private` takes one that nobody has. */
async function ownDirectory(
  root: string,
  name: string,
  sharing: 'shared' | 'private' | 'locked',
  held: AsyncDisposable[],
  signal: AbortSignal,
): Promise<string> {
  const path = join(root, name)
  if (sharing === 'shared') return path
  if (sharing === 'locked') {
    held.push(await lockFile(`${path}.lock`, signal))
    return path
  }
  for (let number = 0; ; number++) {
    const own = number === 0 ? path : `${path}.${number}`
    const lock = await tryLockFile(`${own}.lock`)
    if (lock === undefined) continue
    held.push(lock)
    return own
  }
}

function secret(mount: Of<'secret'>, { request }: StepDeps): Prepared {
  const { id, env } = mount
  const target = mount.target ?? (env === undefined ? `/run/secrets/${id}` : undefined)
  const read = request.secrets.get(id)
  if (read === undefined && mount.required === true) {
    const [close] = nearest(id, request.secrets.keys())
    throw new PlinthError('SECRET_MISSING', `the secret '${id}' was not given`, {
      hint:
        close === undefined
          ? `give it: --secret id=${id},src=FILE or --secret id=${id},env=VARIABLE`
          : `did you mean ${close}?`,
    })
  }
  const { mode = 0o400, uid = 0, gid = 0 } = mount
  return {
    key: ['secret', id, target, env, mode, uid, gid],
    async open(_held, secrets) {
      if (read === undefined) return undefined
      const content = await read()
      const text = Buffer.from(content).toString()
      for (const line of text.split('\n')) secrets.values.add(line.trim())
      if (env !== undefined) secrets.env.set(env, text)
      return target === undefined ? undefined : { type: 'file', content, target, mode, uid, gid }
    },
  }
}

function agent(mount: Of<'ssh'>, { request }: StepDeps): Prepared {
  const { id = 'default', target = '/run/buildkit/ssh_agent.0' } = mount
  const { mode = 0o600, uid = 0, gid = 0 } = mount
  const path = request.agents.get(id)
  if (path === undefined && mount.required === true) {
    throw new PlinthError('SECRET_MISSING', `the ssh agent '${id}' was not given`, {
      hint: `give it: --ssh ${id}, or --ssh ${id}=SOCKET`,
    })
  }
  return {
    key: ['ssh', id, target, mode, uid, gid],
    open(_held, secrets) {
      if (path === undefined) return Promise.resolve(undefined)
      if (!secrets.env.has('SSH_AUTH_SOCK')) secrets.env.set('SSH_AUTH_SOCK', target)
      return Promise.resolve({ type: 'socket', path, target, mode, uid, gid })
    },
  }
}

/** Values shorter than this stand in ordinary text, too. */
const shortestMasked = 4

function masker(values: ReadonlySet<string>): (line: string) => string {
  const masked = [...values]
    .filter(({ length }) => length >= shortestMasked)
    .toSorted((a, b) => b.length - a.length)
  return (line) => masked.reduce((rest, value) => rest.replaceAll(value, '***'), line)
}
