import { createHash } from 'node:crypto'
import type { Digest } from '../digest.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import type { Store } from '../ports.ts'
import { transfer, type TransferDeps, type TransferItem } from './transfer.ts'

/** A file whose digest is known before it is fetched. */
export interface DownloadItem extends Omit<TransferItem, 'key'> {
  readonly digest: Digest
}

export interface DownloadDeps extends TransferDeps {
  /** told of every byte as it arrives; negative when what arrived has to be fetched again */
  readonly onBytes?: ((count: number) => void) | undefined
}

/**
 * Fetches a file into the store, verifying it while it streams; the partial downloads live in the store too.
 * `DIGEST_MISMATCH` when every address gave something else; network errors as `transfer`; `DISK_FULL`.
 */
export async function download(
  item: DownloadItem,
  deps: DownloadDeps & { readonly store: Store },
): Promise<void> {
  const { store } = deps
  const partials = deps.partials ?? (await store.directory('partial'))
  await downloadVerified(keyed(item), { ...deps, partials }, (bytes) =>
    store.put(bytes, { digest: item.digest, size: item.size }),
  )
}

/** Fetches a file into memory; it has the size and digest of `item` when this returns. */
export async function downloadBytes(item: DownloadItem, deps: DownloadDeps): Promise<Uint8Array> {
  return downloadVerified(keyed(item), deps, async (chunks) => {
    const bytes = Buffer.allocUnsafe(item.size)
    const hash = createHash('sha256')
    let at = 0
    for await (const chunk of chunks) {
      bytes.set(chunk, at)
      hash.update(chunk)
      at += chunk.length
    }
    const digest = `sha256:${hash.digest('hex')}` as Digest
    if (digest !== item.digest) {
      throw new PlinthError(
        'DIGEST_MISMATCH',
        `cannot use ${item.name}: expected ${item.digest}, got ${digest}`,
        {
          hint: 'the mirror may be just changing or damaged: try again later, or use another mirror',
          facts: { expected: item.digest, actual: digest },
        },
      )
    }
    return bytes
  })
}

function keyed(item: DownloadItem): TransferItem {
  return { ...item, key: item.digest }
}

/**
 * Runs `sink` on the transferred bytes; when it finds them wrong (`DIGEST_MISMATCH`, `ARCHIVE_INVALID`), once
 * more for each address, past caches and without what an earlier run left. Network errors as `transfer`.
 */
export async function downloadVerified<T>(
  item: TransferItem,
  deps: DownloadDeps,
  sink: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  let { urls } = item
  const tries = Math.max(2, urls.length)
  for (let round = 1; ; round++) {
    let count = 0
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      const again = round > 1 && {
        partials: undefined,
        headers: { ...deps.headers, 'cache-control': 'no-cache' },
      }
      for await (const chunk of transfer({ ...item, urls }, { ...deps, ...again })) {
        count += chunk.length
        deps.onBytes?.(chunk.length)
        yield chunk
      }
    }
    try {
      return await sink(counted())
    } catch (error) {
      deps.onBytes?.(-count)
      if (!isPlinthError(error, 'DIGEST_MISMATCH', 'ARCHIVE_INVALID') || round >= tries)
        throw named(error, item)
      urls = [...urls.slice(1), ...urls.slice(0, 1)]
    }
  }
}

/** The store knows bytes, not what they were meant to be. */
function named(error: unknown, item: TransferItem): unknown {
  if (!isPlinthError(error, 'DIGEST_MISMATCH') || error.message.includes(item.name)) return error
  return new PlinthError(
    'DIGEST_MISMATCH',
    `cannot use ${item.name}: it is not what its index says (${error.message})`,
    {
      cause: error,
      hint: 'the mirror may be just changing or damaged: try again later, or use another mirror',
      facts: { expected: item.key, ...error.facts },
    },
  )
}
