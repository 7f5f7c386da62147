/**
 * Directories in the order apk goes through them when it looks for triggers: that of its hash table of 20,000
 * buckets, in each the one that came last first. `directories` are without a slash at their ends, the root
 * empty, in the order apk came to know them.
 */
export function inHashOrder(directories: Iterable<string>): string[] {
  const placed = [...directories].map((path, number) => ({
    path,
    number,
    bucket: murmur3(Buffer.from(path), seed) % buckets,
  }))
  return placed
    .toSorted((a, b) => a.bucket - b.bucket || b.number - a.number)
    .map(({ path }) => path)
}

const buckets = 20_000
const seed = 5381

/** MurmurHash3, x86, 32 bits. */
function murmur3(bytes: Buffer, start: number): number {
  let hash = start
  const whole = bytes.length & ~3
  for (let at = 0; at < whole; at += 4) {
    hash ^= mix(bytes.readUInt32LE(at))
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  let rest = 0
  for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8) | bytes[at]!
  if (bytes.length > whole) hash ^= mix(rest)
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mix(word: number): number {
  const spread = Math.imul(word, 0xcc9e2d51)
  return Math.imul((spread << 15) | (spread >>> 17), 0x1b873593)
}
