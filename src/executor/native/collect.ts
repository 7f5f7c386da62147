import { treePath } from '../../archive/path.ts'
import { readTar, type TarMember } from '../../archive/tar-read.ts'
import type { Content, Entry, Metadata } from '../../entry.ts'
import type { Store } from '../../ports.ts'
import type { Found } from './changes.ts'
import { isOverlayMark, tarError } from './extract.ts'
import type { Holder } from './holder.ts'

/** Larger contents go into the store. */
const keptInMemory = 64 * 1024

const archive = "the workspace's changes"

/** What was found and what the overlay marks as removed. */
export interface Collected {
  readonly found: Map<string, Found>
  readonly removed: Set<string>
}

/**
 * Reads a directory of the workspace through GNU tar, run inside so that owners and file capabilities are
 * those a layer holds (capabilities(7): version 2, not the namespaced version 3). `paths` limits it to
 * those, taken alone. Sockets are left out, as no archive can hold them.
 */
export async function collect(
  holder: Holder,
  directory: string,
  { store, paths }: { readonly store: Store; readonly paths?: readonly string[] | undefined },
): Promise<Collected> {
  const found = new Map<string, Found>()
  const removed = new Set<string>()
  const result = await holder.tool(
    [holder.tools.tar, ...createOptions, ...(paths ? listedOptions : ['.'])],
    directory,
    {
      ...(paths && { input: [Buffer.from(paths.map((path) => `./${path}\0`).join(''))] }),
      output: (chunks) => readFound(chunks, { found, removed }, store),
    },
  )
  if (result.code !== 0) throw tarError('read the changes', result)
  return { found, removed }
}

/** Adds the members of a tar to what was found; character devices 0/0 are what an overlay has removed. */
export async function readFound(
  chunks: AsyncIterable<Buffer>,
  { found, removed }: Collected,
  store: Store,
): Promise<void> {
  for await (const member of readTar(chunks, archive)) {
    const path = treePath(member.name, archive)
    if (path === '') continue
    if (member.type === 'character' && member.major === 0 && member.minor === 0) removed.add(path)
    else found.set(path, await foundOf(path, member, store))
  }
}

const createOptions = [
  '--create',
  '--file=-',
  '--format=posix',
  '--numeric-owner',
  '--xattrs',
  '--xattrs-include=*',
  '--sort=name',
  '--warning=no-file-ignored',
]

const listedOptions = ['--no-recursion', '--null', '--verbatim-files-from', '--files-from=-']

async function foundOf(path: string, member: TarMember, store: Store): Promise<Found> {
  const { mode, uid, gid, mtime } = member
  const xattrs = new Map<string, Uint8Array>()
  let opaque = false
  for (const [name, value] of member.xattrs ?? []) {
    if (isOverlayMark(name)) {
      if (name.endsWith('.opaque') && Buffer.from(value).toString('latin1') === 'y') opaque = true
    } else if (name !== 'security.selinux') {
      xattrs.set(name, value)
    }
  }
  const metadata: Metadata = { path, mode, uid, gid, mtime, ...(xattrs.size > 0 && { xattrs }) }
  return { entry: await entryOf(metadata, member, store), opaque }
}

async function entryOf(metadata: Metadata, member: TarMember, store: Store): Promise<Entry> {
  if (member.type !== 'file') return bodiless(metadata, member.type, member)
  const content = await contentOf(member, store)
  return { ...metadata, type: 'file', size: member.size, content }
}

function bodiless(
  metadata: Metadata,
  type: Exclude<TarMember['type'], 'file'>,
  { linkname, major, minor }: TarMember,
): Entry {
  switch (type) {
    case 'directory':
    case 'fifo':
      return { ...metadata, type }
    case 'symlink':
      return { ...metadata, type, target: linkname }
    case 'hardlink':
      return { ...metadata, type, target: treePath(linkname, archive) }
    case 'character':
    case 'block':
      return { ...metadata, type, major, minor }
  }
}

async function contentOf(member: TarMember, store: Store): Promise<Content> {
  if (member.size > keptInMemory) {
    return { kind: 'blob', digest: (await store.put(member.body())).digest, offset: 0 }
  }
  const parts: Buffer[] = []
  for await (const part of member.body()) parts.push(part)
  return { kind: 'bytes', bytes: Buffer.concat(parts) }
}
