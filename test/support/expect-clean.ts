import { expect } from 'vitest'
import { unfinished, type Bench, type Run } from './builds.ts'

/** That a run which failed left nothing behind and printed no result and no stack. */
export function expectClean(run: Run, here: Bench): void {
  expect(run.left).toEqual([])
  expect(here.leftFiles()).toEqual([])
  expect(unfinished(here.store)).toEqual([])
  expect(run.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  expect(run.stdout).toBe('')
}
