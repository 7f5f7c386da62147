import { PlinthError } from '../errors.ts'

/** For what was damaged in the store and is being had anew. */
export const damageHint = 'nothing is lost, but look at the disk that holds the store'

/** Turns a file system error into plinth's: a full disk is `DISK_FULL`, anything else `IO`. */
export function storeFailure(error: unknown, doing: string): PlinthError {
  if (error instanceof PlinthError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PlinthError('DISK_FULL', `cannot ${doing}: the disk is full`, {
      cause: error,
      hint: 'free some space, or put the store elsewhere with --store DIR',
    })
  }
  return new PlinthError('IO', `cannot ${doing}: ${message}`, {
    cause: error,
    hint: hints[code ?? ''],
  })
}

const elsewhere = 'use a place you may write to: --store DIR'
const noFolder = 'something in its path is no folder: use another place with --store DIR'
const hints: Readonly<Record<string, string>> = {
  EACCES: elsewhere,
  EPERM: elsewhere,
  EROFS: elsewhere,
  ENOTDIR: noFolder,
  EEXIST: noFolder,
}
