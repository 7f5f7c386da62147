import assert from 'node:assert/strict'
import { PlinthError, type ErrorCode } from '../../src/errors.ts'
import type {
  Executor,
  ExitStatus,
  RunRequest,
  Store,
  Workspace,
  WorkspaceBase,
} from '../../src/ports.ts'
import { busyboxTree, listing } from '../support/tree.ts'

/** What a case is given: an executor, its store, and whether base trees may have any owner. */
export interface ExecutorSetup {
  readonly executor: Executor
  readonly store: Store
}

/** One promise of `Executor` and `Workspace`. No test framework: it also runs as another user in a bare Node. */
export interface ExecutorCase {
  readonly name: string
  run(setup: ExecutorSetup): Promise<void>
}

export const never: AbortSignal = new AbortController().signal

/** Opens `base`, does `work` and closes. */
export async function within<T>(
  { executor }: ExecutorSetup,
  base: WorkspaceBase,
  work: (workspace: Workspace) => Promise<T>,
): Promise<T> {
  await using workspace = await executor.open(base, { signal: never })
  return await work(workspace)
}

interface Output {
  readonly status: ExitStatus
  readonly stdout: string
  readonly stderr: string
}

/** Runs a shell line and keeps what it wrote. */
export async function sh(
  workspace: Workspace,
  script: string,
  request: Partial<RunRequest> = {},
): Promise<Output> {
  const lines: Record<'stdout' | 'stderr', string[]> = { stdout: [], stderr: [] }
  const status = await workspace.run({
    argv: ['/bin/sh', '-c', script],
    env: { PATH: '/bin' },
    onLine: (stream, line) => lines[stream].push(line),
    ...request,
  })
  return { status, stdout: lines.stdout.join('\n'), stderr: lines.stderr.join('\n') }
}

/** What a shell line changes in a tree. */
export async function changesOf(
  setup: ExecutorSetup,
  files: Parameters<typeof busyboxTree>[0],
  script: string,
): Promise<Record<string, string>> {
  return within(setup, busyboxTree(files), async (workspace) => {
    const { status, stderr } = await sh(workspace, `set -e; ${script}`)
    assert.deepEqual({ status, stderr }, { status: { code: 0 }, stderr: '' })
    return listing(await workspace.changes())
  })
}

export async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<PlinthError> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof PlinthError, String(error))
    assert.equal(error.code, code, error.message)
    return error
  }
  throw new assert.AssertionError({ message: `expected ${code}, nothing was thrown` })
}
