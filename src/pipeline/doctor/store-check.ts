import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { sha256 } from '../../digest.ts'
import { isPlinthError } from '../../errors.ts'
import { readableSize } from '../../output/progress.ts'
import type { Store } from '../../ports.ts'
import { openStore } from '../../store/store.ts'
import type { Finding } from './finding.ts'

/** What a build of a small base takes, with its packages; and what is comfortable. */
const least = 500e6
const comfortable = 2e9

/** Opens the store, writes to it and reads that again. */
export async function checkStore(
  root: string,
): Promise<{ readonly store: Store | undefined; readonly finding: Finding }> {
  const name = 'store'
  try {
    const store = await openStore(root)
    const bytes = randomBytes(4096)
    const digest = sha256(bytes)
    try {
      await store.put([bytes], { digest, size: bytes.length })
      for await (const _ of store.get(digest));
    } finally {
      await store.delete(digest)
    }
    const { bavail, bsize } = await statfs(store.root)
    const free = bavail * bsize
    const detail = `${store.root}, ${readableSize(free)} free`
    const hint = 'put it on a larger disk: --store DIR or PLINTH_STORE'
    const state = free < least ? 'failed' : free < comfortable ? 'degraded' : 'ok'
    return { store, finding: { name, state, detail, ...(state !== 'ok' && { hint }) } }
  } catch (error) {
    if (!isPlinthError(error)) throw error
    const { message: detail, hint } = error
    return { store: undefined, finding: { name, state: 'failed', detail, hint } }
  }
}
