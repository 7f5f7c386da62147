import { createHash } from 'node:crypto'

/** A SHA-1 as apk writes it: `Q1` and base64 (apk-package(5)). */
export function q1(sha1: Uint8Array): string {
  return `Q1${Buffer.from(sha1).toString('base64')}`
}

/**
 * What apk's database says of extended attributes: SHA-1 over name and value of each in the order of their
 * names, before each its length in 32 bits, big endian. Undefined when there are none.
 */
export function xattrChecksum(
  xattrs: ReadonlyMap<string, Uint8Array> | undefined,
): string | undefined {
  if (xattrs === undefined || xattrs.size === 0) return undefined
  const sha1 = createHash('sha1')
  for (const name of [...xattrs.keys()].toSorted()) {
    for (const bytes of [Buffer.from(name), xattrs.get(name)!]) {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      sha1.update(length).update(bytes)
    }
  }
  return q1(sha1.digest())
}
