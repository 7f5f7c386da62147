import { createHash } from 'node:crypto'
import { q1 } from '../../apk/checksum.ts'
import type { PackagedFile } from '../../apk/data-files.ts'
import { isNamedBy, parseDependencies, type Dependency } from '../../apk/dependency.ts'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import { GrowingTree } from '../../rootfs/growing-tree.ts'
import { parentOf, type Tree } from '../../rootfs/tree.ts'
import { Directories, realPath } from './directories.ts'

/** A package as assembling needs it. */
export interface ApkPart {
  readonly name: string
  readonly version: string
  /** `Q1…` */
  readonly identity: string
  /** empty when it has none */
  readonly origin: string
  readonly replaces: readonly string[]
  readonly replacesPriority: number
}

/**
 * Lays packages over each other as apk 2.14 installs them: files belong to the package that has them last, where
 * `replaces` or a common origin allow it; directories to everybody; what stands in etc and is not as its package
 * made it stays, with the new file beside it. Nothing is written: the tree refers to the packages' contents.
 *
 * What apk knows of a path goes by the name that the package gives it, where it stands by the links that lead
 * there: both are kept apart.
 */
export class ApkAssembly {
  readonly #growing: GrowingTree
  readonly #directories: Directories
  /** who has a file, by the name the package gives it */
  readonly #owners = new Map<string, Owned>()
  /** what was installed of each package, in its order, but for what others took over */
  readonly #lists = new Map<ApkPart, Map<string, PackagedFile>>()
  /** digests of what packages put in its place, by real path */
  readonly #checksums = new Map<string, string | undefined>()

  /** `skeleton` is what is there before the first package; `mtime` the time of directories nobody named. */
  constructor(skeleton: readonly Entry[], options: { readonly mtime: number }) {
    this.#growing = new GrowingTree(options)
    this.#directories = new Directories(this.#growing)
    for (const entry of skeleton) this.#growing.put(entry)
  }

  get tree(): Tree {
    return this.#growing.tree
  }

  /** Every directory that packages named, in the order apk came to know them; the root is empty. */
  get directories(): Iterable<string> {
    return this.#directories.names
  }

  /** The files a package has now, as its database lists them, with the owners they got. */
  filesOf(part: ApkPart): readonly PackagedFile[] {
    return [...(this.#lists.get(part)?.values() ?? [])]
  }

  /** Whether a package has a path, by the name it gives it. */
  isOwned(path: string): boolean {
    return this.#owners.has(path) || this.#directories.has(path)
  }

  /** Tells what something else made of a path: what follows is decided by this. */
  observe(entry: Entry): void {
    this.#growing.put(entry)
    this.#checksums.delete(entry.path)
  }

  /**
   * Installs a package with these files, which have the owners they are to get, in its order. Gives what had to be
   * written, parents first. Throws `FILE_CONFLICT` where apk would report an error.
   */
  add(part: ApkPart, files: readonly PackagedFile[]): readonly Entry[] {
    const written: Entry[] = []
    const list = new Map<string, PackagedFile>()
    this.#lists.set(part, list)
    for (const file of files) {
      const { entry } = file
      if (entry.type === 'directory') {
        this.#directories.add(entry, written)
      } else {
        if (entry.path.slice(entry.path.lastIndexOf('/') + 1).startsWith('.keep_')) continue
        if (!this.#mayPut(entry.path, part)) continue
        if (entry.type === 'hardlink' && !list.has(entry.target)) throw strayLink(entry, part)
      }
      list.set(entry.path, file)
    }
    this.#migrate(part, list, written)
    return written
  }

  /** Gives directories that apk made the owner and mode that follow from all packages; all of these. */
  settleDirectories(): readonly Entry[] {
    const all = [...this.#lists.values()].flatMap((list) => [...list.values()])
    return this.#directories.settle(all.map(({ entry }) => entry))
  }

  /** Whether a package may bring a file that another may have; false when the other one's stays. */
  #mayPut(path: string, part: ApkPart): boolean {
    const owner = this.#owners.get(path)?.part
    if (owner === undefined || owner.name === part.name) return true
    if (owner.origin !== '' && owner.origin === part.origin) return true
    const theirs = replaces(owner, part) ? owner.replacesPriority : -1
    const ours = replaces(part, owner) ? part.replacesPriority : -1
    if (theirs > ours) return false
    if (ours >= 0) return true
    throw new PlinthError(
      'FILE_CONFLICT',
      `cannot install ${nameOf(part)}: '/${path}' is also in ${nameOf(owner)}`,
      {
        hint: 'neither package says that it replaces the other: leave one of them out',
        facts: { path, packages: [part.name, owner.name] },
      },
    )
  }

  /** Moves files in their places: by directory, in the order apk does it. */
  #migrate(part: ApkPart, list: ReadonlyMap<string, PackagedFile>, written: Entry[]): void {
    const inodes = linkedInodes(list)
    const placed = new Map<string, string>()
    for (const file of byDirectory(list)) {
      const { path } = file.entry
      const real = this.#realPath(path, part)
      const at = this.#place(file, path, real)
      if (at !== undefined) {
        const target = file.entry.type === 'hardlink' ? placed.get(file.entry.target) : undefined
        this.#checkReplaceable(at, part)
        this.#growing.put(toEntry(file, { at, target, inodes, list }), written)
        this.#checksums.set(at, file.checksum)
        // the first that is put of a file and its links is what the others link to
        const inode = file.entry.type === 'hardlink' ? file.entry.target : path
        if (!placed.has(inode)) placed.set(inode, at)
      }
      const before = this.#owners.get(path)
      if (before !== undefined) this.#lists.get(before.part)!.delete(path)
      this.#owners.set(path, { part, file })
    }
  }

  /** Where a file goes: its real path, beside it when what stands there must stay, nowhere when that is the same. */
  #place(file: PackagedFile, path: string, real: string): string | undefined {
    const standing = this.tree.get(real)
    if (standing === undefined || !isProtected(path)) return real
    const known = this.#owners.get(path)?.file.checksum
    const now = this.#checksumOf(standing)
    if (known !== undefined && known === now) return real
    return file.checksum !== undefined && file.checksum === now ? undefined : `${real}.apk-new`
  }

  #checksumOf(entry: Entry): string | undefined {
    if (this.#checksums.has(entry.path)) return this.#checksums.get(entry.path)
    const sha1 = createHash('sha1')
    if (entry.type === 'symlink') return q1(sha1.update(entry.target).digest())
    if (entry.type !== 'file' || entry.content.kind !== 'bytes') return undefined
    return q1(sha1.update(entry.content.bytes).digest())
  }

  /** Where a file of a package stands once the links in its directories are followed. */
  #realPath(path: string, part: ApkPart): string {
    const real = realPath(this.tree, path)
    if (real !== undefined) return real
    throw new PlinthError(
      'FILE_CONFLICT',
      `cannot install '/${path}' of ${nameOf(part)}: '/${parentOf(path)}' is no directory`,
      {
        hint: 'another package has a file or a dangling link there: leave one of them out',
        facts: { path, packages: [part.name] },
      },
    )
  }

