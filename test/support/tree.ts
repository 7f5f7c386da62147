import { readFileSync } from 'node:fs'
import type { Change, Entry } from '../../src/entry.ts'

/** Files of a tree to build: text, bytes, or something with metadata. A path that ends with `/` is a directory. */
export type TreeFile = string | Uint8Array | TreeNode

interface TreeNode {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly mtime?: number
  readonly xattrs?: ReadonlyMap<string, Uint8Array>
  readonly content?: string | Uint8Array
  readonly symlink?: string
  readonly hardlink?: string
  readonly fifo?: true
}

/** Entries as an assembled tree has them: sorted, parents first, parents that are not named added. */
export function tree(files: Readonly<Record<string, TreeFile>>): Entry[] {
  const entries = new Map<string, Entry>()
  for (const [name, file] of Object.entries(files)) {
    const path = name.replace(/\/$/, '')
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash)
      if (!entries.has(parent)) entries.set(parent, makeEntry(parent, true, {}))
    }
    entries.set(path, makeEntry(path, name.endsWith('/'), file))
  }
  return [...entries.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

function makeEntry(path: string, directory: boolean, file: TreeFile): Entry {
  const node: TreeNode =
    typeof file === 'string' || file instanceof Uint8Array ? { content: file } : file
  const metadata = {
    path,
    mode: node.mode ?? (directory ? 0o755 : 0o644),
    uid: node.uid ?? 0,
    gid: node.gid ?? 0,
    mtime: node.mtime ?? 1_700_000_000,
    xattrs: node.xattrs,
  }
  if (directory) return { ...metadata, type: 'directory' }
  if (node.symlink !== undefined) {
    return { ...metadata, mode: 0o777, type: 'symlink', target: node.symlink }
  }
  if (node.hardlink !== undefined) return { ...metadata, type: 'hardlink', target: node.hardlink }
  if (node.fifo) return { ...metadata, type: 'fifo' }
  const bytes = Buffer.from((node.content ?? '') as string)
  return { ...metadata, type: 'file', size: bytes.length, content: { kind: 'bytes', bytes } }
}

const applets =
  'cat chmod chown cp dd env hostname id ln ls mkdir mkfifo mknod mv nc pwd rm rmdir sh sleep stat test touch true umask wc whoami'

/** A tree that can run things: a static busybox and its applets, a few users, and `files`. */
export function busyboxTree(files: Readonly<Record<string, TreeFile>> = {}): Entry[] {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].map(readIfThere).find(Boolean)
  if (busybox === undefined) throw new Error('busybox is not here')
  const links = Object.fromEntries(
    applets.split(' ').map((name) => [`bin/${name}`, { symlink: 'busybox' }]),
  )
  return tree({
    'bin/busybox': { content: busybox, mode: 0o755 },
    ...links,
    'etc/passwd': 'root:x:0:0::/root:/bin/sh\nwww:x:33:33::/:/bin/sh\n',
    'etc/shadow': { content: 'root:*\n', mode: 0o640, gid: 42 },
    'tmp/': { mode: 0o1777 },
    ...files,
  })
}

function readIfThere(file: string): Uint8Array | undefined {
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}

/**
 * Changes as a listing: `{ 'etc/motd': 'file 0644 0:0 5' }`. Times are left out where a run made them
 * (later than any fixture's).
 */
export function listing(changes: readonly Change[]): Record<string, string> {
  return Object.fromEntries(changes.map((change) => [change.path, describe(change)]))
}

function describe(change: Change): string {
  if (change.type === 'whiteout') return 'whiteout'
  const mode = change.mode.toString(8).padStart(4, '0')
  const head = `${change.type} ${mode} ${change.uid}:${change.gid}`
  const xattrs = [...(change.xattrs ?? [])]
    .map(([name, value]) => ` ${name}=${Buffer.from(value).toString('hex')}`)
    .join('')
  return head + detail(change) + xattrs
}

function detail(entry: Entry): string {
  if (entry.type === 'file') {
    if (entry.content.kind === 'blob') return ` blob ${entry.size}`
    return ` ${JSON.stringify(Buffer.from(entry.content.bytes).toString())}`
  }
  if (entry.type === 'symlink' || entry.type === 'hardlink') return ` -> ${entry.target}`
  return ''
}
