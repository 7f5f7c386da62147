import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const binary = path.join(root, 'dist', 'cli', 'main.js')

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface StartOptions {
  readonly cwd?: string | undefined
  /** over the test's own environment; `undefined` removes */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** sent when standard error first contains it */
  readonly interrupt?:
    | { readonly when: string; readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGKILL' }
    | undefined
}

/** Runs the built command line; `builtPlinth()` must have been awaited once (`beforeAll`). */
export async function plinth(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return runProcess([process.execPath, binary, ...args], options)
}

/** Runs any program to its end and keeps what it wrote. */
export async function runProcess(
  [command, ...args]: readonly [string, ...string[]],
  options: StartOptions = {},
): Promise<Ended> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: {
      ...process.env,
      CI: undefined,
      NO_COLOR: undefined,
      FORCE_COLOR: undefined,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let waiting = options.interrupt
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    if (waiting === undefined || !stderr.includes(waiting.when)) return
    child.kill(waiting.signal)
    waiting = undefined
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve({ code, signal, stdout, stderr })
    })
  })
}

/** The built command line's path, built first when a source is newer. One build at a time. */
export async function builtPlinth(): Promise<string> {
  const lock = path.join(root, 'node_modules', '.cache', 'build-lock')
  mkdirSync(path.dirname(lock), { recursive: true })
  while (isStale()) {
    try {
      mkdirSync(lock)
    } catch {
      // another suite builds; a lock left by a killed one is dropped after a minute
      if (Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0) > 60_000) {
        rmSync(lock, { recursive: true, force: true })
      }
      await sleep(200)
      continue
    }
    try {
      const built = await runProcess([process.execPath, path.join(root, 'scripts', 'build.mjs')])
      if (built.code !== 0) throw new Error(`npm run build failed:\n${built.stdout}${built.stderr}`)
    } finally {
      rmSync(lock, { recursive: true, force: true })
    }
  }
  return binary
}

function isStale(): boolean {
  if (!existsSync(binary)) return true
  const built = statSync(binary).mtimeMs
  return ['src', 'recipes'].some((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true }).some(
      (file) => file.isFile() && statSync(path.join(file.parentPath, file.name)).mtimeMs > built,
    ),
  )
}
