import type { ErrorCode } from '../../src/errors.ts'
import { PlinthError } from '../../src/errors.ts'
import type { Random } from './random.ts'

/** Bytes as a stream of chunks of `size`. */
export async function* chunked(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Bytes as a stream of chunks of any size, empty ones among them. */
export async function* scattered(bytes: Uint8Array, dice: Random): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const size = dice.pick([0, 1, 7, 100, 511, 512, 513, 4096])
    yield bytes.subarray(at, at + size)
    at += size
  }
}

export async function gathered(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/** The code of the plinth error that `work` ends with; anything else it throws is thrown on. */
export async function codeOf(
  work: Promise<unknown> | (() => unknown),
): Promise<ErrorCode | undefined> {
  try {
    await (typeof work === 'function' ? work() : work)
    return undefined
  } catch (error) {
    if (error instanceof PlinthError) return error.code
    throw error
  }
}
