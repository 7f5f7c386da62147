import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/**
 * What `transform` makes of `chunks`. A failure of either ends the iteration with it, and a reader that
 * stops early closes both. (`Readable.compose` does neither on Node 20: some failures reach nobody but the
 * process.)
 */
export async function* transformed(
  chunks: AsyncIterable<Uint8Array>,
  transform: NodeJS.ReadWriteStream & { destroy(): void },
): AsyncGenerator<Uint8Array> {
  let failure: unknown
  // also the first failure reported: some transforms end their output before they tell
  const fed = pipeline(Readable.from(chunks, { objectMode: false }), transform).catch(
    (error: unknown) => (failure ??= error),
  )
  try {
    for await (const chunk of transform) yield chunk as unknown as Uint8Array
    await fed
    if (failure !== undefined) throw failure
  } finally {
    transform.destroy()
    await fed
  }
}
