import { setTimeout as sleep } from 'node:timers/promises'
import type { Http } from '../http/http.ts'
import { patience } from '../http/retry.ts'
import type { BuildDeps } from '../pipeline/build.ts'
import type { Executor, Store } from '../ports.ts'
import { openStore } from '../store/store.ts'
import { proxiesOf } from './surrounding-values.ts'
import type { StageDeps } from './stages.ts'

/** Opens the store. The network and the executor are loaded when they are first used: many builds need neither. */
export async function openTools(deps: StageDeps): Promise<BuildDeps> {
  const { emit, signal, now, env } = deps
  const store = await openStore(deps.store)
  return {
    store,
    emit,
    signal,
    executor: lateExecutor(store, deps),
    http: lateHttp(env),
    retry: {
      ...patience,
      now,
      random: Math.random,
      sleep: async (milliseconds, until) => {
        await sleep(milliseconds, undefined, { signal: until })
      },
    },
  }
}

function lateExecutor(store: Store, { emit, uid, env }: StageDeps): Executor {
  let executor: Promise<Executor> | undefined
  const load = async (): Promise<Executor> => {
    const { nativeExecutor } = await import('../executor/native/executor.ts')
    return nativeExecutor({ store, emit, uid, path: env['PATH'] ?? '' })
  }
  return {
    name: 'native',
    open: async (base, options) => (await (executor ??= load())).open(base, options),
  }
}

function lateHttp(env: StageDeps['env']): Http {
  let http: Promise<Http> | undefined
  const load = async (): Promise<Http> => {
    const { createHttp } = await import('../http/client.ts')
    return createHttp({ proxies: proxiesOf(env) })
  }
  return {
    get: async (url, request) => (await (http ??= load())).get(url, request),
    close: () => void http?.then((opened) => opened.close()),
  }
}
