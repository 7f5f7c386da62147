import { isGlob } from '../dockerfile/glob.ts'
import { isMode } from '../dockerfile/values.ts'
import type { Copy, Instruction } from '../instruction.ts'
import { check } from './instruction-check.ts'
import { type From, sourceOf } from './source-of.ts'

/** A file given in place, by the name it gets. */
export interface InlineFile {
  readonly name: string
  readonly content: string
}

/** Patterns of files (`*.conf`, `src/`), or files given in place. */
export type Sources = string | InlineFile | readonly (string | InlineFile)[]

/** How files get into the image. */
export interface FilesOptions {
  /** `user`, `user:group`, names of the image or numbers */
  readonly chown?: string | undefined
  /** octal (`0644`) or symbolic (`u=rwX,go=rX`) */
  readonly chmod?: string | undefined
  /** onto an empty root: links in the destination are not followed */
  readonly link?: boolean | undefined
  /** patterns of what is left out, as in .dockerignore */
  readonly exclude?: readonly string[] | undefined
}

/** How `copy` copies. */
export interface CopyOptions extends FilesOptions {
  /** default the context */
  readonly from?: From | undefined
  /** keep the directories the sources are in */
  readonly parents?: boolean | undefined
}

/** How `add` adds. */
export interface AddOptions extends FilesOptions {
  /** `sha256:…` of the one source, or a commit */
  readonly checksum?: string | undefined
  /** default: local tars yes, what comes from a URL no */
  readonly unpack?: boolean | undefined
  readonly keepGitDir?: boolean | undefined
}

const common = ['chown', 'chmod', 'link', 'exclude']

/** Copies files of the context, another recipe or an image; a destination that ends with `/` is a directory. */
export function copy(
  sources: Sources,
  destination: string,
  options: CopyOptions = {},
): Instruction {
  const files = filesOf('copy', sources, destination, options, ['from', 'parents'])
  const { from, parents } = options
  return {
    kind: 'copy',
    ...(from !== undefined && { from: sourceOf(from, 'copy') }),
    ...(parents !== undefined && { parents }),
    ...files,
  }
}

/** Copies files of the context, URLs and git repositories; local tars are unpacked. */
export function add(sources: Sources, destination: string, options: AddOptions = {}): Instruction {
  const known = ['checksum', 'unpack', 'keepGitDir']
  const files = filesOf('add', sources, destination, options, known)
  const { checksum, unpack, keepGitDir } = options
  if (checksum !== undefined) {
    const fits = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}|[0-9a-f]{7,64})$/
    check(fits.test(checksum), `add: '${checksum}' is not a checksum`, 'sha256:… or a commit')
    check(files.sources.length === 1, 'add: a checksum is for one source')
  }
  return {
    kind: 'add',
    ...(checksum !== undefined && { checksum }),
    ...(unpack !== undefined && { unpack }),
    ...(keepGitDir !== undefined && { keepGitDir }),
    ...files,
  }
}

type Files = Pick<Copy, 'sources' | 'inline' | 'destination' | keyof FilesOptions>

function filesOf(
  what: string,
  given: Sources,
  destination: string,
  options: FilesOptions,
  known: readonly string[],
): Files {
  const all = Array.isArray(given) ? (given as readonly (string | InlineFile)[]) : [given as string]
  const sources = all.filter((one) => typeof one === 'string')
  const inline = all.filter((one) => typeof one !== 'string')
  check(all.length > 0, `${what}: there is nothing to ${what}`)
  check(destination !== '', `${what}: the destination is empty`)
  const stranger = Object.keys(options).find((key) => ![...common, ...known].includes(key))
  check(stranger === undefined, `${what} has no '${stranger}'`)
  for (const source of sources) {
    check(source !== '', `${what}: a source is empty`)
    check(isGlob(source), `${what}: '${source}' is not a pattern`)
  }
  for (const { name, content } of inline) {
    check(
      /^[^/\0]+$/.test(name ?? '') && !/^\.\.?$/.test(name),
      `${what}: '${name}' is not a file's name`,
    )
    check(typeof content === 'string', `${what}: ${name} has no content`)
  }
  const { chown, chmod, link, exclude } = options
  if (chown !== undefined)
    check(/^[^:\s]+(:[^:\s]*)?$/.test(chown), `${what}: '${chown}' is not user or user:group`)
  if (chmod !== undefined)
    check(isMode(chmod), `${what}: '${chmod}' is not a mode`, '0644 or u=rwX,go=rX')
  return {
    sources,
    inline: inline.map(({ name, content }) => ({ name, content })),
    destination,
    ...(chown !== undefined && { chown }),
    ...(chmod !== undefined && { chmod }),
    ...(link !== undefined && { link }),
    ...(exclude !== undefined && { exclude: [...exclude] }),
  }
}
