import type { Digest } from '../digest.ts'
import type { Entry } from '../entry.ts'
import { PlinthError } from '../errors.ts'
import { memberEntry } from './member-entry.ts'
import { treePath } from './path.ts'
import type { TarMember } from './tar-read.ts'

/**
 * Turns the members of a package's data archive into entries. A package is refused with `PATH_UNSAFE` when
 * one leaves the tree, stands there twice or links to what is no earlier file of it, and with
 * `ENTRY_UNSUPPORTED` when one is a device.
 */
export class TreeMembers {
  /** whether the archive lists its own root directory, which is no entry */
  rootListed = false
  readonly #archive: string
  readonly #members: { path: string; member: TarMember; target: string | undefined }[] = []
  readonly #directories = new Set<string>()
  /** every other path, and the file that stands behind it */
  readonly #files = new Map<string, string | undefined>()

  /** `archive` is what messages call the package. */
  constructor(archive: string) {
    this.#archive = archive
  }

  /** The tree path that the member gets; undefined for the archive's own root. */
  add(member: TarMember): string | undefined {
    const path = treePath(member.name, this.#archive)
    if (path === '') {
      if (member.type !== 'directory')
        throw new PlinthError(
          'PATH_UNSAFE',
          `cannot unpack ${this.#archive}: its root is a ${member.type}`,
        )
      this.rootListed = true
      return undefined
    }
    if (member.type === 'character' || member.type === 'block') {
      throw new PlinthError(
        'ENTRY_UNSUPPORTED',
        `cannot unpack '${path}' of ${this.#archive}: device nodes are refused`,
        {
          hint: 'packages create devices in their scripts, if at all',
        },
      )
    }
    if (this.#files.has(path) || (member.type !== 'directory' && this.#directories.has(path))) {
      throw new PlinthError(
        'PATH_UNSAFE',
        `cannot unpack ${this.#archive}: it holds '${path}' twice`,
        {
          hint: 'the package is malformed or hostile: report it to its publisher',
          facts: { path },
        },
      )
    }
    let target: string | undefined
    if (member.type === 'directory') this.#directories.add(path)
    else if (member.type === 'hardlink') {
      target = this.#linked(path, member)
      this.#files.set(path, target)
    } else {
      this.#files.set(path, member.type === 'file' ? path : undefined)
    }
    this.#members.push({ path, member, target })
    return path
  }

  /** What was added, in its order; the contents are slices of the uncompressed archive, the blob `data`. */
  entries(data: Digest): Entry[] {
    return this.#members.map(({ path, member, target }) => memberEntry(path, member, data, target))
  }

  /** Whether a directory of this path was added. */
  hasDirectory(path: string): boolean {
    return this.#directories.has(path)
  }

  #linked(path: string, member: TarMember): string {
    const linked = treePath(member.linkname, this.#archive)
    // a link to a link is one to the file
    const target = this.#files.get(linked)
    if (target === undefined) {
      throw new PlinthError(
        'PATH_UNSAFE',
        `cannot unpack '${path}' of ${this.#archive}: it is a hard link to '${linked}', which is no earlier file of the package`,
        { facts: { path } },
      )
    }
    return target
  }
}
