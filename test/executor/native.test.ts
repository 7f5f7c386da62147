import process from 'node:process'
import { describe } from 'vitest'
import { nativeExecutor } from '../../src/executor/native/executor.ts'
import type { Store } from '../../src/ports.ts'
import { executorContract } from '../contract/executor.ts'
import { needs } from '../support/needs.ts'

const deps = (store: Store) => ({
  store,
  emit() {},
  uid: process.getuid?.() ?? 0,
  path: process.env['PATH'] ?? '',
})

describe.skipIf(!needs('linux', 'busybox', 'user-namespaces', 'newuidmap').available)(
  'the native executor',
  () => {
    executorContract('in memory', (store) => nativeExecutor(deps(store)))
    executorContract('on disk', (store) => nativeExecutor({ ...deps(store), memory: 0 }))
    executorContract('without overlay', (store) =>
      nativeExecutor({ ...deps(store), storage: 'copy' }),
    )
  },
)
