import { createHash } from 'node:crypto'
import { printable, treePath } from '../archive/path.ts'
import { readTar, type TarMember } from '../archive/tar-read.ts'
import { TreeMembers } from '../archive/tree-members.ts'
import type { Digest } from '../digest.ts'
import type { Entry } from '../entry.ts'
import { PlinthError } from '../errors.ts'
import { q1 } from './checksum.ts'

/** A path of a package, with what apk's database and ownership need besides. */
export interface PackagedFile {
  readonly entry: Entry
  /** owners by name; empty where the package names none, and the entry's numbers count */
  readonly user: string
  readonly group: string
  /**
   * `Q1…` of a file's content or a symbolic link's target, verified; a hard link has its target's. Undefined
   * where the package gives none: apk then takes the package for broken, and says so in its database.
   */
  readonly checksum: string | undefined
}

/** Where a package says what a file's content is. */
const checksumRecord = 'APK-TOOLS.checksum.SHA1'

/**
 * Reads the (uncompressed) data part of a package and verifies every file by its own checksum. What comes back
 * gives the files once it is known under which digest their contents are kept.
 *
 * As apk does, it passes over paths that begin with a dot at the top. Throws `PATH_UNSAFE`,
 * `ENTRY_UNSUPPORTED` and `ARCHIVE_INVALID` for what no package may hold, `DIGEST_MISMATCH` for a file that is
 * not what the package says.
 */
export async function readDataFiles(
  chunks: AsyncIterable<Uint8Array>,
  archive: string,
): Promise<(data: Digest) => PackagedFile[]> {
  const tree = new TreeMembers(archive)
  const more: Omit<PackagedFile, 'entry'>[] = []
  const checksums = new Map<string, string>()
  const members = readTar(chunks, `the data of ${archive}`, { end: 'required', details: true })
  for await (const member of members) {
    if (isPassedOver(member.name, archive)) continue
    // the details would keep the input in memory
    const path = tree.add({ ...member, details: undefined })
    if (path === undefined) continue
    checkParent(path, tree, archive)
    const checksum = await checksumOf(path, member, { checksums, archive })
    if (checksum !== undefined) checksums.set(path, checksum)
    more.push({
      user: member.details?.user ?? '',
      group: member.details?.group ?? '',
      checksum,
    })
  }
  return (data) => tree.entries(data).map((entry, index) => ({ entry, ...more[index]! }))
}

/** Whether apk does not install it. A climbing name is no such: it is refused. */
function isPassedOver(name: string, archive: string): boolean {
  // the database is lines: a name must not make one
  if (/\p{Cc}/u.test(name)) {
    throw new PlinthError(
      'PATH_UNSAFE',
      `cannot unpack ${archive}: path '${printable(name.slice(0, 300))}' is refused, it holds control characters`,
      {
        hint: 'the package is malformed or hostile: report it to its publisher',
        facts: { path: name, archive },
      },
    )
  }
  if (!name.startsWith('.')) return false
  treePath(name, archive)
  return true
}

/** A file belongs to a directory of the package: without one apk's database has no line to put it under. */
function checkParent(path: string, tree: TreeMembers, archive: string): void {
  const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
  if (parent === '' || tree.hasDirectory(parent)) return
  throw new PlinthError(
    'ARCHIVE_INVALID',
    `cannot unpack '${path}' of ${archive}: the package does not hold its directory '${parent}'`,
    { hint: 'the package is malformed: report it to its publisher', facts: { path, archive } },
  )
}

async function checksumOf(
  path: string,
  member: TarMember,
  context: { readonly checksums: ReadonlyMap<string, string>; readonly archive: string },
): Promise<string | undefined> {
  const { checksums, archive } = context
  if (member.type === 'hardlink') return checksums.get(treePath(member.linkname, archive))
  const said = member.details?.record(checksumRecord)?.toLowerCase()
  if (said === undefined || (member.type !== 'file' && member.type !== 'symlink')) return undefined
  const sha1 = createHash('sha1')
  if (member.type === 'symlink') sha1.update(member.linkname)
  else for await (const part of member.body()) sha1.update(part)
  const got = sha1.digest()
  if (said === got.toString('hex')) return q1(got)
  throw new PlinthError(
    'DIGEST_MISMATCH',
    `cannot use '${path}' of ${archive}: its content is sha1:${got.toString('hex')}, and the package says ${printable(said)}`,
    { hint: 'the package is damaged: report it to its publisher', facts: { path, archive } },
  )
}
