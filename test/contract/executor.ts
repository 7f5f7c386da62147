import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Executor, Store } from '../../src/ports.ts'
import { openStore } from '../../src/store/store.ts'
import { executorCases } from './executor-cases.ts'

/** What any executor promises (see `Executor`, `Workspace`), as a suite. */
export function executorContract(name: string, make: (store: Store) => Executor): void {
  describe(`${name} as an executor`, () => {
    let directory: string
    let store: Store

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'plinth executor-'))
      store = await openStore(directory)
    })

    afterAll(() => rm(directory, { recursive: true, force: true }))

    test.each(executorCases)('$name', async (one) => {
      await one.run({ executor: make(store), store })
    })
  })
}
