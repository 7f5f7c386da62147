import { readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownerIsAlive, processOwner } from '../store/owner.ts'
import { throwIfAborted } from './failure.ts'

/**
 * Holds the lock file `path` while in scope, so that plinth's processes change what it stands for one after
 * another. A lock whose process no longer runs is broken. Throws what aborted `signal` while waiting.
 */
export async function lockFile(path: string, signal: AbortSignal): Promise<AsyncDisposable> {
  for (;;) {
    throwIfAborted(signal)
    try {
      await writeFile(path, processOwner(), { flag: 'wx' })
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = await readFile(path, 'utf8').catch(() => '')
    // an empty one was made this moment, and its owner is about to be written
    if (owner !== '' && !ownerIsAlive(owner)) await rm(path, { force: true })
    else await sleep(pollMilliseconds)
  }
}

const pollMilliseconds = 20
