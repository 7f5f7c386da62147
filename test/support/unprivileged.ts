import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { RunnerJob } from './executor-runner.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The checkout's sources compiled to where every user can read them, with `executor-runner` to start. */
export interface Compiled extends Disposable {
  readonly directory: string
  /** a fresh directory that `user` owns */
  storeFor(user: string): string
  /** Starts the runner; with `user` through su(1), with `shell` inside that shell line as `"$@"`. */
  start(job: RunnerJob, options?: { readonly user?: string; readonly shell?: string }): ChildProcess
}

/** Compiles. */
export function compile(): Compiled {
  const directory = mkdtempSync(path.join(tmpdir(), 'plinth-compiled-'))
  chmodSync(directory, 0o755)
  writeFileSync(path.join(directory, 'package.json'), '{"type":"module"}')
  const files = [
    ...sources('src'),
    ...sources('test/contract').filter((name) => name.includes('/executor-')),
    'test/support/tree.ts',
    'test/support/executor-runner.ts',
  ]
  for (const file of files) emit(file, directory)
  let count = 0
  return {
    directory,
    storeFor(user) {
      const store = path.join(directory, `store-${count++}`)
      mkdirSync(store)
      spawnSync('chown', [user, store])
      return store
    },
    start(job, { user, shell = 'exec "$@"' } = {}) {
      const runner = path.join(directory, 'test/support/executor-runner.js')
      const command = [process.execPath, runner, JSON.stringify(job)]
      const argv = user
        ? ['su', '-s', '/bin/sh', '-c', shell, user, '--', 'sh', ...command]
        : ['sh', '-c', shell, 'sh', ...command]
      return spawn(argv[0]!, argv.slice(1), { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] })
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}

function sources(directory: string): string[] {
  return readdirSync(path.join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => path.join(directory, name))
}

function emit(file: string, directory: string): void {
  const { outputText } = ts.transpileModule(readFileSync(path.join(root, file), 'utf8'), {
    fileName: file,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  })
  const target = path.join(directory, file.replace(/\.ts$/, '.js'))
  mkdirSync(path.dirname(target), { recursive: true })
  writeFileSync(target, outputText)
}

/** Everything a process writes, and how it ended. */
export async function outputOf(
  child: ChildProcess,
): Promise<{ readonly code: number | null; readonly lines: string[] }> {
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, lines: text.split('\n').filter((line) => line.startsWith('{')) }
}

/**
 * An ordinary user with subordinate ids (as useradd gives them), made when missing and kept: removing one
 * while something of his still ends would fail.
 */
export function testUser(): string {
  const user = 'plinthtest'
  if (spawnSync('id', [user]).status !== 0) {
    const { status, stderr } = spawnSync('useradd', ['--create-home', user], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`useradd: ${stderr}`)
  }
  return user
}
