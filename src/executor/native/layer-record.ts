import { readFile } from 'node:fs/promises'
import type { Known, LayerIndex } from './layer-stack.ts'

/** A size, a target or a device's numbers. */
type Detail = number | string | readonly [number, number] | null

/** One path of a kept layer. */
type Row = readonly [
  type: Known['type'],
  path: string,
  mode: number,
  uid: number,
  gid: number,
  mtime: number,
  detail: Detail,
  xattrs?: Readonly<Record<string, string>>,
]

interface LayerRecord {
  readonly rows: readonly Row[]
  readonly whiteouts: readonly string[]
  readonly opaque: readonly string[]
}

/** The text that is kept beside an extracted layer. */
export function writeIndex({ entries, whiteouts, opaque }: LayerIndex): string {
  const rows = [...entries.values()].map((entry): Row => {
    const head = [
      entry.type,
      entry.path,
      entry.mode,
      entry.uid,
      entry.gid,
      entry.mtime,
      detailOf(entry),
    ] as const
    if (entry.xattrs === undefined) return head
    const xattrs = [...entry.xattrs].map(([name, value]): [string, string] => [
      name,
      Buffer.from(value).toString('base64'),
    ])
    return [...head, Object.fromEntries(xattrs)]
  })
  const record: LayerRecord = { rows, whiteouts: [...whiteouts], opaque: [...opaque] }
  return JSON.stringify(record)
}

/** Reads it again. */
export async function readIndex(file: string): Promise<LayerIndex> {
  const { rows, whiteouts, opaque } = JSON.parse(await readFile(file, 'utf8')) as LayerRecord
  const entries = new Map(rows.map((row) => [row[1], knownOf(row)]))
  return { entries, whiteouts: new Set(whiteouts), opaque: new Set(opaque) }
}

function detailOf(entry: Known): Detail {
  switch (entry.type) {
    case 'file':
      return entry.size
    case 'symlink':
    case 'hardlink':
      return entry.target
    case 'character':
    case 'block':
      return [entry.major, entry.minor]
    case 'directory':
    case 'fifo':
      return null
  }
}

function knownOf([type, path, mode, uid, gid, mtime, detail, attributes]: Row): Known {
  const xattrs =
    attributes &&
    new Map(Object.entries(attributes).map(([name, value]) => [name, Buffer.from(value, 'base64')]))
  const metadata = { path, mode, uid, gid, mtime, ...(xattrs && { xattrs }) }
  switch (type) {
    case 'file':
      return { ...metadata, type, size: detail as number }
    case 'symlink':
    case 'hardlink':
      return { ...metadata, type, target: detail as string }
    case 'character':
    case 'block': {
      const [major, minor] = detail as readonly [number, number]
      return { ...metadata, type, major, minor }
    }
    case 'directory':
    case 'fifo':
      return { ...metadata, type }
  }
}
