import { isPlinthError, PlinthError } from '../errors.ts'

/** Turns a file system error met while writing `path` into plinth's: `DISK_FULL`, `OUTPUT_INVALID` or `IO`. */
export function outputFailure(error: unknown, path: string): unknown {
  if (error instanceof PlinthError || typeof (error as NodeJS.ErrnoException).syscall !== 'string')
    return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PlinthError('DISK_FULL', `cannot write ${path}: the disk is full`, {
      cause: error,
      hint: 'free some space or write to another disk; nothing was left behind',
    })
  }
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new PlinthError('OUTPUT_INVALID', `cannot write ${path}: its directory does not exist`, {
      cause: error,
      hint: 'make the directory first',
    })
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new PlinthError('IO', `cannot write ${path}: permission denied`, {
      cause: error,
      hint: 'choose a place you may write to',
    })
  }
  return new PlinthError('IO', `cannot write ${path}: ${message}`, { cause: error })
}

/**
 * A damaged blob that was found when bytes had gone to a stream: they cannot be taken back, so that writing
 * again must not be tried. `STORE_CORRUPT` with the fact `unfinished`.
 */
export function unfinished(error: unknown, stream: string): unknown {
  if (!isPlinthError(error, 'STORE_CORRUPT')) return error
  return new PlinthError('STORE_CORRUPT', `cannot finish ${stream}: ${error.message}`, {
    cause: error,
    hint: `what was written is of no use; the damaged blob was dropped: run the command again to get it anew, and check the disk`,
    facts: { ...error.facts, unfinished: stream },
  })
}

/** Throws what the caller aborted with; a bare abort is `INTERRUPTED`. */
export function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return
  if (signal.reason instanceof PlinthError) throw signal.reason
  throw new PlinthError('INTERRUPTED', 'cannot finish the output: interrupted', {
    cause: signal.reason,
  })
}
