import type { Digest } from '../digest.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import type { Emit } from '../events.ts'
import type { Store } from '../ports.ts'
import { damageHint } from '../store/failure.ts'

/**
 * Makes sure that what a package was unpacked to is whole, before it is used: a blob that was damaged in the
 * store is made `again` from the package. Where nothing was damaged this is the verification that the first
 * read would have begun with.
 *
 * Throws what `again` does, and `STORE_CORRUPT` when what comes out is not what was remembered.
 */
export async function ensureUnpacked(
  { data, name, again }: UnpackedData,
  { store, emit }: { readonly store: Store; readonly emit: Emit },
): Promise<void> {
  try {
    await store.verified(data)
  } catch (error) {
    if (!isPlinthError(error, 'STORE_CORRUPT')) throw error
    emit({
      type: 'warning',
      code: 'STORE_CORRUPT',
      message: `what ${name} was unpacked to is damaged in the store: unpacking it again`,
      hint: damageHint,
    })
    await again()
    await store.verified(data).catch((cause: unknown) => {
      if (!isPlinthError(cause, 'STORE_CORRUPT')) throw cause
      throw new PlinthError(
        'STORE_CORRUPT',
        `cannot use ${name}: what it was unpacked to is damaged in the store, and unpacking it again gives something else`,
        { cause, hint: 'run the command again: the package is then unpacked anew' },
      )
    })
  }
}

/** What a package was unpacked to. */
interface UnpackedData {
  readonly data: Digest
  /** of the package, for messages */
  readonly name: string
  /** Unpacks the package into the store once more. */
  readonly again: () => Promise<unknown>
}
