import { pathToFileURL } from 'node:url'
import { parseDependency } from '../apk/dependency.ts'
import { PlinthError } from '../errors.ts'

/** A trusted key of apk: the `file:` URL of what the publisher calls `….rsa.pub`, or that name and its PEM text. */
export type ApkKey = URL | { readonly name: string; readonly pem: string }

/** One repository of apk. */
export interface ApkRepository {
  /**
   * The same content at several addresses: the first that answers is used. `http:`, `https:`, `file:`, or the
   * absolute path of a directory; below it are those of the architectures.
   */
  readonly uris: readonly string[]
  /** nothing comes from it but what is asked for with `name@tag` */
  readonly tag?: string | undefined
}

interface ApkCommon {
  /** further packages as apk-add(8) names them: `curl`, `curl~8.14`, `curl>8`, `curl@edge`, `!curl` */
  readonly include?: readonly string[] | undefined
  /** whether the packages' own scripts run; default `run`, as apk does. `off` needs no executor */
  readonly scripts?: 'run' | 'off' | undefined
}

interface ApkKnown extends ApkCommon {
  /** the packages to start from, instead of the distribution's own choice */
  readonly packages?: readonly string[] | undefined
  /** instead of the usual mirror; several are tried in turn */
  readonly mirror?: string | readonly string[] | undefined
  /** besides the distribution's: as a line of etc/apk/repositories (`https://…`, `@edge https://…`), or spelled out */
  readonly repositories?: readonly (string | ApkRepository)[] | undefined
}

/** Alpine, whose mirror and keys plinth knows. */
export interface AlpineOptions extends ApkKnown {
  /** default `alpine` */
  readonly distro?: 'alpine' | undefined
  /** `3.22`, `edge`, `latest-stable` */
  readonly release: string
  /** default `main` and `community` */
  readonly components?: readonly string[] | undefined
  /** trusted besides Alpine's */
  readonly keys?: readonly ApkKey[] | undefined
}

/** Wolfi, whose mirror plinth knows; its key is to be given. */
export interface WolfiOptions extends ApkKnown {
  readonly distro: 'wolfi'
  readonly keys: readonly [ApkKey, ...ApkKey[]]
  readonly release?: never
  readonly components?: never
}

/** Any other set of repositories; everything is spelled out. */
export interface ApkCustomOptions extends ApkCommon {
  readonly distro: 'custom'
  readonly packages: readonly string[]
  readonly repositories: readonly (string | ApkRepository)[]
  readonly keys: readonly [ApkKey, ...ApkKey[]]
  readonly release?: never
  readonly components?: never
  readonly mirror?: never
}

interface ApkResolved {
  readonly kind: 'apk'
  /** undefined: the distribution's own choice */
  readonly packages: readonly string[] | undefined
  readonly include: readonly string[]
  readonly scripts: 'run' | 'off'
  readonly repositories: readonly ApkRepository[]
  readonly keys: readonly ApkKey[]
}

/** What `apk()` returns: its options with every default that needs no network filled in. */
export type ApkRootfs = ApkResolved &
  (
    | {
        readonly distro: 'alpine'
        /** as the mirror's directory is called: `v3.22` */
        readonly release: string
        readonly components: readonly string[]
        /** empty: the distribution's usual mirror */
        readonly mirrors: readonly string[]
      }
    | { readonly distro: 'wolfi'; readonly mirrors: readonly string[] }
    | { readonly distro: 'custom' }
  )

/**
 * A root filesystem of apk packages. Throws `RECIPE_INVALID` when an option cannot be meant; what only a
 * mirror knows (releases, packages) is checked when the recipe is planned.
 */
export function apk(options: AlpineOptions | WolfiOptions | ApkCustomOptions): ApkRootfs {
  checkOptions(options)
  const { distro = 'alpine', include = [], scripts = 'run' } = options
  const common = {
    kind: 'apk',
    packages: options.packages && [...options.packages],
    include: [...include],
    scripts,
    repositories: (options.repositories ?? []).map(readRepository),
    keys: [...(options.keys ?? [])],
  } as const
  if (distro === 'custom') return { ...common, distro }
  const { mirror = [] } = options
  const mirrors = (typeof mirror === 'string' ? [mirror] : mirror).map(readAddress)
  if (distro === 'wolfi') return { ...common, distro, mirrors }
  const { release = '', components = ['main', 'community'] } = options
  return {
    ...common,
    distro,
    release: release.replace(/^v?(?=\d)/, 'v'),
    components: [...components],
    mirrors,
  }
}

function checkOptions(options: AlpineOptions | WolfiOptions | ApkCustomOptions): void {
  const { distro = 'alpine', release, scripts = 'run' } = options
  if (!['alpine', 'wolfi', 'custom'].includes(distro)) {
    refuse(`distro '${distro}' is none of alpine, wolfi, custom`)
  }
  if (distro === 'alpine' && !/^(v?\d+\.\d+|edge|latest-stable)$/.test(release ?? '')) {
    refuse(`'${release}' is not a release of Alpine: write 3.22, edge or latest-stable`)
  }
  if (!['run', 'off'].includes(scripts)) refuse(`scripts '${scripts}' is neither run nor off`)
  for (const name of options.components ?? []) {
    if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) refuse(`'${name}' is not a component: main, community`)
  }
  if (distro !== 'alpine' && !options.keys?.length) {
    refuse(
      `${distro} needs keys: those its repositories are signed with`,
      distro === 'wolfi'
        ? 'Wolfi publishes its key beside its packages as wolfi-signing.rsa.pub: check it, and name the file'
        : 'ask their publisher for them; each is a file called as its signatures call it: ….rsa.pub',
    )
  }
  if (distro === 'custom' && !options.repositories?.length) refuse('repositories is empty')
  if (options.packages !== undefined || distro === 'custom') {
    if (!options.packages?.length) refuse('packages is empty')
  }
  for (const name of [...(options.packages ?? []), ...(options.include ?? [])]) {
    if (/\s/.test(name) || !parseDependency(name)?.name) {
      refuse(
        `'${name}' is not a package: write name, name=1.2-r3, name>=1.2, name~1.2, name@tag or !name`,
      )
    }
  }
}

/** A repository, perhaps as apk-repositories(5) has it in one line. */
function readRepository(given: string | ApkRepository): ApkRepository {
  const [, tag, uri] = typeof given === 'string' ? (/^(?:@(\S+)\s+)?(\S.*)$/.exec(given) ?? []) : []
  if (typeof given === 'string' && uri === undefined) {
    refuse(
      `'${given}' is not a repository: write an address, or a tag and an address: @edge https://…`,
    )
  }
  const repository = typeof given === 'string' ? { uris: [uri ?? ''], tag } : given
  if (repository.uris.length === 0) refuse('a repository has no address')
  if (repository.tag !== undefined && !/^[^\s@<>=~]+$/.test(repository.tag)) {
    refuse(`'${repository.tag}' is not a tag: one word, without @`)
  }
  return { uris: repository.uris.map(readAddress), tag: repository.tag }
}

/** An address in one form: a URL without a slash at its end. */
function readAddress(given: string): string {
  const text = given.startsWith('/') ? pathToFileURL(given).href : given
  if (!URL.canParse(text) || !/^(https?|file):$/.test(new URL(text).protocol)) {
    refuse(`'${given}' is no address of a repository: http:, https:, file: or an absolute path`)
  }
  return new URL(text).href.replace(/\/+$/, '')
}

function refuse(why: string, hint?: string): never {
  throw new PlinthError('RECIPE_INVALID', `apk(): ${why}`, { hint })
}
