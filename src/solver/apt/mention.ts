import type { PackagesIndex } from '../../deb/packages.ts'
import type { RankOrder } from './alternatives.ts'
import type { Package } from './cache.ts'
import { everyMention, firstMention, rankOf } from './mention-search.ts'
import type { Universe } from './universe.ts'

/** So many searches cost as much as reading every relation of an index. */
const fewSearches = 24

/**
 * Orders packages as apt numbers them: by the first stanza that speaks of them, as its own package or
 * in a relation, in the order of the indexes. apt falls back on these numbers where nothing else
 * tells two packages apart. Each first mention is searched for when it is needed, then remembered;
 * when many are needed, all are found at once.
 */
export function mentionOrder(universe: Universe): RankOrder {
  const known = new Map<Package, Mention>()
  const tables = new Map<PackagesIndex, ReadonlyMap<string, number>>()

  function findInIndex(packages: PackagesIndex, pkg: Package): number | undefined {
    const speaking =
      universe.foreign.length === 0 ? undefined : (text: string) => speaksOf(universe, text, pkg)
    if (speaking === undefined && known.size >= fewSearches) {
      const table = tables.get(packages) ?? everyMention(packages)
      tables.set(packages, table)
      return table.get(pkg.name)
    }
    const own = packages
      .find(pkg.name)
      .find((number) => isOf(universe, packages.record(number).architecture, pkg))
    const end = own === undefined ? packages.bytes.length : packages.offset(own)
    return (
      firstMention(packages.bytes, pkg.name, end, speaking) ??
      (own === undefined ? undefined : rankOf({ stanza: end, field: 0, at: end }))
    )
  }

  function mentionOf(pkg: Package): Mention {
    let mention = known.get(pkg)
    if (mention === undefined) {
      mention = { index: universe.indexes.length, rank: 0 }
      for (const [index, { packages }] of universe.indexes.entries()) {
        const rank = findInIndex(packages, pkg)
        if (rank === undefined) continue
        mention = { index, rank }
        break
      }
      known.set(pkg, mention)
    }
    return mention
  }

  return (a, b) => {
    if (a === b) return 0
    const [left, right] = [mentionOf(a), mentionOf(b)]
    return left.index - right.index || left.rank - right.rank
  }
}

/** The first index that speaks of a package, and where in it. */
interface Mention {
  readonly index: number
  readonly rank: number
}

/** A bare name means the architecture of the stanza it is in. */
function speaksOf(universe: Universe, stanza: string, pkg: Package): boolean {
  return isOf(universe, /^Architecture:\s*(\S+)/m.exec(stanza)?.[1] ?? '', pkg)
}

function isOf(universe: Universe, architecture: string, pkg: Package): boolean {
  return (architecture === 'all' ? universe.architecture : architecture) === pkg.architecture
}
