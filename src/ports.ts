import type { Digest } from './digest.ts'
import type { Change, Entry } from './entry.ts'
import type { Emit } from './events.ts'
import type { Image } from './image.ts'
import type { Reference } from './reference.ts'

export type { Descriptor, OciPlatform } from './descriptor.ts'

/** A blob being written: nothing of it is visible before `commit`, nothing remains after `abort`. */
export interface BlobWriter {
  /** Appends; the chunk must not change afterwards, it may be written later. */
  write(chunk: Uint8Array): Promise<void>
  /** Checks against `expected` and makes the blob visible: `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `DISK_FULL`. */
  commit(expected?: {
    readonly digest: Digest
    readonly size?: number | undefined
  }): Promise<{ readonly digest: Digest; readonly size: number }>
  /** Forgets what was written; does nothing after `commit`. */
  abort(): Promise<void>
}

/** Content-addressed blobs: verified on read, written atomically. Itself an OCI image layout. */
export interface Store {
  /** absolute path of the layout's root */
  readonly root: string
  /**
   * Writes a blob. With `expected` the content must match: `DIGEST_MISMATCH` or `SIZE_MISMATCH`
   * otherwise, and nothing is kept. `DISK_FULL` when the disk is.
   */
  put(
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    expected?: { readonly digest: Digest; readonly size?: number | undefined },
  ): Promise<{ readonly digest: Digest; readonly size: number }>
  /** The same by pushing: for a stream that someone else reads, too. */
  writer(): Promise<BlobWriter>
  /** The blob's bytes; `STORE_CORRUPT` at the end when they do not match (the blob is then dropped). */
  get(digest: Digest): AsyncIterable<Uint8Array>
  /** The blob's size, or undefined when it is not there. Does not verify. */
  has(digest: Digest): Promise<number | undefined>
  /** The path of the blob, after its content was verified once in this process. `STORE_CORRUPT` otherwise. */
  verified(digest: Digest): Promise<string>
  /** Forgets a blob; no error when it is not there. */
  delete(digest: Digest): Promise<void>
  /** A place for partial downloads and other files that are no blobs: `<root>/<name>` made on first use. */
  directory(name: string): Promise<string>
}

/** Something a process sees that is not part of the tree: never in `changes`, like what had to be made to mount on. */
export type Mount =
  /** a directory of this machine: a cache mount, `plinth run -v` */
  | {
      readonly type: 'directory'
      readonly path: string
      readonly target: string
      readonly readonly?: boolean | undefined
    }
  /** a tree of its own; writes need `readonly: false` and are dropped afterwards */
  | {
      readonly type: 'tree'
      readonly base: WorkspaceBase
      /** what of it is mounted, links followed inside; default all */
      readonly source?: string | undefined
      readonly target: string
      readonly readonly: boolean
    }
  | { readonly type: 'tmpfs'; readonly target: string; readonly size?: number | undefined }
  /** a file in memory only: a secret, a script */
  | {
      readonly type: 'file'
      readonly content: Uint8Array
      readonly target: string
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }
  /** a unix socket of this machine */
  | {
      readonly type: 'socket'
      readonly path: string
      readonly target: string
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }

/**
 * What a workspace is opened on: entries, or layers from the bottom up. Layers are extracted once and kept in
 * the store by what is in them and below them, so that opening costs nothing the second time.
 */
export type WorkspaceBase =
  | Iterable<Entry>
  | AsyncIterable<Entry>
  | { readonly layers: readonly BaseLayer[] }

/** A layer to run on. */
export interface BaseLayer {
  readonly diffId: Digest
  /** what the layer holds, in layer order, contents in the store; asked for only when it is not extracted yet */
  readonly changes: () => Promise<readonly Change[]>
}

/** One process in a workspace. */
export interface RunRequest {
  readonly argv: readonly [string, ...string[]]
  /** the whole environment: nothing is inherited */
  readonly env: Readonly<Record<string, string>>
  /** absolute path inside; default `/` */
  readonly cwd?: string | undefined
  /** numeric ids inside; default root */
  readonly user?:
    | {
        readonly uid: number
        readonly gid: number
        readonly groups?: readonly number[] | undefined
      }
    | undefined
  /** default `none`: own network namespace with lo up */
  readonly network?: 'none' | 'host' | undefined
  /** what the process reads on standard input; default nothing */
  readonly stdin?: Uint8Array | undefined
  /** in this order: a later one may lie in an earlier one */
  readonly mounts?: readonly Mount[] | undefined
  /** `insecure`: with all capabilities plinth itself has; default `sandbox` */
  readonly security?: 'sandbox' | 'insecure' | undefined
  /** instead of `onLine` and `stdin` */
  readonly interactive?: Interactive | undefined
  /** every line it writes, as it comes */
  readonly onLine?: ((stream: 'stdout' | 'stderr', line: string) => void) | undefined
}

/** A process on the caller's own streams. */
export interface Interactive {
  /** it stays on the caller's terminal, where Ctrl-C reaches it by itself */
  readonly tty: boolean
  /** `false`: it reads nothing; default: what the caller would read */
  readonly stdin?: boolean | undefined
  /** called when it runs, with what sends it a signal of the caller's machine */
  readonly onStart?: ((send: (signal: NodeJS.Signals) => void) => void) | undefined
}

export interface ExitStatus {
  /** as a shell tells it: 128 and its number for a signal */
  readonly code: number
  /** the signal of such a code */
  readonly signal?: string | undefined
}

/** A place to run. `await using`: leaving the scope ends every process and unmounts everything. */
export interface Workspace extends AsyncDisposable {
  run(request: RunRequest): Promise<ExitStatus>
  /** A file's bytes as the workspace has it now (last symlink followed inside the root), or undefined. */
  read(path: string): Promise<Uint8Array | undefined>
  /**
   * Those of `paths` that lead to something (links followed inside the root). What the executor made only to
   * mount on is nothing.
   */
  present(paths: readonly string[]): Promise<readonly string[]>
  /** Writes entries into the workspace (they are part of its changes). */
  write(entries: Iterable<Entry> | AsyncIterable<Entry>): Promise<void>
  /**
   * What differs from the tree the workspace was opened on, sorted by path, parents first;
   * file contents are in the store. Directories whose metadata is unchanged are left out.
   */
  changes(): Promise<readonly Change[]>
}

export interface ExecutorOptions {
  readonly signal: AbortSignal
  /** `hostname` inside; default `plinth` */
  readonly hostname?: string | undefined
  /** bytes the tree and what is made on top of it may take: decides between memory and disk */
  readonly sizeHint?: number | undefined
}

/** Opens workspaces. */
export interface Executor {
  readonly name: string
  open(base: WorkspaceBase, options: ExecutorOptions): Promise<Workspace>
}

/** What an output is given besides the image. */
export interface OutputDeps {
  /** holds the image's layers */
  readonly store: Store
  /** what to call the image there; may be empty */
  readonly names: readonly Reference[]
  readonly emit: Emit
  readonly signal: AbortSignal
}

/** What an output wrote. */
export interface Written {
  /** the image's manifest digest, whatever the output's form */
  readonly digest: Digest
  /** bytes that are now at the destination */
  readonly size: number
  /** where, if it is a path */
  readonly path?: string | undefined
}

/**
 * A place for images. `write` is atomic: it leaves the whole image or what was there before, also when
 * it fails or `signal` aborts.
 */
export interface Output {
  readonly name: string
  write(image: Image, deps: OutputDeps): Promise<Written>
}
