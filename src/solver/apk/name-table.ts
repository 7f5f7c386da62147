/** what apk 2.14 opens its table of names with */
const buckets = 20_000
const seed = 5381

/**
 * Names as apk comes by them when it walks its table: who reacts to a name does so in this order. The table
 * is a hash table, the hash MurmurHash3 (x86, 32 bits); both were found by asking the real apk.
 */
export function sortNames<Name extends { readonly text: string }>(names: Iterable<Name>): Name[] {
  return Array.from(names, (name) => ({ name, bucket: hashName(name.text) % buckets }))
    .toSorted((a, b) => a.bucket - b.bucket)
    .map(({ name }) => name)
}

function hashName(text: string): number {
  const bytes = Buffer.from(text)
  const tail = bytes.length % 4
  const whole = bytes.length - tail
  let hash = seed
  for (let at = 0; at < whole; at += 4)
    hash = (Math.imul(rotate(hash ^ mix(bytes.readUInt32LE(at)), 13), 5) + 0xe6546b64) | 0
  if (tail > 0) hash ^= mix(bytes.readUIntLE(whole, tail))
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mix(word: number): number {
  return Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593)
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by))
}
