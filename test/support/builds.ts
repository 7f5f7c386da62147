import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { builtPlinth, type Ended } from './plinth.ts'
import { trace } from './traces.ts'

/** A folder for runs of the command line: a store, a place for temporary files, one for outputs. */
export interface Bench extends Disposable {
  readonly home: string
  readonly store: string
  /** TMPDIR of every run; nothing may stay there */
  readonly temporary: string
  /** Writes a file and gives its path. */
  file(name: string, content: string): string
  /** Runs plinth with the store, in `home`. */
  plinth(args: readonly string[], options?: RunOptions): Promise<Run>
  /** Gives the folder and all in it to another user. */
  giveTo(user: string, group?: string): void
  /** What runs left where nothing may stay: temporary files, partial outputs. */
  leftFiles(): readonly string[]
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly store?: string
  /** words before node: `unshare --uts`, `setpriv …` */
  readonly prefix?: readonly string[]
  /** another copy of the built command line */
  readonly binary?: string
  /** as another user, to whom the folder was given */
  readonly user?: string
  /** sent once, when standard error first matches, so many milliseconds later */
  readonly signal?: {
    readonly name: NodeJS.Signals
    readonly when?: RegExp
    readonly after?: number
    /** to the whole process group, as a terminal does */
    readonly group?: boolean
  }
}

/** How a run ended, and what of it is still there. */
export interface Run extends Ended {
  /** processes and mounts */
  readonly left: readonly string[]
  readonly milliseconds: number
  /** whether it was still running when the signal was sent */
  readonly signalled: boolean
}

/** Makes one; `inherit` runs with this over the test's own environment. */
export async function bench(inherit: Readonly<Record<string, string>> = {}): Promise<Bench> {
  const binary = await builtPlinth()
  const home = mkdtempSync(path.join(tmpdir(), 'plinth-e2e-'))
  const store = path.join(home, 'store')
  const temporary = path.join(home, 'tmp')
  mkdirSync(temporary)
  return {
    home,
    store,
    temporary,
    file(name, content) {
      const file = path.join(home, name)
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, content)
      return file
    },
    plinth: (args, options = {}) =>
      start(
        [
          ...(options.prefix ?? []),
          ...asUser(options.user),
          process.execPath,
          options.binary ?? binary,
          ...args,
        ],
        {
          cwd: home,
          ...options,
          env: {
            TMPDIR: temporary,
            PLINTH_STORE: options.store ?? store,
            ...inherit,
            ...options.env,
          },
          paths: [home, options.store ?? store],
        },
      ),
    giveTo: (user, group = '') => void spawnSync('chown', ['-R', `${user}:${group}`, home]),
    leftFiles: () => [
      ...readdirSync(temporary).map((name) => `tmp/${name}`),
      ...readdirSync(home).filter((name) => name.includes('.plinth.')),
    ],
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  }
}

/** As login(1) would: his groups, and a home of his own. */
function asUser(user: string | undefined): readonly string[] {
  if (user === undefined) return []
  return ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--']
}

type StartOptions = RunOptions & { readonly paths: readonly string[] }

async function start(command: readonly string[], options: StartOptions): Promise<Run> {
  const { signal, paths } = options
  const began = Date.now()
  const child = spawn(command[0]!, command.slice(1), {
    cwd: options.cwd,
    detached: true,
    env: {
      ...process.env,
      CI: undefined,
      NO_COLOR: undefined,
      FORCE_COLOR: undefined,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const traced = child.pid === undefined ? undefined : trace(child.pid, paths)
  let signalled = false
  const send = async (): Promise<void> => {
    await sleep(signal?.after ?? 0)
    if (child.exitCode !== null || child.signalCode !== null) return
    signalled = true
    process.kill(signal?.group ? -child.pid! : child.pid!, signal!.name)
  }
  let pending = signal?.when
  if (signal !== undefined && pending === undefined) void send()
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    if (pending === undefined || !pending.test(stderr)) return
    pending = undefined
    void send()
  })
  const ended = await new Promise<Pick<Ended, 'code' | 'signal'>>((resolve, reject) => {
    child.once('error', reject)
    const end = (code: number | null, name: string | null) => resolve({ code, signal: name })
    child.once('close', end)
    // what a killed run leaves alive may hold its output open
    child.once('exit', (code, name) => setTimeout(end, 3000, code, name).unref())
  })
  const milliseconds = Date.now() - began
  const left = (await traced?.left()) ?? []
  return { ...ended, stdout, stderr, left, milliseconds, signalled }
}

/** The image's digest, as a successful run printed it; throws with what the run said otherwise. */
export function digestOf(run: Run): string {
  const [digest = ''] = run.stdout.split('\n')
  if (run.code === 0 && /^sha256:[0-9a-f]{64}$/.test(digest)) return digest
  throw new Error(`plinth ended with ${run.signal ?? run.code}:\n${run.stdout}${run.stderr}`)
}

/** The stable code a failed run named, from its last lines. */
export function codeOf({ stderr }: Pick<Run, 'stderr'>): string | undefined {
  return stderr.match(/\(([A-Z_]{2,})\)(?=\n(?: {2}(?:because|hint): .*\n)*$)/)?.[1]
}

/** Blobs of a store whose content is not what their name says. */
export async function wrongBlobs(store: string): Promise<readonly string[]> {
  const folder = path.join(store, 'blobs', 'sha256')
  const wrong: string[] = []
  for (const name of readdirSync(folder)) {
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path.join(folder, name)))
      hash.update(chunk as Buffer)
    if (hash.digest('hex') !== name) wrong.push(name)
  }
  return wrong
}

/** Unfinished things in a store: what a killed run leaves, and the next one removes. */
export function unfinished(store: string): readonly string[] {
  return ['tmp', 'scratch'].flatMap((folder) => {
    try {
      return readdirSync(path.join(store, folder)).map((name) => `${folder}/${name}`)
    } catch {
      return []
    }
  })
}
