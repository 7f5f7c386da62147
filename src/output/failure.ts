import { PlinthError } from '../errors.ts'

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

/** Throws what the caller aborted with; a bare abort is `INTERRUPTED`. */
export function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return
  if (signal.reason instanceof PlinthError) throw signal.reason
  throw new PlinthError('INTERRUPTED', 'cannot finish the output: interrupted', {
    cause: signal.reason,
  })
}
