import { sha256, type Digest } from '../../digest.ts'
import type { ApkKeys } from '../../apk/signature.ts'

/** of sets of keys: every package asks */
const known = new WeakMap<ApkKeys, Digest>()

/** What tells one set of trusted keys from another. */
export function keysDigest(keys: ApkKeys): Digest {
  const digest = known.get(keys) ?? digestOf(keys)
  known.set(keys, digest)
  return digest
}

function digestOf(keys: ApkKeys): Digest {
  const trusted = [...keys].map(([name, key]) => [
    name,
    sha256(key.export({ type: 'spki', format: 'der' })),
  ])
  return sha256(JSON.stringify(trusted.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1))))
}
