import { posix } from 'node:path'
import { writeTar } from '../../archive/tar-write.ts'
import { readTar } from '../../archive/tar-read.ts'
import { digestHex } from '../../digest.ts'
import type { Change, Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { EngineEndpoint } from '../../output/engine-endpoint.ts'
import { engineMessages } from '../../output/engine-messages.ts'
import type { Executor, Store, Workspace, WorkspaceBase } from '../../ports.ts'
import { type ContentReader, contentReader } from '../../store/content.ts'
import { treeBase } from '../native/base.ts'
import { diff, type Found } from '../native/changes.ts'
import { readFound } from '../native/collect.ts'
import { chainIds, flatEntries } from '../native/layers.ts'
import { ancestors } from '../native/layer-stack.ts'
import { dockerApi, type DockerApi } from './api.ts'
import { runContainer } from './run.ts'

/** What the docker executor is made with. */
export interface DockerDeps {
  readonly store: Store
  readonly endpoint: EngineEndpoint
}

/**
 * Runs processes in containers of a Docker engine, reached through its API: for machines that are not Linux
 * or forbid namespaces. A base becomes an image, which stays for layers; every run is a container on what the
 * one before left; changes are told by comparing everything that is there then.
 *
 * What Docker does its own way: `HOSTNAME`, `HOME` and `PATH` are always set; how a process died is known by its exit
 * code alone; `/etc/hosts`, `hostname` and `resolv.conf` are Docker's in every run and never changes; file mounts
 * are files of this machine for as long as the run takes; a single file of a tree, sockets and the caller's
 * terminal cannot be passed (`EXECUTOR_UNAVAILABLE`).
 *
 * `open` throws `ENGINE_UNREACHABLE`, `ENGINE_REFUSED` with what the engine said, `INTERRUPTED`.
 */
export function dockerExecutor({ store, endpoint }: DockerDeps): Executor {
  return {
    name: 'docker',
    async open(base, { signal, hostname = 'plinth' }) {
      const tree = new Map<string, Entry>()
      for await (const entry of 'layers' in base ? await flatEntries(base.layers) : base) {
        tree.set(entry.path, entry)
      }
      checkTree(tree)
      const api = dockerApi(endpoint, signal)
      // leaving must also work when what was asked for is not wanted any more
      const leaving = dockerApi(endpoint, new AbortController().signal)
      const contents = contentReader(store)
      const images: string[] = []
      const containers: string[] = []
      const tag = tagOf(base)
      const image = await imageOf(tree, tag, { api, contents })
      if (tag === undefined) images.push(image)
      const create = async (from: string): Promise<string> => {
        const made = await api.post('/containers/create', { Image: from, Cmd: ['/'] })
        const id = made['Id'] as string
        containers.push(id)
        return id
      }
      /** holds what the tree is now; it is not running */
      let current = await create(image)
      let pristine = true
      const mountPoints = new Set<string>(ownFiles)
      let queue: Promise<unknown> = Promise.resolve()
      const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
        const result = queue.then(async () => {
          throwIfAborted(signal)
          return work()
        })
        queue = result.catch(() => {})
        return result
      }
      /** What is at a path, links followed. */
      const at = async (path: string): Promise<string | undefined> => {
        let wanted = posix.join('/', path)
        for (let hops = 0; hops < 40; hops++) {
          const request = { method: 'HEAD', path: archivePath(current, wanted) } as const
          // a loop of links is a failure to Docker
          const { status, headers } = await api.ask(request, [404, 500])
          if (status !== 200) return undefined
          const stat = headers['x-docker-container-path-stat']
          const { linkTarget = '', mode = 0 } = JSON.parse(
            Buffer.from(String(stat), 'base64').toString(),
          ) as { readonly linkTarget?: string; readonly mode?: number }
          // Go's os.ModeSymlink
          if ((mode & 0x0800_0000) === 0) return wanted
          wanted = posix.resolve(posix.dirname(wanted), linkTarget)
        }
        return undefined
      }
      const workspace: Workspace = {
        run: (request) =>
          inTurn(async () => {
            const cwd = posix.resolve('/', request.cwd ?? '/')
            // Docker would make it
            if (!/^\/((proc|sys|dev)(\/|$)|$)/.test(cwd) && (await at(cwd)) === undefined) {
              throw new PlinthError('RUN_FAILED', `cannot run in '${cwd}': it is no directory`)
            }
            let from = image
            if (!pristine) {
              const made = await api.post(`/commit?container=${current}&pause=0`, {})
              from = made['Id'] as string
              images.push(from)
            }
            for (const mount of request.mounts ?? []) {
              for (let p = posix.join('/', mount.target); p !== '/'; p = posix.dirname(p)) {
                mountPoints.add(p.slice(1))
              }
            }
            const run = await runContainer(from, request, {
              api,
              hostname,
              store,
              contents,
            })
            containers.push(run.id)
            current = run.id
            pristine = false
            return run.status
          }),
        read: (path) =>
          inTurn(async () => {
            const real = await at(path)
            if (real === undefined) return undefined
            return api.read({ method: 'GET', path: archivePath(current, real) }, async (body) => {
              for await (const member of readTar(body, real)) {
                if (member.type !== 'file') return undefined
                const parts: Uint8Array[] = []
                for await (const part of member.body()) parts.push(part)
                return Buffer.concat(parts)
              }
              return undefined
            })
          }),
        present: (paths) =>
          inTurn(async () => {
            const found: string[] = []
            for (const path of paths) {
              const real = await at(path)
              if (
                real !== undefined &&
                (tree.has(real.slice(1)) || !mountPoints.has(real.slice(1)))
              )
                found.push(path)
            }
            return found
          }),
        write: (entries) =>
          inTurn(async () => {
            const body = writeTar(entries, contents)
            const path = `/containers/${current}/archive?path=/`
            await api.ask({ method: 'PUT', path, headers: tarHeaders, body })
            pristine = false
          }),
        changes: () =>
          inTurn(async (): Promise<readonly Change[]> => {
            if (pristine) return []
            const found = new Map<string, Found>()
            const path = `/containers/${current}/export`
            await api.read({ method: 'GET', path }, (body) =>
              readFound(body, { found, removed: new Set() }, store),
            )
            for (const file of managed) found.delete(file)
            const mtab = found.get('etc/mtab')?.entry
            if (
              mtab?.type === 'symlink' &&
              mtab.target === '/proc/mounts' &&
              !tree.has('etc/mtab')
            ) {
              found.delete('etc/mtab')
            }
            const removed = [...tree.keys()].filter((one) => !found.has(one) && !managed.has(one))
            return diff({ base: treeBase(tree, contents), found, removed, stubs: mountPoints })
          }),
        async [Symbol.asyncDispose]() {
          await queue
          for (const id of containers.splice(0)) {
            await leaving.ask(
              { method: 'DELETE', path: `/containers/${id}?force=1&v=1` },
              [404, 409],
            )
          }
          for (const id of images.splice(0).toReversed()) {
            await leaving.ask({ method: 'DELETE', path: `/images/${id}?force=1` }, [404, 409])
          }
          contents[Symbol.dispose]()
        },
      }
      return workspace
    },
  }
}

