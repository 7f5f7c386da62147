import { PlinthError } from '../errors.ts'
import { printable } from './path.ts'

const magic = '!<arch>\n'
const headerSize = 60

/** A member of an `ar` archive: where its bytes are. */
export interface ArMember {
  readonly name: string
  readonly offset: number
  readonly size: number
}

/**
 * Walks the members of a common `ar` archive (ar(5), as deb(5) uses it) through `read`, which returns
 * the bytes `[offset, offset + length)` of the archive, fewer at its end.
 * Throws `ARCHIVE_INVALID` naming `archive` when the structure is broken or a member is cut short.
 */
export function* arMembers(
  read: (offset: number, length: number) => Uint8Array,
  archiveSize: number,
  archive: string,
): Generator<ArMember> {
  if (latin1(read(0, magic.length)) !== magic) {
    throw invalid(archive, 'it does not begin with the ar magic')
  }
  let offset = magic.length
  while (offset < archiveSize) {
    const header = latin1(read(offset, headerSize))
    if (header.length === 1 && header === '\n') return
    if (header.length < headerSize)
      throw invalid(archive, `a member header is cut short at byte ${offset}`)
    if (header.slice(58) !== '`\n') throw invalid(archive, `bad member header at byte ${offset}`)
    const digits = header.slice(48, 58).trim()
    if (!/^[0-9]+$/.test(digits))
      throw invalid(archive, `bad member size '${printable(digits)}' at byte ${offset}`)
    const size = Number(digits)
    const name = header.slice(0, 16).trimEnd().replace(/\/$/, '')
    const start = offset + headerSize
    if (start + size > archiveSize) {
      throw invalid(
        archive,
        `member '${printable(name)}' claims ${size} bytes, ${archiveSize - start} are there`,
      )
    }
    yield { name, offset: start, size }
    offset = start + size + (size % 2)
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function invalid(archive: string, why: string): PlinthError {
  return new PlinthError('ARCHIVE_INVALID', `cannot read ${archive}: ${why}`, {
    hint: 'the file is damaged or is no ar archive; fetch it again',
    facts: { archive },
  })
}