  /** A file does not take the place of a directory. */
  #checkReplaceable(path: string, part: ApkPart): void {
    if (this.tree.get(path)?.type !== 'directory') return
    throw new PlinthError(
      'FILE_CONFLICT',
      `cannot install '/${path}' of ${nameOf(part)}: it is a directory of other packages`,
      { hint: 'leave one of them out', facts: { path, packages: [part.name] } },
    )
  }
}

interface Owned {
  readonly part: ApkPart
  readonly file: PackagedFile
}

/** Whether apk looks what stands at a path before it replaces it: etc is for people to change (apk(8)). */
export function isProtected(path: string): boolean {
  return path.startsWith('etc/')
}

/** Whether `part` says that it replaces `other`; only real names count. */
function replaces(part: ApkPart, other: ApkPart): boolean {
  return replacedBy(part).some(
    (one) =>
      !one.conflict && one.name === other.name && isNamedBy(one, other.version, other.identity),
  )
}

const parsed = new WeakMap<ApkPart, readonly Dependency[]>()

function replacedBy(part: ApkPart): readonly Dependency[] {
  const known = parsed.get(part)
  if (known) return known
  const made = parseDependencies(part.replaces.join(' '))
  parsed.set(part, made)
  return made
}

/** Files as apk moves them: its directories in the order they came, in each its files. */
function byDirectory(list: ReadonlyMap<string, PackagedFile>): PackagedFile[] {
  const directories = new Map<string, PackagedFile[]>()
  for (const file of list.values()) {
    const { path, type } = file.entry
    const directory = type === 'directory' ? path : parentOf(path)
    const files = directories.get(directory) ?? []
    directories.set(directory, files)
    if (type !== 'directory') files.push(file)
  }
  return [...directories.values()].flat()
}

type Inode = Pick<Entry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>

/** What files with hard links are like: each link's own header is applied to the one file in turn. */
function linkedInodes(list: ReadonlyMap<string, PackagedFile>): Map<string, Inode> {
  const inodes = new Map<string, Inode>()
  for (const { entry } of list.values()) {
    if (entry.type !== 'hardlink') continue
    const before = inodes.get(entry.target) ?? list.get(entry.target)!.entry
    const { mode, uid, gid, mtime } = entry
    const xattrs = new Map([...(before.xattrs ?? []), ...(entry.xattrs ?? [])])
    inodes.set(entry.target, { mode, uid, gid, mtime, ...(xattrs.size > 0 && { xattrs }) })
  }
  return inodes
}

/** The entry of a file at its place. */
function toEntry(
  { entry }: PackagedFile,
  context: {
    readonly at: string
    /** where the first of a file and its links was put */
    readonly target: string | undefined
    readonly inodes: ReadonlyMap<string, Inode>
    readonly list: ReadonlyMap<string, PackagedFile>
  },
): Entry {
  const { at: path, target, inodes, list } = context
  if (entry.type === 'hardlink') {
    const inode = inodes.get(entry.target)!
    if (target !== undefined) return { ...entry, ...inode, path, target }
    // what it links to was dropped, as it was there already
    return { ...list.get(entry.target)!.entry, ...inode, path }
  }
  // apk sets none on links
  if (entry.type === 'symlink') return { ...entry, xattrs: undefined, path }
  return { ...entry, ...inodes.get(entry.path), path }
}

function strayLink(entry: Extract<Entry, { type: 'hardlink' }>, part: ApkPart): PlinthError {
  const { path, target } = entry
  return new PlinthError(
    'FILE_CONFLICT',
    `cannot install '/${path}' of ${nameOf(part)}: it is a hard link to '/${target}', which another package keeps`,
    { hint: 'leave one of them out', facts: { path, packages: [part.name] } },
  )
}

function nameOf({ name, version }: ApkPart): string {
  return `${name}-${version}`
}
