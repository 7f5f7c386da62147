import { proxyVariables, historyArguments, runEnvironment } from '../../dockerfile/variables.ts'
import { PlinthError } from '../../errors.ts'
import type { Entry } from '../../entry.ts'
import type { Run } from '../../instruction.ts'
import type { RunRequest } from '../../ports.ts'
import { processUser, readAccounts, type Account } from '../../rootfs/accounts.ts'
import { writeChanges, type ChangeLayer } from '../../rootfs/change-layer.ts'
import { resolveIn, type Tree } from '../../rootfs/tree.ts'
import { argvOf } from './config.ts'
import { unknownUser } from './owner.ts'
import type { StepDeps } from './deps.ts'
import { prepareMounts, type PreparedMounts } from './mounts.ts'
import { Destination } from './place.ts'
import { layered, type StageState } from './state.ts'
import { cachedLayer } from './step-cache.ts'

/** Carries out a RUN: one layer, which may be empty. The second value tells whether it was known. */
export async function runStep(
  state: StageState,
  instruction: Run,
  deps: StepDeps,
): Promise<readonly [StageState, boolean]> {
  const { config } = state.image.config
  const argv = commandOf(instruction, state)
  const mounts = await prepareMounts(instruction, config.WorkingDir ?? '/', deps)
  const network =
    instruction.network === undefined || instruction.network === 'default'
      ? deps.request.network
      : instruction.network
  const environment = runEnvironment(state.variables, deps.request.buildArgs)
  const proxies = new Set(proxyVariables(deps.request.buildArgs).map(([name]) => name))
  const inputs = [
    'run',
    state.root.chain,
    argv,
    scriptOf(instruction)?.script,
    // what a proxy is called changes nothing of what comes through it
    Object.entries(environment)
      .filter(([name]) => !proxies.has(name) || state.variables.values.has(name))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    config.WorkingDir ?? '/',
    config.User ?? '',
    mounts.key,
    network,
    instruction.security ?? 'sandbox',
    deps.platform,
    state.epoch,
  ]
  const made = await cachedLayer(
    inputs,
    () => execute(state, { ...instruction, argv, network, environment }, mounts, deps),
    { root: state.root, store: deps.store, noCache: deps.request.noCache },
  )
  const args = historyArguments(state.variables)
  const prefix = args.length === 0 ? [] : [`|${args.length}`, ...args]
  const createdBy = `RUN ${[...prefix, ...argv].join(' ')} # buildkit`
  return [layered(state, { ...made, createdBy, instruction }, deps.store), made.cached]
}

type Argv = readonly [string, ...string[]]

/** A script is called by the shell, as any command that is no list. */
function commandOf({ command }: Run, { image }: StageState): Argv {
  const line = typeof command === 'object' && 'script' in command ? scriptPath(command) : command
  const argv = argvOf(line, image.config.config)
  const [first, ...rest] = argv
  if (first !== undefined) return [first, ...rest]
  throw new PlinthError('DOCKERFILE_INVALID', 'RUN has no command')
}

interface Script {
  readonly script: string
  readonly name: string
}

function scriptOf({ command }: Run): Script | undefined {
  return typeof command === 'object' && 'script' in command ? command : undefined
}

/** Where a here-document with a `#!` line is seen, in a directory of its own. */
function scriptPath({ name }: Pick<Script, 'name'>): string {
  return `/dev/pipes/${name}`
}

async function execute(
  state: StageState,
  run: Run & {
    readonly argv: Argv
    readonly network: 'none' | 'host'
    readonly environment: Readonly<Record<string, string>>
  },
  prepared: PreparedMounts,
  deps: StepDeps,
): Promise<ChangeLayer> {
  const tree = await state.root.tree()
  const user = await accountOf(state, deps)
  await using mounts = await prepared.open()
  const script = scriptOf(run)
  const { HOME = user.home, ...environment } = run.environment
  const tail: string[] = []
  const request: RunRequest = {
    argv: run.argv,
    env: { ...environment, HOME, ...mounts.env },
    cwd: state.image.config.config.WorkingDir || '/',
    user: processUser(user),
    network: run.network,
    mounts: [
      ...mounts.mounts,
      ...(script === undefined
        ? []
        : [
            {
              type: 'file',
              content: Buffer.from(script.script),
              target: scriptPath(script),
              mode: 0o755,
              uid: 0,
              gid: 0,
            } as const,
          ]),
    ],
    security: run.security,
    onLine: (stream, text) => {
      const line = mounts.mask(text)
      tail.push(line)
      if (tail.length > shownLines) tail.shift()
      deps.emit({ type: 'output', id: deps.id, stream, line })
    },
  }
  await using workspace = await deps.executor.open(
    { layers: state.root.bases },
    { signal: deps.signal },
  )
  const missing = missingDirectories(tree, request.cwd!, state.epoch)
  if (missing.length > 0) await workspace.write(missing)
  const { code, signal } = await workspace.run(request)
  if (code !== 0 || signal !== undefined) throw failed({ code, signal }, tail)
  const changes = await workspace.changes()
  return writeChanges(changes, { lower: tree, epoch: state.epoch }, deps)
}

/** The working directory as far as an earlier RUN took it away: it is made again, root's, and stays. */
function missingDirectories(tree: Tree, path: string, mtime: number): readonly Entry[] {
  const real = resolveIn(tree, path, { last: true })
  // where something else is, the executor says so
  if (real === undefined || real === '' || tree.has(real)) return []
  const target = new Destination(tree)
  target.makeDirectory(path, {})
  return target.made.map((entry) => ({ ...entry, mtime }))
}

const shownLines = 10

function failed(
  { code, signal }: { readonly code: number; readonly signal: string | undefined },
  tail: readonly string[],
): PlinthError {
  const how = signal === undefined ? `exit code ${code}` : `killed by ${signal}`
  const said = tail.map((line) => `\n  | ${line}`).join('')
  return new PlinthError('RUN_FAILED', `the command failed: ${how}${said}`, {
    hint:
      code === 127
        ? 'the program is not in the image, or not on its PATH'
        : code === 126
          ? 'the program is in the image, but cannot be run: look at its mode and its #! line'
          : undefined,
    facts: { code, signal, output: tail },
  })
}

async function accountOf({ image, root }: StageState, { store }: StepDeps): Promise<Account> {
  const user = image.config.config.User || '0'
  const accounts = await readAccounts(await root.tree(), store)
  const found = accounts.find(user)
  if (found === undefined) throw unknownUser(user, accounts)
  return found
}
