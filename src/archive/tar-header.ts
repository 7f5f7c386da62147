/** The 512-byte header block: POSIX ustar with GNU's base-256 numbers (tar(5), POSIX pax). */

export const blockSize = 512

/** What a header block says, before extension records are applied. */
export interface RawHeader {
  readonly name: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtime: number
  readonly type: string
  readonly linkname: string
  readonly major: number
  readonly minor: number
}

/** Decodes a header block; undefined when its checksum does not hold or a number is malformed. */
export function decodeHeader(block: Buffer): RawHeader | undefined {
  let unsigned = 0
  let signed = 0
  for (let i = 0; i < blockSize; i++) {
    const byte = i >= 148 && i < 156 ? 32 : block[i]!
    unsigned += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  const checksum = number(block, 148, 8)
  if (checksum !== unsigned && checksum !== signed) return undefined

  const magic = block.toString('latin1', 257, 263)
  const posix = magic === 'ustar\0'
  let name = text(block, 0, 100)
  if (posix) {
    const prefix = text(block, 345, 155)
    if (prefix !== '') name = `${prefix}/${name}`
  }
  const header = {
    name,
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    type: block[156] === 0 ? '0' : String.fromCharCode(block[156]!),
    linkname: text(block, 157, 100),
    // v7 has no device fields; what stands there is padding
    major: magic.startsWith('ustar') ? number(block, 329, 8) : 0,
    minor: magic.startsWith('ustar') ? number(block, 337, 8) : 0,
  }
  const numbers = [
    header.mode,
    header.uid,
    header.gid,
    header.size,
    header.mtime,
    header.major,
    header.minor,
  ]
  return numbers.every(Number.isSafeInteger) && header.size >= 0 ? header : undefined
}

/** Who owns the member, by name; ustar and GNU have them, v7 does not. */
export function ownerNames(block: Buffer): { readonly user: string; readonly group: string } {
  return block.toString('latin1', 257, 262) === 'ustar'
    ? { user: text(block, 265, 32), group: text(block, 297, 32) }
    : { user: '', group: '' }
}

/** A field up to its first NUL. */
function text(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset)
  return block.toString('utf8', offset, end < 0 || end > offset + length ? offset + length : end)
}

/** Octal, blank-padded, or base-256 when the first bit is set (two's complement). NaN when neither. */
function number(block: Buffer, offset: number, length: number): number {
  const first = block[offset]!
  if (first & 0x80) {
    let value = first & 0x40 ? -1n : 0n
    for (let i = 0; i < length; i++) {
      const byte = i === 0 ? first & 0x7f : block[offset + i]!
      value = i === 0 ? (value << 7n) | BigInt(byte) : (value << 8n) | BigInt(byte)
    }
    return Number(value)
  }
  let value = 0
  let i = offset
  const end = offset + length
  while (i < end && block[i] === 32) i++
  for (; i < end; i++) {
    const byte = block[i]!
    if (byte === 0 || byte === 32) break
    if (byte < 48 || byte > 55) return Number.NaN
    value = value * 8 + (byte - 48)
  }
  return value
}

/** What fits a plain ustar header; anything more goes into a PAX record first. */
export const ustarLimits = {
  name: 100,
  prefix: 155,
  link: 100,
  id: 0o7777777,
  size: 0o77777777777,
} as const

/** Encodes a plain ustar header. The caller has made sure that every value fits `ustarLimits`. */
export function encodeHeader(header: RawHeader & { readonly prefix?: string }): Buffer {
  const block = Buffer.alloc(blockSize)
  block.write(header.name, 0, 100, 'utf8')
  octal(block, header.mode, 100, 8)
  octal(block, header.uid, 108, 8)
  octal(block, header.gid, 116, 8)
  octal(block, header.size, 124, 12)
  octal(block, header.mtime, 136, 12)
  block.fill(32, 148, 156)
  block.write(header.type, 156, 1, 'latin1')
  block.write(header.linkname, 157, 100, 'utf8')
  block.write('ustar\x0000', 257, 8, 'latin1')
  if (header.type === '3' || header.type === '4') {
    octal(block, header.major, 329, 8)
    octal(block, header.minor, 337, 8)
  }
  if (header.prefix) block.write(header.prefix, 345, 155, 'utf8')
  let sum = 0
  for (let i = 0; i < blockSize; i++) sum += block[i]!
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1')
  return block
}

function octal(block: Buffer, value: number, offset: number, length: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, length, 'latin1')
}
