import { PlinthError } from '../errors.ts'
import { ByteReader } from './byte-reader.ts'
import { decodePax } from './pax.ts'
import { blockSize, decodeHeader, ownerNames, type RawHeader } from './tar-header.ts'

/** The types an archive may hold; anything else is refused. */
export type TarType = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo'

/** One member of a tar archive, its long names and PAX records applied. Names are as the archive has them. */
export interface TarMember {
  readonly type: TarType
  readonly name: string
  readonly linkname: string
  /** 0 to 0o7777 */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** whole seconds, sub-second parts truncated */
  readonly mtime: number
  readonly size: number
  readonly major: number
  readonly minor: number
  readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined
  /** names of the owners and the member's own PAX records, where they were asked for */
  readonly details: TarDetails | undefined
  /** where the body begins in the (uncompressed) archive */
  readonly offset: number
  /** The content, readable once and only before the next member is asked for. */
  body(): AsyncGenerator<Buffer>
}

/** What only some formats look at. */
export interface TarDetails {
  /** empty when the archive names none */
  readonly user: string
  readonly group: string
  /** A PAX record of this member, as text. */
  record(key: string): string | undefined
}

const types: Record<string, TarType> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
}

/** Extension records are bounded so that a header cannot make us hold gigabytes. */
const maxExtension = 1024 * 1024
const maxGlobals = 1000

/**
 * Reads a tar archive as it streams by: v7, ustar, GNU (long names, base-256) and PAX (binary-safe
 * xattrs). Sparse files, multi-volume parts and unknown types are `ENTRY_UNSUPPORTED`, broken or cut-off
 * archives `ARCHIVE_INVALID`; both name `archive`. The input is read to its end, also past the tar's own
 * end, so that whoever digests it sees all of it.
 *
 * A tar closes with blocks of zeros. With `end: 'required'` one that just stops is refused; the default takes
 * it, as tar(1) and dpkg do, for where something else vouches for the length. With `details` members carry
 * theirs; who keeps them keeps a part of the input with them.
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  archive: string,
  options: {
    readonly end?: 'required' | 'optional' | undefined
    readonly details?: boolean | undefined
  } = {},
): AsyncGenerator<TarMember> {
  const reader = new ByteReader(chunks, (at) => invalid(archive, `it ends early, at byte ${at}`))
  let longName: string | undefined
  let longLink: string | undefined
  let pax: Map<string, Buffer> | undefined
  const globalPax = new Map<string, Buffer>()
  try {
    for (;;) {
      const at = reader.position
      const block = reader.takeNow(blockSize) ?? (await reader.takeOrEnd(blockSize))
      if (block === undefined && options.end === 'required')
        throw invalid(archive, `it ends at byte ${at} without its closing blocks`)
      if (block === undefined || isZero(block)) {
        if (longName !== undefined || longLink !== undefined || pax !== undefined)
          throw invalid(archive, 'its last header belongs to no member')
        break
      }
      const raw = decodeHeader(block)
      if (!raw) throw invalid(archive, `bad tar header at byte ${at}`)

      if (raw.type === 'L' || raw.type === 'K' || raw.type === 'x' || raw.type === 'g') {
        if (raw.size > maxExtension)
          throw invalid(archive, `extension header of ${raw.size} bytes at byte ${at}`)
        const body = await reader.take(raw.size)
        await reader.skip(padding(raw.size))
        if (raw.type === 'L') longName = cString(body)
        else if (raw.type === 'K') longLink = cString(body)
        else {
          const records = decodePax(body)
          if (!records) throw invalid(archive, `bad PAX records at byte ${at}`)
          if (raw.type === 'x') pax = records
          else {
            for (const [key, value] of records) globalPax.set(key, value)
            if (globalPax.size > maxGlobals)
              throw invalid(archive, `more than ${maxGlobals} global PAX records`)
          }
        }
        continue
      }

      const member = describe(raw, {
        longName,
        longLink,
        pax,
        globalPax,
        archive,
        offset: reader.position,
        details: options.details ? block : undefined,
      })
      longName = longLink = pax = undefined
      const end = member.offset + member.size
      let opened = false
      yield {
        ...member,
        async *body() {
          if (opened || reader.position > member.offset)
            throw new Error('a tar member can be read once, in order')
          opened = true
          while (reader.position < end) yield await reader.some(end - reader.position)
        },
      }
      const missing = reader.skipNow(end - reader.position + padding(member.size))
      if (missing > 0) await reader.skip(missing)
    }
    await reader.drain()
  } finally {
    await reader.close()
  }
}

function padding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}

interface Extensions {
  readonly longName: string | undefined
  readonly longLink: string | undefined
  readonly pax: ReadonlyMap<string, Buffer> | undefined
  readonly globalPax: ReadonlyMap<string, Buffer>
  readonly archive: string
  readonly offset: number
  /** the header block, when its details are wanted */
  readonly details: Buffer | undefined
}

