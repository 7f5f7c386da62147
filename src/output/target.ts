import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { PlinthError } from '../errors.ts'
import { writeFileAtomically } from './atomic.ts'
import { outputFailure, throwIfAborted, unfinished } from './failure.ts'

/** Where a file output goes: a path, or a stream such as standard output, which is left open. */
export type OutputTarget = string | Writable

/** Writes `chunks` to a path atomically, or to a stream as they come. Returns the bytes written. */
export async function writeTarget(
  target: OutputTarget,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  if (typeof target === 'string') return writeFileAtomically(target, chunks, signal)
  let size = 0
  const measured = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      throwIfAborted(signal)
      size += chunk.length
      yield chunk
    }
  }
  try {
    await pipeline(measured, target, { end: false, signal })
  } catch (error) {
    throwIfAborted(signal)
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') {
      throw new PlinthError('IO', 'cannot write to standard output: the reader is gone', {
        cause: error,
      })
    }
    const nothing = size === 0 && !target.destroyed
    throw outputFailure(nothing ? error : unfinished(error, 'standard output'), 'standard output')
  }
  return size
}
