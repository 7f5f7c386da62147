import { cleanUp } from '../../src/distro/deb/cleanup.ts'
import type { Entry } from '../../src/entry.ts'
import type { Normalisation } from './mmdebstrap-table.ts'
import { contentDigest, type RootTar } from './root-tar.ts'

/** One path that is not the same on both sides. */
export interface TreeDifference {
  readonly path: string
  /** `only mmdebstrap`, `only plinth`, or the properties that differ */
  readonly what: readonly string[]
  /** content on both sides, where it was read and differs */
  readonly contents?: readonly [peer: string, own: string] | undefined
}

export interface TreeComparison {
  readonly paths: number
  readonly differences: readonly TreeDifference[]
}

/** Compares two root filesystems path by path, but for what the table and plinth's clean-up name. */
export function compareTrees(
  peer: RootTar,
  own: RootTar,
  table: readonly Normalisation[],
): TreeComparison {
  const left = cleanUp(peer.tree)
  const right = cleanUp(own.tree)
  const paths = [...new Set([...left.keys(), ...right.keys()])].toSorted()
  const differences: TreeDifference[] = []
  for (const path of paths) {
    const rule = table.find((one) => one.path.test(path) && (one.where?.(peer.tree) ?? true))
    if (rule?.compare === 'nothing') continue
    const asFiles = rule?.compare === 'hard links as files'
    const [a, b] = [left, right].map((tree) => {
      const entry = tree.get(path)
      return asFiles && entry?.type === 'hardlink' ? { ...tree.get(entry.target)!, path } : entry
    })
    if (a === undefined) differences.push({ path, what: ['only plinth'] })
    else if (b === undefined) differences.push({ path, what: ['only mmdebstrap'] })
    else {
      const what = differingProperties(a, b)
      const normal = typeof rule?.compare === 'function' ? rule.compare : undefined
      const contents = differingContents(a, b, peer, own, normal)
      if (contents) what.push('content')
      if (what.length > 0)
        differences.push({ path, what, contents: contents === 'unread' ? undefined : contents })
    }
  }
  return { paths: paths.length, differences }
}

function differingProperties(a: Entry, b: Entry): string[] {
  const what: string[] = []
  const differ = (name: string, left: string, right: string) => {
    if (left !== right) what.push(`${name} ${left} | ${right}`)
  }
  differ('type', a.type, b.type)
  if (a.type !== 'symlink') differ('mode', a.mode.toString(8), b.mode.toString(8))
  differ('owner', `${a.uid}:${a.gid}`, `${b.uid}:${b.gid}`)
  if ('target' in a && 'target' in b) differ('target', a.target, b.target)
  if ('major' in a && 'major' in b)
    differ('device', `${a.major}:${a.minor}`, `${b.major}:${b.minor}`)
  differ('xattrs', xattrs(a), xattrs(b))
  // a directory's says when something in it was last made or removed, by whichever way it was made
  if (a.type !== 'directory') differ('mtime', String(a.mtime), String(b.mtime))
  return what
}

function xattrs(entry: Entry): string {
  return [...(entry.xattrs ?? [])]
    .map(([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`)
    .toSorted()
    .join(' ')
}

function differingContents(
  a: Entry,
  b: Entry,
  peer: RootTar,
  own: RootTar,
  normal: ((text: string) => string) | undefined,
): readonly [string, string] | 'unread' | undefined {
  const [left, right] = [contentDigest(a), contentDigest(b)]
  if (left === undefined || right === undefined || left === right) return undefined
  const texts = [peer.texts.get(left), own.texts.get(right)].map((text) => text?.toString('latin1'))
  const [was, is] = texts.map((text) => (text === undefined || !normal ? text : normal(text)))
  if (was === undefined || is === undefined) return 'unread'
  return was === is ? undefined : [was, is]
}
