import { PlinthError } from '../errors.ts'

/** What Linux can have (limits.h). */
const maxName = 255
const maxPath = 4095

/**
 * The tree path of a name found in an archive: no leading `./`, no trailing or doubled `/`.
 * The archive's own root (`.`, `./`) gives `''`. Names that could leave the tree (absolute, `..`)
 * or cannot exist (NUL, not UTF-8, too long) are refused with `PATH_UNSAFE`.
 */
export function treePath(name: string, archive: string): string {
  if (name.includes('\0') || name.includes('\uFFFD')) {
    throw unsafe(name, archive, 'it holds bytes that are no valid path')
  }
  if (Buffer.byteLength(name) > maxPath) throw unsafe(name, archive, 'it is too long')
  if (name.startsWith('/')) throw unsafe(name, archive, 'it is absolute')
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') throw unsafe(name, archive, 'it climbs out with ".."')
    if (part.length > maxName / 4 && Buffer.byteLength(part) > maxName)
      throw unsafe(name, archive, `a name has more than ${maxName} bytes`)
    parts.push(part)
  }
  return parts.join('/')
}

function unsafe(name: string, archive: string, why: string): PlinthError {
  return new PlinthError(
    'PATH_UNSAFE',
    `cannot unpack ${archive}: path '${printable(name.slice(0, 300))}' is refused, ${why}`,
    {
      hint: 'the package is malformed or hostile: report it to its publisher',
      facts: { path: name, archive },
    },
  )
}

/** A name fit for a terminal: control characters escaped. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
