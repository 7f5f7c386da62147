import type { Digest } from './digest.ts'

/**
 * Where a file's bytes are. `blob` is a slice of a blob in the store (a decompressed package),
 * so that a tree costs no copies.
 */
export type Content =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'blob'; readonly digest: Digest; readonly offset: number }

/** What every path has. */
export interface Metadata {
  /** relative, no leading `./` or `/`, no trailing `/`, never empty (the root is not an entry) */
  readonly path: string
  /** permission bits with setuid, setgid, sticky: 0 to 0o7777 */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** whole seconds since 1970 */
  readonly mtime: number
  /** extended attributes, binary values */
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined
}

/** One path of a root filesystem. */
export type Entry = Metadata &
  (
    | { readonly type: 'directory' }
    | { readonly type: 'file'; readonly size: number; readonly content: Content }
    | { readonly type: 'symlink'; readonly target: string }
    /** `target` is the path of a file entry of the same tree */
    | { readonly type: 'hardlink'; readonly target: string }
    | { readonly type: 'fifo' }
    | { readonly type: 'character' | 'block'; readonly major: number; readonly minor: number }
  )

/** A path, or what removed it from the trees below: the value a `Workspace` reports and a layer holds. */
export type Change = Entry | { readonly type: 'whiteout'; readonly path: string }
