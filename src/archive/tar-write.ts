import type { Content, Entry } from '../entry.ts'
import { PlinthError } from '../errors.ts'
import { encodePax } from './pax.ts'
import { blockSize, encodeHeader, ustarLimits } from './tar-header.ts'

/** Gives the bytes of a file entry: all at once when small, else in pieces. */
export type OpenContent = (
  content: Content,
  size: number,
) => Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * Fills `target` with the bytes of a content from `offset` on, at once: one copy less than handing them out.
 * False when it cannot yet: then it is opened.
 */
export type FillContent = (content: Content, offset: number, target: Uint8Array) => boolean

/** Two zero blocks end an archive. */
export const tarEnd: Uint8Array = new Uint8Array(2 * blockSize)

const typeflags = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
} as const

/**
 * The header blocks of one entry: plain ustar, with a PAX header before it only for what ustar cannot say
 * (long or non-ASCII names, large ids and sizes, negative times, xattrs). The same entry always gives the
 * same bytes: owners are numbers only, times whole seconds, records in a fixed order.
 */
export function encodeEntry(entry: Entry): Buffer {
  const name = entry.type === 'directory' ? `${entry.path}/` : entry.path
  const link = entry.type === 'symlink' || entry.type === 'hardlink' ? entry.target : ''
  const size = entry.type === 'file' ? entry.size : 0
  const device =
    entry.type === 'character' || entry.type === 'block' ? entry : { major: 0, minor: 0 }
  const records: [string, Uint8Array | string][] = []
  let { name: short, prefix } = splitName(name)
  if (short === undefined) {
    records.push(['path', name])
    short = asciiTail(name, ustarLimits.name)
    prefix = ''
  }
  const linkFits = isAscii(link) && link.length <= ustarLimits.link
  if (!linkFits) records.push(['linkpath', link])
  if (size > ustarLimits.size) records.push(['size', String(size)])
  if (entry.uid > ustarLimits.id) records.push(['uid', String(entry.uid)])
  if (entry.gid > ustarLimits.id) records.push(['gid', String(entry.gid)])
  const timeFits = entry.mtime >= 0 && entry.mtime <= ustarLimits.size
  if (!timeFits) records.push(['mtime', String(entry.mtime)])
  for (const key of [...(entry.xattrs?.keys() ?? [])].toSorted()) {
    records.push([`SCHILY.xattr.${encodeXattrName(key)}`, entry.xattrs!.get(key)!])
  }
  const header = encodeHeader({
    name: short,
    prefix: prefix ?? '',
    mode: entry.mode,
    uid: entry.uid > ustarLimits.id ? 0 : entry.uid,
    gid: entry.gid > ustarLimits.id ? 0 : entry.gid,
    size: size > ustarLimits.size ? 0 : size,
    mtime: timeFits ? entry.mtime : 0,
    type: typeflags[entry.type],
    linkname: linkFits ? link : asciiTail(link, ustarLimits.link),
    major: device.major,
    minor: device.minor,
  })
  if (records.length === 0) return header
  const body = encodePax(records)
  const extended = encodeHeader({
    name: asciiTail(`PaxHeaders/${name.replace(/\/$/, '')}`, ustarLimits.name),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: 0,
    type: 'x',
    linkname: '',
    major: 0,
    minor: 0,
  })
  return Buffer.concat([extended, body, Buffer.alloc(tarPadding(body.length)), header])
}

/** As GNU tar does: the first `=` of a record ends its name. */
function encodeXattrName(name: string): string {
  return name.replace(/[%=]/g, (c) => (c === '%' ? '%25' : '%3D'))
}

/** How many zero bytes follow a body of `size` bytes. */
export function tarPadding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize
}

/** Where the output is cut into chunks. */
export interface ChunkRule {
  /** no chunk is larger than this many bytes */
  readonly max: number
  /** Whether to cut after `entry`, with `pending` bytes gathered since the last cut. */
  after(entry: Entry, pending: number): boolean
}

const plainChunks: ChunkRule = { max: 1024 * 1024, after: () => false }

/**
 * A tar archive of entries, in the order given (POSIX ustar with PAX where needed), as chunks cut by
 * `chunks`: the cuts depend on the entries alone, never on how `open` hands out its pieces. `open` must
 * give exactly `size` bytes; anything else is `SIZE_MISMATCH`.
 */
