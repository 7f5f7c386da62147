import type { BlobWriter } from '../ports.ts'

/** Passes chunks on, writing each to `blob` first. */
export async function* through(
  chunks: AsyncIterable<Uint8Array>,
  blob: BlobWriter,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await blob.write(chunk)
    yield chunk
  }
}
