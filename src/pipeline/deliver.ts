import type { Digest } from '../digest.ts'
import type { Image } from '../image.ts'
import type { Output, OutputDeps, Written } from '../ports.ts'
import { putImage } from '../store/images.ts'

/**
 * Keeps an image in the store under its names and hands it to those outputs that have not `written` it yet,
 * which grows with each. Returns the manifest's digest. Throws what the store and the outputs do.
 */
export async function deliver(
  image: Image,
  outputs: readonly Output[],
  written: Written[],
  { store, names, emit, signal }: OutputDeps,
): Promise<Digest> {
  const { digest } = await putImage(image, names, { store, signal })
  for (const output of outputs.slice(written.length)) {
    signal.throwIfAborted()
    written.push(await output.write(image, { store, names, emit, signal }))
  }
  return digest
}