export async function* writeTar(
  entries: Iterable<Entry> | AsyncIterable<Entry>,
  deps: {
    readonly open: OpenContent
    readonly fill?: FillContent | undefined
    readonly chunks?: ChunkRule | undefined
    /** told where in the archive each file's bytes begin */
    readonly onBody?: ((entry: Entry, offset: number) => void) | undefined
  },
): AsyncGenerator<Buffer> {
  const rule = deps.chunks ?? plainChunks
  const gather = new Gather(rule.max)
  // thousands of small entries make one chunk: nothing is awaited for one that is at hand
  for await (const entry of entries) {
    for (const chunk of gather.add(encodeEntry(entry))) yield chunk
    if (entry.type === 'file' && entry.size > 0) {
      const { content, size } = entry
      deps.onBody?.(entry, gather.total)
      let written = 0
      while (deps.fill && written < size) {
        const [buffer, at, length] = gather.room(size - written)
        if (!deps.fill(content, written, buffer.subarray(at, at + length))) break
        written += length
        for (const chunk of gather.took(length)) yield chunk
      }
      if (written < size) {
        const body = deps.open(content, size)
        const filled = written
        written = 0
        for await (const piece of body instanceof Uint8Array ? [body] : body) {
          const start = written
          written += piece.length
          if (written > size) break
          if (written <= filled) continue
          const more = start < filled ? piece.subarray(filled - start) : piece
          for (const chunk of gather.add(more)) yield chunk
        }
      }
      if (written !== size) {
        throw new PlinthError(
          'SIZE_MISMATCH',
          `cannot write '${entry.path}': expected ${size} bytes, got ${written}`,
        )
      }
      const padding = tarPadding(size)
      if (padding > 0) for (const chunk of gather.add(zeros[padding]!)) yield chunk
    }
    if (rule.after(entry, gather.length)) for (const chunk of gather.flush()) yield chunk
  }
  for (const chunk of [...gather.add(tarEnd), ...gather.flush()]) yield chunk
}

/** So many zeros, by their number. */
const zeros = Array.from({ length: blockSize }, (_, length) => new Uint8Array(length))

const nothing: readonly Buffer[] = []

/** Room for what most chunks hold. */
const usualChunk = 1.25 * 1024 * 1024

/** Gathers bytes into chunks of at most `max`, and gives those that are full: each in a buffer of its own. */
class Gather {
  /** bytes since the last cut, and of all */
  length = 0
  total = 0
  #buffer: Buffer
  readonly #max: number

  constructor(max: number) {
    this.#max = max
    this.#buffer = nextBuffer(max)
  }

  add(bytes: Uint8Array): readonly Buffer[] {
    const full: Buffer[] = []
    let rest = bytes
    while (rest.length > 0) {
      const [buffer, at, length] = this.room(rest.length)
      buffer.set(length === rest.length ? rest : rest.subarray(0, length), at)
      const [chunk] = this.took(length)
      if (chunk !== undefined) full.push(chunk)
      rest = rest.subarray(length)
    }
    return full
  }

  /** Where the next bytes go, at most `wanted` of them: to be filled and then counted with `took`. */
  room(wanted: number): readonly [buffer: Buffer, at: number, length: number] {
    const length = Math.min(wanted, this.#max - this.length)
    const needed = this.length + length
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#max, Math.max(needed, 2 * usualChunk)))
      this.#buffer.copy(larger, 0, 0, this.length)
      this.#buffer = larger
    }
    return [this.#buffer, this.length, length]
  }

  took(length: number): readonly Buffer[] {
    this.length += length
    this.total += length
    return this.length === this.#max ? this.flush() : nothing
  }

  flush(): readonly Buffer[] {
    if (this.length === 0) return nothing
    const chunk = this.#buffer.subarray(0, this.length)
    this.#buffer = nextBuffer(this.#max)
    this.length = 0
    return [chunk]
  }
}

function nextBuffer(max: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.min(max, usualChunk))
}

/** The split of a name into ustar's prefix and name; `name` undefined when it needs a PAX record. */
function splitName(full: string): { readonly name: string | undefined; readonly prefix: string } {
  if (!isAscii(full)) return { name: undefined, prefix: '' }
  if (full.length <= ustarLimits.name) return { name: full, prefix: '' }
  // the name part must not be empty: a directory's trailing slash stays with its last component
  for (
    let slash = full.indexOf('/', Math.max(1, full.length - 1 - ustarLimits.name));
    slash > 0;
    slash = full.indexOf('/', slash + 1)
  ) {
    if (slash > ustarLimits.prefix || slash === full.length - 1) break
    return { name: full.slice(slash + 1), prefix: full.slice(0, slash) }
  }
  return { name: undefined, prefix: '' }
}

/** What stands in a header whose real name is in a PAX record: only readers without PAX ever see it. */
function asciiTail(text: string, length: number): string {
  // oxlint-disable-next-line no-control-regex -- everything outside printable ASCII is replaced
  return text.replace(/[^\x20-\x7e]/g, '_').slice(-length)
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- the whole ASCII range is meant
  return /^[\x00-\x7f]*$/.test(text)
}
