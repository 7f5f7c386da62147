import { arMembers, type ArMember } from '../archive/ar.ts'
import { compressionOf, type Compression } from '../archive/decompress.ts'
import { PlinthError } from '../errors.ts'

/** Where the two tar archives of a `.deb` are and how they are compressed. */
export interface DebLayout {
  readonly control: ArMember & { readonly compression: Compression }
  readonly data: ArMember & { readonly compression: Compression }
}

/**
 * Finds the parts of a binary package (deb(5)): `debian-binary` first, format 2.x, then `control.tar`, then
 * `data.tar`; members whose names begin with `_` may stand between and whatever follows the data is ignored.
 * `read` returns bytes of the file. Throws `ARCHIVE_INVALID` or `COMPRESSION_UNKNOWN`, naming `archive`.
 */
export function debLayout(
  read: (offset: number, length: number) => Uint8Array,
  size: number,
  archive: string,
): DebLayout {
  const invalid = (why: string) =>
    new PlinthError('ARCHIVE_INVALID', `cannot read ${archive}: ${why}`, {
      hint: 'the file is damaged or is no Debian package',
      facts: { archive },
    })
  let version: string | undefined
  let control: DebLayout['control'] | undefined
  for (const member of arMembers(read, size, archive)) {
    if (version === undefined) {
      if (member.name !== 'debian-binary')
        throw invalid(`its first member is '${member.name}', not debian-binary`)
      version = Buffer.from(read(member.offset, Math.min(member.size, 64))).toString('latin1')
      if (!/^2\.[0-9]+\n/.test(version))
        throw invalid(`format version '${version.trim()}' is not 2.x`)
    } else if (member.name.startsWith('_')) {
      continue
    } else if (control === undefined) {
      if (!member.name.startsWith('control.tar'))
        throw invalid(`'${member.name}' stands where control.tar belongs`)
      control = {
        ...member,
        compression: compressionOf(member.name.slice('control.tar'.length), archive),
      }
    } else {
      if (!member.name.startsWith('data.tar'))
        throw invalid(`'${member.name}' stands where data.tar belongs`)
      return {
        control,
        data: {
          ...member,
          compression: compressionOf(member.name.slice('data.tar'.length), archive),
        },
      }
    }
  }
  throw invalid(
    version === undefined ? 'it is empty' : `it has no ${control ? 'data' : 'control'}.tar`,
  )
}
