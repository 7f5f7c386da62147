import type { Package } from './cache.ts'
import type { Universe } from './universe.ts'

const buckets = 196_613

/**
 * The order in which apt walks its packages: by the bucket their name falls in, then by name, native
 * architecture first. It settles ties among equal scores.
 */
export function hashOrder(universe: Universe): (a: Package, b: Package) => number {
  const rank = (pkg: Package): number =>
    pkg.architecture === universe.architecture ? -1 : universe.foreign.indexOf(pkg.architecture)
  return (a, b) =>
    bucket(a.name) - bucket(b.name) ||
    (a.name < b.name ? -1 : a.name > b.name ? 1 : rank(a) - rank(b))
}

/** Times 33, plus the next character, in 32 bits. */
function bucket(name: string): number {
  let hash = 5381
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 33) + name.charCodeAt(i)) >>> 0
  return hash % buckets
}
