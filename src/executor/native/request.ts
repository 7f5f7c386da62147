import { closeSync, openSync, writeSync } from 'node:fs'
import { storeFailure } from '../../store/failure.ts'

/** The file through which a shell is given words. */
export interface Requests {
  /** Replaces what is in it by a command that sets the shell's arguments. Throws `DISK_FULL` or `IO`. */
  write(words: readonly string[]): void
  close(): void
}

/** It never shrinks: a disk that others have filled has room for what is as large as this. */
const reserved = 16 * 1024

/** Opens the file, which is there. */
export function openRequests(path: string): Requests {
  const file = openSync(path, 'r+')
  let size = 0
  const put = (bytes: Buffer): void => {
    // blank lines over what the last one left
    const padded = Buffer.alloc(Math.max(size, bytes.length), '\n')
    bytes.copy(padded)
    try {
      for (let done = 0; done < padded.length;)
        done += writeSync(file, padded, done, padded.length - done, done)
    } catch (error) {
      throw storeFailure(error, 'tell the workspace what to do')
    }
    size = padded.length
  }
  put(Buffer.alloc(reserved, '\n'))
  return {
    write: (words) => put(Buffer.from(`set -- ${words.map(quoted).join(' ')}\n`)),
    close: () => closeSync(file),
  }
}

/** A word as a shell takes it literally: within single quotes nothing means anything but their end (POSIX, 2.2.2). */
function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`
}
