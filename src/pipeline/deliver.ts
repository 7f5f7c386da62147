import type { Digest } from '../digest.ts'
import type { Image } from '../image.ts'
import type { Emit } from '../events.ts'
import type { Output, Store, Written } from '../ports.ts'
import type { Reference } from '../reference.ts'
import { putImage } from '../store/images.ts'

/** Names the image in the store and hands it to the outputs that have not `written` it yet. */
export async function deliver(
  image: Image,
  request: { readonly names: readonly Reference[]; readonly outputs: readonly Output[] },
  written: Written[],
  deps: { readonly store: Store; readonly emit: Emit; readonly signal: AbortSignal },
): Promise<Digest> {
  const { store, emit, signal } = deps
  const { names } = request
  const { digest } = await putImage(image, names, { store, signal })
  for (const output of request.outputs.slice(written.length)) {
    signal.throwIfAborted()
    written.push(await output.write(image, { store, names, emit, signal }))
  }
  return digest
}
