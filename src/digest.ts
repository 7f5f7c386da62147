import { createHash } from 'node:crypto'
import { PlinthError } from './errors.ts'

/** `sha256:` and 64 lower-case hex digits; only `parseDigest` and `sha256` make one. */
export type Digest = string & { readonly __brand: 'Digest' }

/** Parses `sha256:<hex>`. Throws `DIGEST_MISMATCH` for anything else (OCI image-spec, descriptor.md). */
export function parseDigest(text: string): Digest {
  if (!/^sha256:[0-9a-f]{64}$/.test(text)) {
    throw new PlinthError(
      'DIGEST_MISMATCH',
      `'${text}' is not a digest: expected sha256:<64 hex digits>`,
    )
  }
  return text as Digest
}

/** The digest of bytes in memory. */
export function sha256(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest
}

/** The hex part of a digest, as blob paths use it. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length)
}
