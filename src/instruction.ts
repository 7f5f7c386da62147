/** A list is run as it is; a string is given to the shell (`SHELL`, `/bin/sh -c`), as in a Dockerfile. */
export type Command = string | readonly string[]

/**
 * One step over the root filesystem, as a plain value: what a Dockerfile line says once its variables are
 * expanded, and what a recipe's `instructions` hold (Dockerfile reference; OCI image-spec, config.md).
 */
export type Instruction = ConfigInstruction | Run | Copy | Add

/** How the image starts; of these only `workdir` may change a file: it makes the directory. */
export type ConfigInstruction =
  /** in the order written, a name perhaps twice: the later one wins, the history shows both */
  | { readonly kind: 'env' | 'label'; readonly pairs: readonly Pair[] }
  /** variables of the build: RUN sees them, the image does not keep them */
  | { readonly kind: 'arg'; readonly args: readonly BuildArgument[] }
  | { readonly kind: 'cmd' | 'entrypoint'; readonly command: Command }
  | { readonly kind: 'workdir'; readonly path: string }
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'expose'; readonly ports: readonly string[] }
  | { readonly kind: 'volume'; readonly paths: readonly string[] }
  | { readonly kind: 'stopsignal'; readonly signal: string }
  | { readonly kind: 'shell'; readonly command: readonly string[] }
  | Healthcheck
  /** `trigger` is the text of a Dockerfile instruction, carried out when an image is built on this one */
  | { readonly kind: 'onbuild'; readonly trigger: string }
  | { readonly kind: 'maintainer'; readonly author: string }

/** A name and its value. A list of these, not an object: it keeps order, repetition and any name. */
export type Pair = readonly [name: string, value: string]

/** A variable of the build, declared. */
export interface BuildArgument {
  readonly name: string
  /** what `--build-arg` says, else the default; undefined: declared only */
  readonly value?: string | undefined
}

/** How to tell that a container is healthy. Durations in nanoseconds, as the image's config has them. */
export interface Healthcheck {
  readonly kind: 'healthcheck'
  /** `none` switches off what the base image has */
  readonly test: 'none' | { readonly command: Command }
  readonly interval?: number | undefined
  readonly timeout?: number | undefined
  readonly startPeriod?: number | undefined
  readonly startInterval?: number | undefined
  readonly retries?: number | undefined
}

/** Runs a command; what it changes becomes a layer. */
export interface Run {
  readonly kind: 'run'
  /** `script`: a here-document with a `#!` line of its own, run as a file */
  readonly command: Command | { readonly script: string; readonly name: string }
  readonly mounts: readonly RunMount[]
  /** default `default`, which is what the build says */
  readonly network?: 'default' | 'none' | 'host' | undefined
  /** `insecure`: with all capabilities of the builder */
  readonly security?: 'sandbox' | 'insecure' | undefined
}

/** Something a RUN sees that is not part of the image. `target` is absolute, or relative to the working directory. */
export type RunMount =
  | {
      /** a directory kept between builds */
      readonly type: 'cache'
      readonly target: string
      /** default the target */
      readonly id?: string | undefined
      /** default `shared`; `locked` waits for another build, `private` takes another directory */
      readonly sharing?: 'shared' | 'private' | 'locked' | undefined
      /** what a new cache begins with */
      readonly from?: Source | undefined
      readonly source?: string | undefined
      readonly readonly?: boolean | undefined
      /** of the directory when it is made; default 0755, root */
      readonly mode?: number | undefined
      readonly uid?: number | undefined
      readonly gid?: number | undefined
    }
  | {
      /** files of the context, a stage or an image; what is written there is dropped */
      readonly type: 'bind'
      readonly target: string
      readonly from?: Source | undefined
      /** default the whole */
      readonly source?: string | undefined
      readonly readwrite?: boolean | undefined
    }
  /** `size` in bytes */
  | { readonly type: 'tmpfs'; readonly target: string; readonly size?: number | undefined }
  | {
      /** a file that only this RUN sees; default `/run/secrets/<id>`, 0400, root; `env`: a variable instead or as well */
      readonly type: 'secret'
      readonly id: string
      readonly target?: string | undefined
      readonly env?: string | undefined
      readonly required?: boolean | undefined
      readonly mode?: number | undefined
      readonly uid?: number | undefined
      readonly gid?: number | undefined
    }
  | {
      /** the socket of an agent of ssh-agent(1); default id `default`, 0600, root */
      readonly type: 'ssh'
      readonly id?: string | undefined
      readonly target?: string | undefined
      readonly required?: boolean | undefined
      readonly mode?: number | undefined
      readonly uid?: number | undefined
      readonly gid?: number | undefined
    }

/** Where files come from when not from the context. */
export type Source =
  /** a stage of the same Dockerfile, from 0 */
  | { readonly kind: 'stage'; readonly stage: number }
  /** an image by name, or `plinth:RECIPE?param=value` */
  | { readonly kind: 'image'; readonly name: string }
  /** a recipe (`defineRecipe`) */
  | { readonly kind: 'recipe'; readonly recipe: object }

interface Files {
  /** patterns of Go's filepath.Match below the source's root; a here-document is none of them */
  readonly sources: readonly string[]
  /** files given in place, by the name they get */
  readonly inline: readonly { readonly name: string; readonly content: string }[]
  /** ends with `/`: a directory */
  readonly destination: string
  /** `user`, `user:group`, names of the image or numbers */
  readonly chown?: string | undefined
  /** octal (`0644`) or symbolic (`u=rwX,go=rX`) */
  readonly chmod?: string | undefined
  /** onto an empty root: links in the destination are not followed */
  readonly link?: boolean | undefined
  /** patterns of what is left out, as in .dockerignore */
  readonly exclude?: readonly string[] | undefined
}

/** Copies files of the context, a stage or an image. */
export interface Copy extends Files {
  readonly kind: 'copy'
  readonly from?: Source | undefined
  /** keep the directories the sources are in */
  readonly parents?: boolean | undefined
}

/** Copies files of the context, URLs and git repositories; local tars are unpacked. */
export interface Add extends Files {
  readonly kind: 'add'
  /** `sha256:…` of the one source, or a commit */
  readonly checksum?: string | undefined
  /** default: local tars yes, what comes from a URL no */
  readonly unpack?: boolean | undefined
  readonly keepGitDir?: boolean | undefined
}
