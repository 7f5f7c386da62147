import { Decompress } from 'fzstd'

/** Decompresses zstd frames (RFC 8878) in JavaScript, for Node versions whose zlib has none. */
export async function* unzstd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = []
  let ended = false
  const decoder = new Decompress((chunk, final) => {
    if (chunk.length > 0) ready.push(chunk)
    ended ||= final === true
  })
  for await (const chunk of chunks) {
    decoder.push(chunk)
    yield* ready.splice(0)
  }
  decoder.push(new Uint8Array(0), true)
  yield* ready.splice(0)
  if (!ended) throw new Error('the zstd frame is not complete')
}
