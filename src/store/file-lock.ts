import { link, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isPlinthError, PlinthError } from '../errors.ts'
import { ownerIsAlive, ownerIsElsewhere, processOwner } from './owner.ts'

/**
 * Holds the lock file `path` while in scope, so that plinth's processes change what it stands for one after
 * another. A lock whose process no longer runs is broken; one of another pid namespace, where that cannot be
 * seen, when it shows no life for a minute. Throws what aborted `signal` while waiting.
 */
export async function lockFile(path: string, signal: AbortSignal): Promise<AsyncDisposable> {
  while (!(await take(path))) {
    if (signal.aborted) {
      if (isPlinthError(signal.reason)) throw signal.reason
      throw new PlinthError('INTERRUPTED', `interrupted while waiting for ${path}`, {
        cause: signal.reason,
      })
    }
    if (!(await breakDead(path))) await sleep(pollMilliseconds)
  }
  return held(path)
}

/** Holds the lock file `path` as `lockFile` does, or is undefined when a living process has it. */
export async function tryLockFile(path: string): Promise<AsyncDisposable | undefined> {
  if (await take(path)) return held(path)
  return (await breakDead(path)) && (await take(path)) ? held(path) : undefined
}

function held(path: string): AsyncDisposable {
  const beat = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => {})
  }, silenceMilliseconds / 6)
  beat.unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(beat)
      await rm(path, { force: true })
    },
  }
}

const pollMilliseconds = 20
const silenceMilliseconds = 60_000

let counter = 0

/** Makes the lock with its owner in it at once, so that a process killed meanwhile leaves none without. */
async function take(path: string): Promise<boolean> {
  const whole = `${path}.${processOwner()}.${counter++}`
  try {
    await writeFile(whole, processOwner())
    try {
      await link(whole, path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // not every file system has hard links
      if (code !== 'EPERM' && code !== 'ENOTSUP') throw error
      await writeFile(path, processOwner(), { flag: 'wx' })
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(whole, { force: true })
  }
}

/**
 * Removes the lock if its owner is dead, and returns whether it did. One process at a time may, and it looks
 * again: otherwise a second one that saw the dead owner, too, would remove the lock of who came after.
 */
async function breakDead(path: string): Promise<boolean> {
  if (!(await isDead(path))) return false
  const breaking = `${path}.breaking`
  if (!(await take(breaking))) {
    // whoever died at this very point is not waited for
    if (await isDead(breaking)) await rm(breaking, { force: true })
    return false
  }
  try {
    if (!(await isDead(path))) return false
    await rm(path, { force: true })
    return true
  } finally {
    await rm(breaking, { force: true })
  }
}

async function isDead(path: string): Promise<boolean> {
  const owner = await readFile(path, 'utf8').catch(() => '')
  if (ownerIsElsewhere(owner) || owner === '') {
    const touched = (await stat(path).catch(() => undefined))?.mtimeMs
    return touched !== undefined && Date.now() - touched > silenceMilliseconds
  }
  return !ownerIsAlive(owner)
}
