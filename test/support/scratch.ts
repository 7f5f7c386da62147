import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { openStore } from '../../src/store/store.ts'
import type { Store } from '../../src/ports.ts'

/** A directory that lives as long as the test. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'plinth-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An empty store that lives as long as the test. */
export async function scratchStore(): Promise<Store> {
  return openStore(path.join(scratchDirectory(), 'store'))
}
