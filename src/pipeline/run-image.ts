import { posix } from 'node:path'
import { treePath } from '../archive/path.ts'
import { digestHex, sha256 } from '../digest.ts'
import type { Entry } from '../entry.ts'
import { PlinthError } from '../errors.ts'
import type { Image, RunConfig } from '../image.ts'
import { createdSeconds } from '../oci/image.ts'
import type { ExitStatus, Executor, Interactive, Mount, Store, Workspace } from '../ports.ts'
import { processUser, readAccounts, type Account } from '../rootfs/accounts.ts'
import { rootOf, type LayeredRoot } from '../rootfs/layered-root.ts'
import { readRecord, writeRecord } from '../store/record.ts'

/** How to start an image, over what its config says. */
export interface RunImageRequest {
  readonly image: Image
  /** in the place of the image's Cmd; not given: that */
  readonly command: readonly string[]
  /** in the place of the image's Entrypoint, whose Cmd then goes, too; an empty list: none */
  readonly entrypoint?: readonly string[] | undefined
  /** `K=V` */
  readonly env: readonly string[]
  readonly cwd?: string | undefined
  readonly user?: string | undefined
  readonly hostname?: string | undefined
  readonly network: 'none' | 'host'
  readonly mounts: readonly Mount[]
  /** what it is connected with */
  readonly interactive: Interactive
  /** Called when everything is ready: from then on the streams are the program's. */
  readonly onStart: () => void
}

export interface RunImageDeps {
  readonly store: Store
  readonly executor: Executor
  readonly signal: AbortSignal
}

/**
 * Runs an image's program as an engine would start it: Entrypoint and Cmd, Env, User and WorkingDir of its
 * config, HOME of the user's. Whatever it changes is gone afterwards.
 *
 * Throws `RUN_FAILED` when there is nothing to start, an unknown user or a working directory that is none,
 * `PROGRAM_NOT_FOUND`, and what the executor and the store do.
 */
export async function runImage(request: RunImageRequest, deps: RunImageDeps): Promise<ExitStatus> {
  const { image, hostname = 'plinth' } = request
  const { store, signal } = deps
  const config = image.config.config
  const argv = argvOf(request, config)
  const root = rootOf(image.layers, store)
  const user = request.user ?? config.User ?? ''
  const account = await accountOf(user === '' ? '0' : user, root, store)
  const cwd = posix.resolve('/', request.cwd ?? (config.WorkingDir || '/'))
  const env = environment(request, config, { account, hostname })
  await using workspace = await deps.executor.open({ layers: root.bases }, { signal, hostname })
  const volumes = Object.keys(config.Volumes ?? {}).map((path) => posix.resolve('/', path))
  const targets = new Set(request.mounts.map(({ target }) => target))
  await makeDirectories(
    [cwd, ...volumes].filter((path) => path !== '/' && !targets.has(path)),
    createdSeconds(image.config),
    workspace,
  )
  request.onStart()
  const { network, mounts, interactive } = request
  const status = await workspace.run({
    argv,
    env,
    cwd,
    user: processUser(account),
    network,
    mounts,
    interactive,
  })
  if (status.code === 127) await expectProgram(argv[0], env, workspace)
  return status
}

type Argv = readonly [string, ...string[]]

/** What is started: docker's rules for ENTRYPOINT, CMD and what stands behind the image's name. */
function argvOf({ command, entrypoint }: RunImageRequest, config: RunConfig): Argv {
  const first = entrypoint ?? config.Entrypoint ?? []
  const rest = command.length > 0 || entrypoint !== undefined ? command : (config.Cmd ?? [])
  const [program, ...others] = [...first, ...rest]
  if (program === undefined || program === '') {
    throw new PlinthError('RUN_FAILED', 'cannot run the image: it has no command of its own', {
      hint: 'name one behind the image: plinth run IMAGE /bin/sh',
    })
  }
  return [program, ...others]
}

/** Later ones win; what every container has comes first. */
function environment(
  request: RunImageRequest,
  config: RunConfig,
  { account, hostname }: { readonly account: Account; readonly hostname: string },
): Record<string, string> {
  const all = [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    `HOSTNAME=${hostname}`,
    ...(request.interactive.tty ? ['TERM=xterm'] : []),
    `HOME=${account.home}`,
    ...(config.Env ?? []),
    ...request.env,
  ]
  const env = Object.create(null) as Record<string, string>
  for (const pair of all) {
    const equals = pair.indexOf('=')
    if (equals > 0) env[pair.slice(0, equals)] = pair.slice(equals + 1)
  }
  return env
}

/** A working directory and volumes are made where the image lacks them, root's, as engines do. */
async function makeDirectories(
  paths: readonly string[],
  mtime: number,
  workspace: Workspace,
): Promise<void> {
  if (paths.length === 0) return
  const wanted = new Set<string>()
  for (const path of paths) {
    for (let at = path; at !== '/'; at = posix.dirname(at)) wanted.add(at)
  }
  const all = [...wanted].toSorted()
  const present = new Set(await workspace.present(all))
  const missing = all.filter((path) => !present.has(path))
  const entries = missing.map((path): Entry => {
    const at = treePath(path.slice(1), 'the image')
    return { type: 'directory', path: at, mode: 0o755, uid: 0, gid: 0, mtime }
  })
  if (entries.length > 0) await workspace.write(entries)
}

/** A program may end with 127 itself, as shells do: only one that is not there was not started. */
async function expectProgram(
  program: string,
  env: Readonly<Record<string, string>>,
  workspace: Workspace,
): Promise<void> {
  const places = program.includes('/')
    ? [program]
    : (env['PATH'] ?? '').split(':').map((directory) => posix.join('/', directory, program))
  if ((await workspace.present(places)).length > 0) return
  throw new PlinthError('PROGRAM_NOT_FOUND', `cannot run ${program}: it is not in the image`, {
    hint: program.includes('/') ? undefined : `it was looked for in ${env['PATH']}`,
  })
}

/** Whom a user's name or number stands for; kept by what the layers hold, which is a lot to look through. */
async function accountOf(user: string, root: LayeredRoot, store: Store): Promise<Account> {
  const key = digestHex(sha256(`${root.chain} ${user}`))
  const known = await readRecord<Account>(store, 'account', key)
  if (known !== undefined) return known
  const account = (await readAccounts(await root.tree(), store)).find(user)
  if (account === undefined) throw unknownUser(user)
  await writeRecord(store, 'account', key, account)
  return account
}

function unknownUser(user: string): PlinthError {
  const [name, group] = user.split(':')
  const who = group === undefined ? `user ${name}` : `user ${name} or group ${group}`
  return new PlinthError('RUN_FAILED', `cannot run as ${user}: the image has no ${who}`, {
    hint: 'give a name of its /etc/passwd, or a number: -u 1000:1000',
  })
}
