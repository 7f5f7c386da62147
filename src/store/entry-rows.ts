import type { Digest } from '../digest.ts'
import type { Entry } from '../entry.ts'

/** Entries in a record, as short rows: a package has thousands. */
export interface EntryRows {
  readonly rows: readonly Row[]
  /** base64 values by attribute by row */
  readonly xattrs: Readonly<Record<number, Readonly<Record<string, string>>>>
}

type Row = readonly [
  type: Entry['type'],
  path: string,
  mode: number,
  uid: number,
  gid: number,
  mtime: number,
  size?: number,
  offset?: number,
  link?: string,
]

/** The rows of entries whose contents are slices of one blob. */
export function toRows(entries: readonly Entry[]): EntryRows {
  const xattrs: Record<number, Record<string, string>> = {}
  const rows = entries.map((e, index): Row => {
    if (e.xattrs) {
      xattrs[index] = Object.fromEntries(
        [...e.xattrs].map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
      )
    }
    const row = [e.type, e.path, e.mode, e.uid, e.gid, e.mtime] as const
    if (e.type === 'file' && e.content.kind === 'blob') return [...row, e.size, e.content.offset]
    if (e.type === 'symlink' || e.type === 'hardlink') return [...row, 0, 0, e.target]
    return row
  })
  return { rows, xattrs }
}

/** The entries again, over the blob `data`. */
export function fromRows({ rows, xattrs }: EntryRows, data: Digest): Entry[] {
  return rows.map(([type, path, mode, uid, gid, mtime, size, offset, link], index): Entry => {
    const attributes = xattrs[index]
    const metadata = {
      path,
      mode,
      uid,
      gid,
      mtime,
      xattrs:
        attributes &&
        new Map(
          Object.entries(attributes).map(([key, value]) => [key, Buffer.from(value, 'base64')]),
        ),
    }
    switch (type) {
      case 'file':
        return {
          ...metadata,
          type,
          size: size!,
          content: { kind: 'blob', digest: data, offset: offset! },
        }
      case 'symlink':
      case 'hardlink':
        return { ...metadata, type, target: link! }
      case 'directory':
      case 'fifo':
        return { ...metadata, type }
      case 'character':
      case 'block':
        throw new Error('devices are refused when a package is unpacked')
    }
  })
}
