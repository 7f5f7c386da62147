/** PAX extended header records: `<length> <key>=<value>\n`, values binary (POSIX pax, "pax Extended Header"). */

/** Decodes the records of one extended header; undefined when they are malformed. */
export function decodePax(bytes: Buffer): Map<string, Buffer> | undefined {
  const records = new Map<string, Buffer>()
  let offset = 0
  while (offset < bytes.length) {
    const space = bytes.indexOf(0x20, offset)
    if (space < 0 || space - offset > 20) return undefined
    const digits = bytes.toString('latin1', offset, space)
    const length = Number(digits)
    if (!/^[0-9]+$/.test(digits) || !Number.isSafeInteger(length)) return undefined
    if (length <= space - offset + 1) return undefined
    const end = offset + length
    const equals = bytes.indexOf(0x3d, space)
    if (end > bytes.length || bytes[end - 1] !== 0x0a || equals < 0 || equals >= end)
      return undefined
    records.set(bytes.toString('utf8', space + 1, equals), bytes.subarray(equals + 1, end - 1))
    offset = end
  }
  return records
}

/** Encodes records in the order given. */
export function encodePax(records: Iterable<readonly [string, Uint8Array | string]>): Buffer {
  const parts: Buffer[] = []
  for (const [key, value] of records) {
    const body = Buffer.concat([
      Buffer.from(` ${key}=`),
      Buffer.from(value as Uint8Array),
      Buffer.from('\n'),
    ])
    // the length counts its own digits
    let length = body.length + 1
    while (String(length).length + body.length !== length)
      length = String(length).length + body.length
    parts.push(Buffer.from(String(length)), body)
  }
  return Buffer.concat(parts)
}