/** What Docker puts into every container's tree to mount on. */
const ownFiles = [
  '.dockerenv',
  'dev',
  'dev/console',
  'dev/pts',
  'dev/shm',
  'etc',
  'etc/hostname',
  'etc/hosts',
  'etc/mtab',
  'etc/resolv.conf',
  'proc',
  'sys',
]

/** What Docker writes itself, and never lets a run see or keep its own of. */
const managed: ReadonlySet<string> = new Set(['etc/hostname', 'etc/hosts', 'etc/resolv.conf'])

/** Refuses what no executor runs in. */
function checkTree(tree: ReadonlyMap<string, Entry>): void {
  for (const { path } of tree.values()) {
    const link = ancestors(path).find((parent) => tree.get(parent)?.type === 'symlink')
    if (link !== undefined) {
      throw new PlinthError('PATH_UNSAFE', `cannot write '${path}': '${link}' is a symbolic link`)
    }
  }
  for (const name of ['proc', 'dev', 'sys']) {
    if ((tree.get(name)?.type ?? 'directory') !== 'directory') {
      throw new PlinthError('PATH_UNSAFE', `cannot run in this tree: '/${name}' is no directory`)
    }
  }
}

const tarHeaders = { 'Content-Type': 'application/x-tar' }

function archivePath(container: string, path: string): string {
  return `/containers/${container}/archive?path=${encodeURIComponent(path)}`
}

/** The tag under which layers stay in the engine. */
function tagOf(base: WorkspaceBase): string | undefined {
  if (!('layers' in base)) return undefined
  const top = chainIds(base.layers.map(({ diffId }) => diffId)).at(-1)
  return top && `plinth-base:${digestHex(top)}`
}

async function imageOf(
  tree: ReadonlyMap<string, Entry>,
  tag: string | undefined,
  { api, contents }: { readonly api: DockerApi; readonly contents: ContentReader },
): Promise<string> {
  if (tag !== undefined) {
    const { status } = await api.ask({ method: 'GET', path: `/images/${tag}/json` }, [404])
    if (status === 200) return tag
  }
  const [repo = '', name = ''] = tag?.split(':') ?? []
  const query = tag === undefined ? '' : `&repo=${repo}&tag=${name}`
  const request = {
    method: 'POST',
    path: `/images/create?fromSrc=-${query}`,
    headers: tarHeaders,
    body: writeTar(tree.values(), contents),
  } as const
  let last = ''
  await api.read(request, async (body) => {
    for await (const { status, error } of engineMessages(body)) {
      if (error !== undefined) {
        throw new PlinthError('ENGINE_REFUSED', `the engine did not take the base: ${error}`)
      }
      last = status ?? last
    }
  })
  return tag ?? last
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new PlinthError('INTERRUPTED', 'interrupted', { cause: signal.reason })
  }
}
