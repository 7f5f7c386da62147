/**
 * Tar archives written byte by byte, apart from `src/archive`: what plinth's reader is measured with, and
 * the only way to make the archives no tool would write.
 */

export interface RawMember {
  readonly name: string | Uint8Array
  /** the typeflag; default a file, or a directory when the name ends with `/` */
  readonly type?: string | undefined
  readonly body?: string | Uint8Array | undefined
  /** what the header says, whatever the body has */
  readonly size?: number | undefined
  readonly linkname?: string | Uint8Array | undefined
  readonly mode?: number | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly mtime?: number | undefined
  readonly major?: number | undefined
  readonly minor?: number | undefined
  /** default `gnu`, as dpkg-deb writes */
  readonly format?: 'gnu' | 'ustar' | 'v7' | undefined
  /** ustar's prefix field */
  readonly prefix?: string | undefined
  /** the last touch to the header, before its checksum */
  readonly touch?: ((header: Buffer) => void) | undefined
  /** the last touch to the header, after its checksum */
  readonly spoil?: ((header: Buffer) => void) | undefined
}

const magic = { gnu: 'ustar  \0', ustar: 'ustar\u000000', v7: '' } as const

/** The archive of `members`, with its two closing blocks unless told otherwise. */
export function rawTar(
  members: readonly RawMember[],
  options: { readonly end?: number } = {},
): Buffer {
  const end = Buffer.alloc(512 * (options.end ?? 2))
  return Buffer.concat([...members.flatMap(memberBlocks), end])
}

function memberBlocks(member: RawMember): Buffer[] {
  const name = Buffer.from(member.name)
  const link = Buffer.from(member.linkname ?? '')
  const long: Buffer[] = []
  if ((member.format ?? 'gnu') === 'gnu') {
    if (link.length > 100) long.push(...longHeader('K', link))
    if (name.length > 100) long.push(...longHeader('L', name))
  }
  const body = Buffer.from(member.body ?? '')
  const padding = Buffer.alloc((512 - (body.length % 512)) % 512)
  return [...long, header(member, name, link, body.length), body, padding]
}

function longHeader(type: 'K' | 'L', text: Buffer): Buffer[] {
  const body = Buffer.concat([text, Buffer.alloc(1)])
  return memberBlocks({ name: '././@LongLink', type, body, mode: 0, mtime: 0 })
}

function header(member: RawMember, name: Buffer, link: Buffer, length: number): Buffer {
  const block = Buffer.alloc(512)
  const type = member.type ?? (name.at(-1) === 0x2f ? '5' : '0')
  name.copy(block, 0, 0, 100)
  number(block, 100, 8, member.mode ?? (type === '5' ? 0o755 : 0o644))
  number(block, 108, 8, member.uid ?? 0)
  number(block, 116, 8, member.gid ?? 0)
  number(block, 124, 12, member.size ?? length)
  number(block, 136, 12, member.mtime ?? 1_700_000_000)
  block.write(type, 156, 'latin1')
  link.copy(block, 157, 0, 100)
  const format = member.format ?? 'gnu'
  block.write(magic[format], 257, 'latin1')
  if (format !== 'v7' && (member.major !== undefined || member.minor !== undefined)) {
    number(block, 329, 8, member.major ?? 0)
    number(block, 337, 8, member.minor ?? 0)
  }
  block.write(member.prefix ?? '', 345, 155, 'utf8')
  member.touch?.(block)
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  member.spoil?.(block)
  return block
}

/** Octal while it fits, else GNU's base-256 with the high bit set. */
function number(block: Buffer, offset: number, length: number, value: number): void {
  const octal = value.toString(8)
  if (value >= 0 && octal.length < length) {
    block.write(`${octal.padStart(length - 1, '0')}\0`, offset, 'latin1')
    return
  }
  let rest = BigInt(value)
  for (let at = offset + length - 1; at >= offset; at--) {
    block[at] = Number(rest & 0xffn)
    rest >>= 8n
  }
  block[offset] = (block[offset]! & 0x7f) | 0x80
}

/** A PAX header member holding `records`. */
export function pax(
  records: Readonly<Record<string, string | Uint8Array>>,
  type: 'x' | 'g' = 'x',
): RawMember {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')])
    let digits = 1
    while (String(rest.length + digits).length > digits) digits++
    return Buffer.concat([Buffer.from(String(rest.length + digits)), rest])
  })
  return { name: 'PaxHeaders/x', type, body: Buffer.concat(lines), format: 'ustar' }
}
