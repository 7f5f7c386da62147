import type { Digest } from '../digest.ts'
import type { Change } from '../entry.ts'

/** The blobs that hold the contents of `entries`. */
export function contentDigests(entries: Iterable<Change>): Set<Digest> {
  const digests = new Set<Digest>()
  for (const entry of entries) {
    if (entry.type === 'file' && entry.content.kind === 'blob') digests.add(entry.content.digest)
  }
  return digests
}
