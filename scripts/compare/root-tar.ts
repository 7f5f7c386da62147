import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { treePath } from '../../src/archive/path.ts'
import { readTar, type TarMember } from '../../src/archive/tar-read.ts'
import { sha256, type Digest } from '../../src/digest.ts'
import type { Entry } from '../../src/entry.ts'
import type { Tree } from '../../src/rootfs/tree.ts'

/** A root filesystem read from a tar archive. The content of a file is told by its digest. */
export interface RootTar {
  readonly tree: Tree
  /** content of files below these directories, by digest */
  readonly texts: ReadonlyMap<Digest, Buffer>
}

/** Where files that are read, not only compared, are. */
const readable = /^(etc|var)\//
const maxReadable = 64 * 1024 * 1024

/**
 * Reads a tar archive of a root filesystem, names with or without `./`; the root itself is left out.
 * Of hard links to one file, the first by name is the file and the others are links to it, whatever order
 * the archive has them in.
 */
export async function readRootTar(file: string): Promise<RootTar> {
  const tree = new Map<string, Entry>()
  const texts = new Map<Digest, Buffer>()
  for await (const member of readTar(createReadStream(file, { highWaterMark: 1 << 20 }), file)) {
    const path = treePath(member.name, file)
    if (path === '') continue
    tree.set(path, await toEntry(path, member, texts, file))
  }
  return { tree: withFirstNameAsFile(tree), texts }
}

async function toEntry(
  path: string,
  member: TarMember,
  texts: Map<Digest, Buffer>,
  file: string,
): Promise<Entry> {
  const { mode, uid, gid, mtime, xattrs } = member
  const metadata = { path, mode, uid, gid, mtime, xattrs }
  switch (member.type) {
    case 'file': {
      const hash = createHash('sha256')
      const kept: Buffer[] = []
      for await (const chunk of member.body()) {
        hash.update(chunk)
        if (readable.test(path) && member.size <= maxReadable) kept.push(Buffer.from(chunk))
      }
      const digest = `sha256:${hash.digest('hex')}` as Digest
      if (kept.length > 0) texts.set(digest, Buffer.concat(kept))
      return {
        ...metadata,
        type: 'file',
        size: member.size,
        content: { kind: 'blob', digest, offset: 0 },
      }
    }
    case 'hardlink':
      return { ...metadata, type: 'hardlink', target: treePath(member.linkname, file) }
    case 'symlink':
      return { ...metadata, type: 'symlink', target: member.linkname }
    case 'character':
    case 'block':
      return { ...metadata, type: member.type, major: member.major, minor: member.minor }
    case 'directory':
    case 'fifo':
      return { ...metadata, type: member.type }
  }
}

function withFirstNameAsFile(tree: Map<string, Entry>): Tree {
  const groups = new Map<string, string[]>()
  for (const entry of tree.values()) {
    if (entry.type !== 'hardlink') continue
    groups.set(entry.target, [...(groups.get(entry.target) ?? [entry.target]), entry.path])
  }
  for (const [target, names] of groups) {
    const [first, ...others] = names.toSorted()
    const file = tree.get(target)!
    tree.set(first!, { ...file, path: first! })
    for (const path of others) {
      tree.set(path, { ...file, path, type: 'hardlink', target: first! })
    }
  }
  return tree
}

/** The digest of a file's content. */
export function contentDigest(entry: Entry): Digest | undefined {
  if (entry.type !== 'file') return undefined
  return entry.content.kind === 'blob' ? entry.content.digest : sha256(entry.content.bytes)
}
