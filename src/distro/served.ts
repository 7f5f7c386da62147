import type { Digest } from '../digest.ts'
import { isPlinthError } from '../errors.ts'
import { fetchDocument, type Validators } from '../http/document.ts'
import type { Store } from '../ports.ts'
import type { Reading } from './repository-deps.ts'

/** A signed document as it was served and is kept: a blob of the store, and what the server calls this version. */
export interface Served {
  readonly url: string
  readonly validators: Validators
  readonly document: Digest
}

export interface ServedRequest {
  /** where it is, in the order they are asked */
  readonly urls: readonly string[]
  /** what progress calls it */
  readonly name: string
  /** more bytes than this are refused */
  readonly maxSize: number
  /** the version that is in the store */
  readonly known?: Served | undefined
  /** past every cache on the way */
  readonly fresh?: boolean | undefined
}

/**
 * Fetches a document into the store: `known` itself when a server says that it is current, undefined when none
 * has such a document. Errors as `fetchDocument`.
 */
export async function fetchServed(
  { urls, name, maxSize, known, fresh }: ServedRequest,
  deps: Reading,
): Promise<Served | undefined> {
  const document = await fetchDocument(
    {
      urls,
      maxSize,
      ...(known !== undefined && { known: new Map([[known.url, known.validators]]) }),
      fresh,
    },
    {
      ...deps,
      onRetry: (error) =>
        deps.emit({
          type: 'warning',
          code: error.code,
          message: error.message,
          hint: 'trying again',
        }),
    },
  )
  if (document === undefined || document.unchanged) return document && known
  deps.progress.expect(document.bytes.length)
  deps.progress.add(document.bytes.length, name)
  const { digest } = await deps.store.put([document.bytes])
  return { url: document.url, validators: document.validators, document: digest }
}

/** Whether all of these blobs are in the store and whole; what is damaged is dropped from it. */
export async function areStored(digests: readonly Digest[], store: Store): Promise<boolean> {
  try {
    await Promise.all(digests.map((digest) => store.verified(digest)))
    return true
  } catch (error) {
    // damaged or swept away: as if it had never been fetched
    if (isPlinthError(error, 'STORE_CORRUPT')) return false
    throw error
  }
}
