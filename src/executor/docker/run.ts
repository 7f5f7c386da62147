import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeTar } from '../../archive/tar-write.ts'
import type { Entry } from '../../entry.ts'
import { isPlinthError, PlinthError } from '../../errors.ts'
import type { ExitStatus, Mount, RunRequest, Store } from '../../ports.ts'
import { resolveIn } from '../../rootfs/tree.ts'
import type { ContentReader } from '../../store/content.ts'
import { flatEntries } from '../native/layers.ts'
import { hostPath, targetPath } from '../native/mounts.ts'
import type { DockerApi } from './api.ts'
import { containerLines } from './streams.ts'

/** What running a container needs. */
export interface ContainerDeps {
  readonly api: DockerApi
  readonly hostname: string
  readonly store: Store
  readonly contents: ContentReader
}

/** Runs one process in a container on `image` and waits for it. The container stays, ended. */
export async function runContainer(
  image: string,
  request: RunRequest,
  deps: ContainerDeps,
): Promise<{ readonly id: string; readonly status: ExitStatus }> {
  const { api, hostname } = deps
  if (request.interactive) throw unavailable("the caller's terminal cannot be passed")
  await using mounts = await mountsOf(request.mounts ?? [], image, deps)
  const { uid, gid, groups = [] } = request.user ?? { uid: 0, gid: 0 }
  const [program, ...args] = request.argv
  const stdin = request.stdin !== undefined
  const made = await api.post('/containers/create', {
    Image: image,
    Entrypoint: [program],
    Cmd: args,
    Env: Object.entries(request.env).map(([name, value]) => `${name}=${value}`),
    WorkingDir: request.cwd ?? '/',
    User: `${uid}:${gid}`,
    Hostname: hostname,
    OpenStdin: stdin,
    StdinOnce: stdin,
    AttachStdin: stdin,
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      NetworkMode: request.network ?? 'none',
      GroupAdd: groups.map(String),
      Privileged: request.security === 'insecure',
      Mounts: mounts.specs,
      LogConfig: { Type: 'none' },
    },
  })
  const id = made['Id'] as string
  const socket = await api.attach(
    `/containers/${id}/attach?stream=1&stdout=1&stderr=1${stdin ? '&stdin=1' : ''}`,
  )
  try {
    const output = containerLines(socket, (stream, line) => request.onLine?.(stream, line))
    output.catch(() => {})
    try {
      await api.post(`/containers/${id}/start`)
    } catch (error) {
      return { id, status: { code: startFailure(error) } }
    }
    if (stdin) socket.end(request.stdin)
    const { StatusCode } = await api.post(`/containers/${id}/wait`)
    await output
    return { id, status: { code: StatusCode as number } }
  } finally {
    socket.destroy()
  }
}

/** The exit code a shell gives for what could not be started; anything else is thrown. */
function startFailure(error: unknown): number {
  if (isPlinthError(error, 'ENGINE_REFUSED')) {
    if (/no such file or directory|executable file not found/.test(error.message)) return 127
    if (/permission denied/.test(error.message)) return 126
  }
  throw error
}

interface MountSpecs extends AsyncDisposable {
  readonly specs: readonly object[]
}

async function mountsOf(
  mounts: readonly Mount[],
  image: string,
  deps: ContainerDeps,
): Promise<MountSpecs> {
  const { api, store } = deps
  const volumes: string[] = []
  let files: string | undefined
  const close = async (): Promise<void> => {
    // the container still has them; they go with it (`v=1`), as nothing else does
    if (files !== undefined) await rm(files, { recursive: true, force: true })
  }
  const specs: object[] = []
  try {
    for (const mount of mounts) {
      const Target = `/${targetPath(mount.target)}`
      switch (mount.type) {
        case 'directory':
          specs.push({
            Type: 'bind',
            Source: hostPath(mount.path).path,
            Target,
            ReadOnly: mount.readonly === true,
          })
          break
        case 'tmpfs':
          specs.push({ Type: 'tmpfs', Target, TmpfsOptions: { SizeBytes: mount.size ?? 0 } })
          break
        case 'file': {
          files ??= await mkdtemp(join(await store.directory('scratch'), 'docker-'))
          const Source = join(files, String(specs.length))
          await writeFile(Source, mount.content, { mode: 0o600 })
          // only root can give files away; to the engine's root any owner will do
          if (process.geteuid?.() === 0) await chown(Source, mount.uid, mount.gid)
          await chmod(Source, mount.mode)
          specs.push({ Type: 'bind', Source, Target, ReadOnly: true })
          break
        }
        case 'tree': {
          const Source = await volumeOf(mount, image, deps)
          volumes.push(Source)
          specs.push({ Type: 'volume', Source, Target, ReadOnly: mount.readonly })
          break
        }
        case 'socket':
          throw unavailable('a socket cannot be passed')
      }
    }
  } catch (error) {
    for (const name of volumes) await api.ask({ method: 'DELETE', path: `/volumes/${name}` }, [409])
    await close()
    throw error
  }
  return { specs, [Symbol.asyncDispose]: close }
}

/** A volume that holds a part of a tree: filled through a container that never runs. */
async function volumeOf(
  { base, source = '' }: Mount & { readonly type: 'tree' },
  image: string,
  { api, contents }: ContainerDeps,
): Promise<string> {
  const entries: Entry[] = []
  for await (const entry of 'layers' in base ? await flatEntries(base.layers) : base) {
    entries.push(entry)
  }
  const root = resolveIn(new Map(entries.map((entry) => [entry.path, entry])), source, {
    last: true,
  })
  const inside = root === '' ? entries : entries.filter(({ path }) => path.startsWith(`${root}/`))
  if (
    root === undefined ||
    (root !== '' && !entries.some((e) => e.path === root && e.type === 'directory'))
  ) {
    throw new PlinthError(
      'RUN_FAILED',
      `cannot mount '${source}': its source has no such directory`,
    )
  }
  const moved = inside.map((entry) => {
    const path = root === '' ? entry.path : entry.path.slice(root.length + 1)
    return entry.type === 'hardlink' && root !== ''
      ? { ...entry, path, target: entry.target.slice(root.length + 1) }
      : { ...entry, path }
  })
  const { Name } = await api.post('/volumes/create', { Labels: { plinth: 'mount' } })
  const name = Name as string
  const made = await api.post('/containers/create', {
    Image: image,
    Cmd: ['/'],
    HostConfig: {
      Mounts: [
        { Type: 'volume', Source: name, Target: '/plinth-mount', VolumeOptions: { NoCopy: true } },
      ],
    },
  })
  const id = made['Id'] as string
  await api.ask({
    method: 'PUT',
    path: `/containers/${id}/archive?path=/plinth-mount`,
    headers: { 'Content-Type': 'application/x-tar' },
    body: writeTar(moved, contents),
  })
  await api.ask({ method: 'DELETE', path: `/containers/${id}` })
  return name
}

function unavailable(what: string): PlinthError {
  return new PlinthError('EXECUTOR_UNAVAILABLE', `cannot run with the docker executor: ${what}`, {
    hint: 'use --executor native on Linux',
  })
}
