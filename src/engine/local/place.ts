import { posix } from 'node:path'
import type { Change, Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import { parentOf, resolveIn, type Tree } from '../../rootfs/tree.ts'
import { unknownTime } from './file-tree.ts'
import type { Selection } from './select.ts'

/** Owner of what is copied. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface PlaceOptions {
  /** absolute; ends with `/` for a directory */
  readonly destination: string
  /** default what the source has */
  readonly owner?: Owner | undefined
  readonly mode?: ((entry: { readonly type: string; readonly mode: number }) => number) | undefined
}

/** A planned change; `from` is the path in the source that has the content. */
export type Placed = Change & { readonly from?: string | undefined }

/**
 * A root filesystem that files are put into, and what that changes. Links in a destination are followed inside
 * the root, never out.
 */
export class Destination {
  readonly #lower: Pick<Tree, 'get'>
  readonly #changes = new Map<string, Placed & Entry>()

  /** `lower` is what is there before; empty for `--link`. */
  constructor(lower: Pick<Tree, 'get'>) {
    this.#lower = lower
  }

  get changes(): readonly Placed[] {
    return [...this.#changes.values()]
  }

  get(path: string): Entry | undefined {
    return this.#changes.get(path) ?? this.#lower.get(path)
  }

  /**
   * Puts what one source selected in place, with BuildKit's rules: a directory's content goes into the
   * destination, a file into it when it is or is to be a directory, else under its name. Directories that are
   * missing are made, 0755. Throws `COPY_CONFLICT` when a file is where a directory must be, or the reverse.
   */
  place(selection: Selection, options: PlaceOptions): void {
    const { destination } = options
    const asDirectory = destination.endsWith('/')
    this.makeDirectory(asDirectory ? destination : posix.dirname(destination), options)
    let path = this.#resolve(destination)
    const there = path === '' ? 'directory' : this.get(path)?.type
    if (!selection.isDirectory && there === 'directory') path = posix.join(path, selection.name)
    // a directory that is made to copy into is not the one copied: it gets neither its mode nor its owner
    this.makeDirectory(selection.isDirectory ? path : parentOf(path), options)
    const linked = new Map<string, string>()
    for (const { below, entry } of selection.entries) {
      const { path: from, ...rest } = entry
      const to = below === '' ? path : posix.join(path, below)
      if (rest.type === 'directory') {
        this.#directory(to, { ...rest, path: to, ...this.#metadata(rest, options) })
        continue
      }
      this.#clear(to)
      const changed = { ...rest, path: to, ...this.#metadata(rest, options) }
      if (changed.type !== 'file') {
        this.#changes.set(to, changed)
        continue
      }
      const { link, content = unread, ...file } = changed
      const first = link === undefined ? undefined : linked.get(link)
      if (first !== undefined) {
        const { size: _, ...metadata } = file
        this.#changes.set(to, { ...metadata, type: 'hardlink', target: first })
        continue
      }
      if (link !== undefined) linked.set(link, to)
      this.#changes.set(to, { ...file, content, from })
    }
  }

  /**
   * Unpacks an archive into the destination, which is a directory: what is there gives way, links to directories
   * on the way are followed, times are the archive's, and so are owners where none is given. Directories above an
   * entry that the archive does not have are root's even then.
   */
  unpack(
    entries: readonly Entry[],
    { destination, owner }: Pick<PlaceOptions, 'destination' | 'owner'>,
  ): void {
    this.makeDirectory(destination, { owner })
    const base = this.#resolve(destination)
    const at = new Map<string, string>()
    for (const member of entries) {
      const entry = { ...member, ...owner }
      const parent = this.#resolve(posix.join(base, parentOf(entry.path)))
      this.makeDirectory(parent, {})
      const path = posix.join(parent, posix.basename(entry.path))
      at.set(entry.path, path)
      if (entry.type !== 'directory' && this.get(path)?.type === 'directory') this.#forget(path)
      if (entry.type !== 'hardlink') this.#changes.set(path, { ...entry, path })
      else this.#link(path, at.get(entry.target), entry)
    }
  }

  /** What was put below a path that is no directory any more. */
  #forget(path: string): void {
    for (const below of this.#changes.keys())
      if (below.startsWith(`${path}/`)) this.#changes.delete(below)
  }

  /** A link to a link is one to the file; to a symlink, another symlink. */
  #link(path: string, target: string | undefined, entry: Entry & { type: 'hardlink' }): void {
    const file = target === undefined ? undefined : this.#changes.get(target)
    if (file === undefined || file.type === 'directory') {
      throw new PlinthError(
        'ARCHIVE_INVALID',
        `cannot unpack '${entry.path}': it is a hard link to '${entry.target}', which is no earlier file of the archive`,
      )
    }
    if (file.type === 'file') {
      // one file has one mode and owner: what is said last
      const { mode, uid, gid, mtime } = entry
      this.#changes.set(file.path, { ...file, mode, uid, gid, mtime })
      this.#changes.set(path, { ...entry, path, target: file.path })
    } else this.#changes.set(path, { ...file, path })
  }

  /** Makes a directory and those above it, where they are missing. */
  makeDirectory(path: string, { owner }: Pick<PlaceOptions, 'owner'>): void {
    const real = this.#resolve(path)
    const parts = real === '' ? [] : real.split('/')
    for (const [i] of parts.entries()) {
      const here = parts.slice(0, i + 1).join('/')
      const found = this.get(here)
      if (found === undefined) {
        const owned = owner ?? { uid: 0, gid: 0 }
        this.#changes.set(here, {
          type: 'directory',
          path: here,
          mode: 0o755,
          ...owned,
          mtime: unknownTime,
        })
      } else if (found.type !== 'directory') {
        throw new PlinthError('COPY_CONFLICT', `cannot make /${real}: /${here} is a ${found.type}`)
      }
    }
  }

  /** A directory below the copied one takes the place of what is there, and its mode and owner. */
  #directory(path: string, entry: Entry): void {
    const found = this.get(path)?.type
    if (found !== undefined && found !== 'directory') {
      throw new PlinthError(
        'COPY_CONFLICT',
        `cannot copy the directory over /${path}, which is a ${found}`,
        found === 'symlink'
          ? { hint: 'copy to where the link leads, or write the destination with it' }
          : undefined,
      )
    }
    this.#changes.set(path, entry)
  }

  #clear(path: string): void {
    if (path !== '' && this.get(path)?.type !== 'directory') return
    throw new PlinthError('COPY_CONFLICT', `cannot copy a file over the directory /${path}`, {
      hint: 'end the destination with / to copy into it',
    })
  }

  #metadata(
    {
      type,
      mode,
      uid,
      gid,
    }: { readonly type: string; readonly mode: number; readonly uid: number; readonly gid: number },
    options: PlaceOptions,
  ): { readonly mode: number; readonly uid: number; readonly gid: number } {
    const chmod = type === 'symlink' ? undefined : options.mode
    return {
      mode: chmod === undefined ? mode : chmod({ type, mode }),
      ...(options.owner ?? { uid, gid }),
    }
  }

  #resolve(path: string): string {
    const real = resolveIn(this, path, { last: true })
    if (real !== undefined) return real
    throw new PlinthError('PATH_UNSAFE', `cannot copy to ${path}: its links lead in a circle`)
  }
}

const unread = { kind: 'bytes', bytes: new Uint8Array(0) } as const
