import process from 'node:process'
import type { Event } from '../../src/events.ts'
import { isPlinthError } from '../../src/errors.ts'
import { nativeExecutor, type NativeDeps } from '../../src/executor/native/executor.ts'
import { openStore } from '../../src/store/store.ts'
import { executorCases } from '../contract/executor-cases.ts'
import { busyboxTree, tree } from './tree.ts'

/** What `runner` does, as JSON in its first argument. */
export interface RunnerJob {
  readonly job: 'cases' | 'open' | 'hold'
  readonly store: string
  /** instead of the process's own */
  readonly uid?: number
  /** `open`: a tree of root's alone instead of one with several owners */
  readonly plain?: boolean
  /** `hold`: what to run */
  readonly argv?: readonly [string, ...string[]]
  readonly options?: Pick<NativeDeps, 'memory' | 'storage'>
}

/** How one case ended; `error` when it failed. */
export interface CaseResult {
  readonly name: string
  readonly error?: string
}

/** How opening and running `true` ended. */
export interface OpenResult {
  readonly code?: string
  readonly message?: string
  readonly hint?: string | undefined
  readonly status?: number
  readonly warnings: readonly Event[]
}

// The suites compile this file and start it as another user, or to be killed: see unprivileged.ts.
const text = process.argv[2]
if (text?.startsWith('{')) await main(JSON.parse(text) as RunnerJob)

function say(value: CaseResult | OpenResult | 'ready'): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

async function main(job: RunnerJob): Promise<void> {
  const store = await openStore(job.store)
  const warnings: Event[] = []
  const executor = nativeExecutor({
    ...job.options,
    store,
    emit: (event) => warnings.push(event),
    uid: job.uid ?? process.getuid!(),
    path: process.env['PATH'] ?? '',
  })
  switch (job.job) {
    case 'cases':
      for (const one of executorCases) {
        const error = await one.run({ executor, store }).then(
          () => undefined,
          (failure: Error) => ({ error: failure.stack ?? String(failure) }),
        )
        say({ name: one.name, ...error })
      }
      return
    case 'open':
      try {
        const base = busyboxTree().filter((e) => !job.plain || e.gid === 0)
        await using workspace = await executor.open(base, { signal: new AbortController().signal })
        const { code } = await workspace.run({ argv: ['/bin/true'], env: {} })
        say({ status: code, warnings })
      } catch (error) {
        if (!isPlinthError(error)) throw error
        say({ code: error.code, message: error.message, hint: error.hint, warnings })
      }
      return
    case 'hold': {
      const workspace = await executor.open([...busyboxTree(), ...tree({ own: { uid: 33 } })], {
        signal: new AbortController().signal,
      })
      await workspace.run({
        argv: ['/bin/sh', '-c', 'echo ready; exec "$@"', 'sh', ...job.argv!],
        env: { PATH: '/bin' },
        onLine: () => say('ready'),
      })
    }
  }
}
