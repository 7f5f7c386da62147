import { setTimeout as pause } from 'node:timers/promises'
import type { RetryPolicy } from '../../src/http/retry.ts'

/** A retry policy for tests: the same rounds as always, pauses written down instead of taken. */
export function testRetry(
  overrides: Partial<RetryPolicy> = {},
): RetryPolicy & { readonly pauses: number[] } {
  const pauses: number[] = []
  return {
    rounds: 5,
    delay: 500,
    maxDelay: 30_000,
    now: () => new Date(),
    random: () => 0.5,
    sleep: async (milliseconds, signal) => {
      pauses.push(milliseconds)
      await pause(1, undefined, { signal })
    },
    pauses,
    ...overrides,
  }
}

/** Incompressible bytes that are the same each time. */
export function noise(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = seed
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
