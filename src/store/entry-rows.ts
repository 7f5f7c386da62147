import type { Digest } from '../digest.ts'
import type { Change, Entry } from '../entry.ts'

/** Entries, or what a layer changes, in a record, as short rows: a package has thousands. */
export interface EntryRows {
  readonly rows: readonly Row[]
  /** base64 values by attribute by row */
  readonly xattrs: Readonly<Record<number, Readonly<Record<string, string>>>>
}

type Row =
  | readonly [
      type: Entry['type'],
      path: string,
      mode: number,
      uid: number,
      gid: number,
      mtime: number,
      /** of a device: its numbers */
      size?: number,
      offset?: number,
      link?: string,
    ]
  | readonly [type: 'whiteout', path: string]

/** The rows of entries whose contents are slices of one blob. */
export function toRows(entries: readonly Change[]): EntryRows {
  const xattrs: Record<number, Record<string, string>> = {}
  const rows = entries.map((e, index): Row => {
    if (e.type === 'whiteout') return [e.type, e.path]
    if (e.xattrs) {
      xattrs[index] = Object.fromEntries(
        [...e.xattrs].map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
      )
    }
    const row = [e.type, e.path, e.mode, e.uid, e.gid, e.mtime] as const
    if (e.type === 'file' && e.content.kind === 'blob') return [...row, e.size, e.content.offset]
    if (e.type === 'symlink' || e.type === 'hardlink') return [...row, 0, 0, e.target]
    if (e.type === 'character' || e.type === 'block') return [...row, e.major, e.minor]
    return row
  })
  return { rows, xattrs }
}

/** The entries again, over the blob `data`: what was put in as entries. */
export function fromRows(rows: EntryRows, data: Digest): Entry[] {
  return changesFromRows(rows, data).filter((change) => change.type !== 'whiteout')
}

/** What a layer changes again, over the blob `data`. */
export function changesFromRows({ rows, xattrs }: EntryRows, data: Digest): Change[] {
  return rows.map((row, index): Change => {
    if (row[0] === 'whiteout') return { type: 'whiteout', path: row[1] }
    const [type, path, mode, uid, gid, mtime, size, offset, link] = row
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
        return { ...metadata, type, major: size!, minor: offset! }
    }
  })
}