function describe(raw: RawHeader, e: Extensions): Omit<TarMember, 'body'> {
  // an empty record takes back what was said before (POSIX pax)
  const record = (key: string): string | undefined =>
    (e.pax?.get(key) ?? e.globalPax.get(key))?.toString('utf8') || undefined
  const numeric = (key: string, fallback: number): number => {
    const value = record(key)
    if (value === undefined) return fallback
    const parsed = Math.floor(Number(value))
    if (!/^-?[0-9]+(\.[0-9]*)?$/.test(value) || !Number.isSafeInteger(parsed))
      throw invalid(e.archive, `PAX ${key} is '${value}'`)
    return parsed
  }
  const name = record('path') ?? e.longName ?? raw.name
  for (const records of [e.pax, e.globalPax]) {
    for (const key of records?.keys() ?? [])
      if (key.startsWith('GNU.sparse.')) throw unsupported(e.archive, name, 'it is a sparse file')
  }
  let type = types[raw.type]
  if (type === undefined) throw unsupported(e.archive, name, `its tar type is '${raw.type}'`)
  // v7 marked directories by the name alone
  if (type === 'file' && name.endsWith('/')) type = 'directory'
  let xattrs: Map<string, Uint8Array> | undefined
  for (const [key, value] of e.pax ?? []) {
    if (key.startsWith('SCHILY.xattr.'))
      (xattrs ??= new Map()).set(xattrName(key), Buffer.from(value))
  }
  const size = numeric('size', raw.size)
  if (size < 0) throw invalid(e.archive, `'${name}' has a negative size`)
  const uid = numeric('uid', raw.uid)
  const gid = numeric('gid', raw.gid)
  if (uid < 0 || gid < 0) throw invalid(e.archive, `'${name}' has a negative owner`)
  return {
    type,
    name,
    linkname: record('linkpath') ?? e.longLink ?? raw.linkname,
    mode: raw.mode & 0o7777,
    uid,
    gid,
    mtime: numeric('mtime', raw.mtime),
    // only files have a body; some writers repeat the target's size in a hard link's header
    size: type === 'file' ? size : 0,
    major: raw.major,
    minor: raw.minor,
    xattrs,
    details: e.details && {
      user: record('uname') ?? ownerNames(e.details).user,
      group: record('gname') ?? ownerNames(e.details).group,
      record: (key) => e.pax?.get(key)?.toString('utf8'),
    },
    offset: e.offset,
  }
}

/** GNU tar writes the two characters a record's name cannot hold, or would then not tell, as %3D and %25. */
function xattrName(key: string): string {
  return key
    .slice('SCHILY.xattr.'.length)
    .replace(/%(3D|25)/g, (_, code) => (code === '25' ? '%' : '='))
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0)
}

function invalid(archive: string, why: string): PlinthError {
  return new PlinthError('ARCHIVE_INVALID', `cannot read ${archive}: ${why}`, {
    hint: 'the archive is damaged or malformed; fetch it again',
    facts: { archive },
  })
}

function unsupported(archive: string, name: string, why: string): PlinthError {
  return new PlinthError('ENTRY_UNSUPPORTED', `cannot unpack '${name}' of ${archive}: ${why}`, {
    facts: { archive, name },
  })
}
