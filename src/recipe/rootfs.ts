import { PlinthError } from '../errors.ts'
import type { ApkRootfs } from './apk-rootfs.ts'

/** Where the root filesystem of a recipe comes from: pure data, resolved when the recipe is planned. */
export type Rootfs = DebRootfs | ApkRootfs

/** Package sets of a Debian bootstrap, smallest first; `custom` is `include` alone. */
export const debVariants = [
  'custom',
  'essential',
  'apt',
  'minbase',
  'buildd',
  'important',
  'standard',
] as const
export type DebVariant = (typeof debVariants)[number]

/** Checks that may be left out, each by name; a plan and its image record which were. */
export const skippableChecks = ['check/valid-until', 'check/date', 'check/suite'] as const
export type SkippableCheck = (typeof skippableChecks)[number]

/** A trusted OpenPGP key: an armored block, a binary one, or the `file:` URL of either. */
export type Key = string | Uint8Array | URL

/** One repository, as a stanza of sources.list(5) says it. */
export interface DebSource {
  /** the same content at several addresses: the first that answers is used */
  readonly uris: readonly string[]
  /** `trixie`, `trixie-updates`; a flat repository's ends with `/` */
  readonly suites: readonly string[]
  /** none for a flat repository */
  readonly components?: readonly string[] | undefined
  /** Debian architectures it is asked for; default all */
  readonly architectures?: readonly string[] | undefined
  /** keys that may sign it; default the `keys` of the root filesystem */
  readonly signedBy?: readonly Key[] | undefined
}

interface DebCommon {
  /** default `minbase` */
  readonly variant?: DebVariant | undefined
  /** further packages as apt-get(8) names them: `curl`, `curl=8.14.1-2`, `curl/trixie-backports`, `nano-` */
  readonly include?: readonly string[] | undefined
  /** also what packages recommend; default no, as in every base image */
  readonly recommends?: boolean | undefined
  readonly skip?: readonly SkippableCheck[] | undefined
}

/** A distribution plinth knows the mirrors, pockets and keys of. */
export interface DebPresetOptions extends DebCommon {
  /** default `debian` */
  readonly distro?: 'debian' | 'ubuntu' | undefined
  readonly suite: string
  /** the pockets to use instead of the suite's usual ones (release, updates, security) */
  readonly suites?: readonly string[] | undefined
  /** instead of the usual mirror; several are tried in turn */
  readonly mirror?: string | readonly string[] | undefined
  /** default the distribution's own choice (`main`) */
  readonly components?: readonly string[] | undefined
  /** repositories besides the distribution's: stanzas, or deb822 text */
  readonly sources?: readonly DebSource[] | string | undefined
  /** keys trusted instead of the distribution's */
  readonly keys?: readonly Key[] | undefined
}

/** Any other set of repositories; everything is spelled out. */
export interface DebCustomOptions extends DebCommon {
  readonly distro: 'custom'
  /** stanzas, or deb822 text as in `/etc/apt/sources.list.d/*.sources` */
  readonly sources: readonly DebSource[] | string
  readonly keys?: readonly Key[] | undefined
  readonly suite?: never
  readonly suites?: never
  readonly mirror?: never
  readonly components?: never
}

interface DebResolved {
  readonly kind: 'deb'
  readonly variant: DebVariant
  readonly include: readonly string[]
  readonly recommends: boolean
  readonly skip: readonly SkippableCheck[]
  /** how packages are configured: `run` runs their own maintainer scripts */
  readonly configure: 'run'
  /** undefined: the distribution's keys */
  readonly keys?: readonly Key[] | undefined
  readonly sources: readonly DebSource[] | string
}

/** What `deb()` returns: its options with every default that needs no network filled in. */
export type DebRootfs = DebResolved &
  (
    | {
        readonly distro: 'debian' | 'ubuntu'
        readonly suite: string
        readonly suites?: readonly string[] | undefined
        /** empty: the distribution's usual mirrors */
        readonly mirrors: readonly string[]
        readonly components?: readonly string[] | undefined
      }
    | { readonly distro: 'custom' }
  )

/**
 * A root filesystem of Debian packages. Throws `RECIPE_INVALID` when an option cannot be meant;
 * what only a mirror knows (suites, packages) is checked when the recipe is planned.
 */
export function deb(options: DebPresetOptions | DebCustomOptions): DebRootfs {
  checkOptions(options)
  const common = {
    kind: 'deb',
    variant: options.variant ?? 'minbase',
    include: [...(options.include ?? [])],
    recommends: options.recommends ?? false,
    skip: [...new Set(options.skip)].toSorted(),
    configure: 'run',
    keys: options.keys,
    sources: options.sources ?? [],
  } as const
  if (options.distro === 'custom') return { ...common, distro: 'custom' }
  return {
    ...common,
    distro: options.distro ?? 'debian',
    suite: options.suite,
    suites: options.suites,
    mirrors: typeof options.mirror === 'string' ? [options.mirror] : [...(options.mirror ?? [])],
    components: options.components,
  }
}

function checkOptions(options: DebPresetOptions | DebCustomOptions): void {
  if (options.distro !== 'custom' && !/^[a-z0-9][a-z0-9./+-]*$/.test(options.suite ?? '')) {
    refuse(`'${options.suite}' is not a suite name`)
  }
  if (options.distro === 'custom' && options.sources.length === 0) refuse('sources is empty')
  if (options.variant !== undefined && !debVariants.includes(options.variant)) {
    refuse(`variant '${options.variant}' is none of ${debVariants.join(', ')}`)
  }
  if (options.variant === 'custom' && !options.include?.length) {
    refuse("variant 'custom' is what include names, and include is empty")
  }
  for (const name of options.include ?? []) {
    if (!/^[a-z0-9][a-z0-9.+-]*(:[a-z0-9-]+)?([=/][^\s=/]+)?$/i.test(name)) {
      refuse(`'${name}' in include is not a package: write name, name=version, name/suite or name-`)
    }
  }
  for (const check of options.skip ?? []) {
    if (!skippableChecks.includes(check)) {
      refuse(`'${check}' is no check that can be skipped: ${skippableChecks.join(', ')}`)
    }
  }
}

function refuse(why: string): never {
  throw new PlinthError('RECIPE_INVALID', `deb(): ${why}`)
}
