import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { $ } from 'zx'
import { indexPackages } from '../../src/deb/packages.ts'
import { debianSources } from '../../src/distro/deb/presets.ts'
import {
  createUniverse,
  type IndexSource,
  type Universe,
  type UniverseIndex,
} from '../../src/solver/apt/universe.ts'
import type { Variant } from '../../src/solver/apt/variants.ts'
import { ScriptError } from '../arguments.ts'

/** What apt answered: the versions it would install by name, or that it refuses. */
export type AptAnswer =
  | { readonly refused: false; readonly packages: ReadonlyMap<string, string> }
  | { readonly refused: true; readonly output: string }

/** An empty root apt can be asked about, and the same indexes for plinth. */
export interface AptRoot {
  readonly universe: Universe
  readonly version: string
  /** What apt would install, as mmdebstrap has it do that for a variant: the essential packages first. */
  install(request: {
    readonly variant: Variant
    readonly include: readonly string[]
    readonly recommends: boolean
  }): Promise<AptAnswer>
}

/**
 * Makes an empty root of its own in `directory`, with the suite's usual sources, and has apt fetch the
 * indexes into it. `chroot` runs the apt inside another system (a newer one), whose tree must then
 * hold `directory`.
 */
export async function openAptRoot(options: {
  readonly suite: string
  readonly architecture: string
  readonly directory: string
  readonly chroot?: string | undefined
  /** further suites of the same mirror: `trixie-backports` */
  readonly also?: readonly string[] | undefined
}): Promise<AptRoot> {
  const { suite, architecture, directory, chroot, also = [] } = options
  // a file apt finds by its own name for the directory
  const inside = chroot === undefined ? directory : `/${path.relative(chroot, directory)}`
  const prefix = chroot === undefined ? [] : ['chroot', chroot]
  for (const name of [
    'etc/apt',
    'var/lib/apt/lists/partial',
    'var/lib/dpkg',
    'var/cache/apt/archives/partial',
  ]) {
    await mkdir(path.join(directory, name), { recursive: true })
  }
  await writeFile(path.join(directory, 'var/lib/dpkg/status'), '')
  await writeFile(
    path.join(directory, 'etc/apt/sources.sources'),
    await sourcesText(suite, also, architecture),
  )
  await writeFile(path.join(directory, 'apt.conf'), configuration(inside, architecture))

  const env = {
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    APT_CONFIG: `${inside}/apt.conf`,
  }
  const apt = (argv: readonly string[]) =>
    $({ env, quiet: true, nothrow: true })`${[...prefix, 'apt-get', ...argv]}`
  const update = await apt(['update', '-q', '--error-on=any'])
  if (update.exitCode !== 0) throw new ScriptError(`apt-get update says:\n${update.stderr.trim()}`)
  const version = (await apt(['--version'])).stdout.split('\n', 1)[0] ?? ''
  const targets = await apt([
    'indextargets',
    '--format',
    '$(FILENAME)\t$(RELEASE)\t$(CODENAME)\t$(SUITE)\t$(COMPONENT)',
    'Created-By: Packages',
  ])

  const outside = (file: string) => (chroot === undefined ? file : path.join(chroot, file))
  const indexes: UniverseIndex[] = []
  for (const line of targets.stdout.trim().split('\n')) {
    const [file = '', release = '', codename = '', archive = '', component = ''] = line.split('\t')
    const bytes = await readFile(outside(file))
    const text = await readFile(outside(file.replace(/_[^_]+_binary-.*$/, '_InRelease')), 'utf8')
    const source: IndexSource = {
      id: file,
      suite: release,
      codename,
      archive,
      component,
      notAutomatic: /^NotAutomatic: yes/m.test(text),
      butAutomaticUpgrades: /^ButAutomaticUpgrades: yes/m.test(text),
    }
    indexes.push({ packages: indexPackages(bytes, path.basename(file)), source })
  }
  const universe = createUniverse({ architecture, indexes })
  let counter = 0

  /** Asks apt in a system that has these packages. */
  const ask = async (
    argv: readonly string[],
    installed: ReadonlyMap<string, string>,
  ): Promise<AptAnswer> => {
    const name = `var/lib/dpkg/status.${counter++}`
    if (installed.size > 0) {
      await writeFile(path.join(directory, name), statusText(universe, installed))
      // in memory: what lies on the disk is of the empty system
      const status = `Dir::State::status=${inside}/${name}`
      argv = [...argv, '-o', status, '-o', 'Dir::Cache::pkgcache=']
    }
    const { exitCode, stdout, stderr } = await apt(['-s', '-q', ...argv])
    await rm(path.join(directory, name), { force: true })
    if (exitCode !== 0) return { refused: true, output: stdout + stderr }
    // a bootstrap does not stay to be asked
    if (/^WARNING: The following essential packages will be removed/m.test(stdout + stderr))
      return { refused: true, output: stdout + stderr }
    return { refused: false, packages: new Map([...installed, ...changes(stdout)].filter(isThere)) }
  }
  return {
    universe,
    version,
    async install({ variant, include, recommends }) {
      const shared = [recommends ? '--install-recommends' : '--no-install-recommends']
      if (variant === 'custom') return ask([...shared, 'install', ...include], new Map())
      if (variant !== 'apt') shared.push(...aptIsNotEssential)
      const leftOut = include.filter((one) => one.endsWith('-') && !isName(universe, one))
      const first = await ask(
        variant === 'apt'
          ? [...shared, 'dist-upgrade', ...leftOut]
          : [...shared, 'install', ...leftOut, narrowed('?essential', { suite, architecture })],
        new Map(),
      )
      const wanted = [...include, ...named(variant, { suite, architecture })]
      if (first.refused || wanted.length === leftOut.length) return first
      return ask([...shared, 'install', ...wanted], first.packages)
    },
  }
}

/** As mmdebstrap tells apt; caches that were made before would still say otherwise. */
const aptIsNotEssential = [
  'pkgCacheGen::ForceEssential=,',
  'Dir::Cache::pkgcache=pkgcache.bare.bin',
  'Dir::Cache::srcpkgcache=srcpkgcache.bare.bin',
].flatMap((setting) => ['-o', setting])

/** What a variant adds to the essential packages, as mmdebstrap asks for it. */
function named(
  variant: Variant,
  of: { readonly suite: string; readonly architecture: string },
): readonly string[] {
  const priorities = { minbase: 1, important: 2, standard: 3 }[variant as string] ?? 0
  const any = ['required', 'important', 'standard']
    .slice(0, priorities)
    .map((priority) => `?priority(${priority})`)
  return [
    ...(variant === 'buildd' ? ['build-essential'] : []),
    ...(priorities > 0 ? [narrowed(`?and(?or(${any.join()}),?not(?essential))`, of)] : []),
    ...(priorities > 0 || variant === 'buildd' ? ['apt'] : []),
  ]
}

function narrowed(
  pattern: string,
  { suite, architecture }: { readonly suite: string; readonly architecture: string },
): string {
  return `?narrow(?or(?archive(^${suite}$),?codename(^${suite}$)),?architecture(${architecture}),${pattern})`
}

function isName(universe: Universe, name: string): boolean {
  return universe.indexes.some(({ packages }) => packages.find(name).length > 0)
}

/** The dpkg status of a system with these packages. */
function statusText(universe: Universe, installed: ReadonlyMap<string, string>): string {
  const stanzas: string[] = []
  for (const [name, version] of installed) {
    const found = universe.indexes
      .flatMap(({ packages }) => packages.find(name).map((number) => packages.record(number)))
      .find((record) => record.version === version)
    if (found === undefined) throw new ScriptError(`no index has ${name} ${version}`)
    stanzas.push(`${found.stanza().trim()}\nStatus: install ok installed\n`)
  }
  return stanzas.join('\n')
}

async function sourcesText(
  suite: string,
  also: readonly string[],
  architecture: string,
): Promise<string> {
  const sources = await debianSources({ suite, architecture })
  return sources
    .map(({ uris, suites, components }, number) =>
      [
        'Types: deb',
        `URIs: ${uris.join(' ')}`,
        `Suites: ${[...suites, ...(number === 0 ? also : [])].join(' ')}`,
        `Components: ${components.join(' ')}`,
        'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
        '',
      ].join('\n'),
    )
    .join('\n')
}

/** Everything apt reads or writes is in the directory; indexes stay plain so that both sides read them. */
function configuration(directory: string, architecture: string): string {
  return [
    `Dir "${directory}";`,
    'Dir::Etc "etc/apt";',
    'Dir::Etc::SourceList "sources.sources";',
    'Dir::Etc::SourceParts "/dev/null";',
    'Dir::Etc::Main "/dev/null";',
    'Dir::Etc::Parts "/dev/null";',
    'Dir::Etc::Preferences "/dev/null";',
    'Dir::Etc::PreferencesParts "/dev/null";',
    `Dir::State::status "${directory}/var/lib/dpkg/status";`,
    `APT::Architecture "${architecture}";`,
    `APT::Architectures { "${architecture}"; };`,
    'APT::Sandbox::User "root";',
    'Acquire::Languages "none";',
    'Acquire::GzipIndexes "false";',
    'Acquire::Check-Valid-Until "false";',
    '',
  ].join('\n')
}

/** `Inst bash [5.2.37-1] (5.2.37-2 Debian:13.1/stable [amd64])` and `Remv bash [5.2.37-1]`. */
function* changes(output: string): Generator<readonly [name: string, version: string]> {
  const line = /^(?:Inst (\S+) (?:\[[^\]]*\] )?\((\S+)|Remv (\S+))/gm
  for (const [, name, version, removed] of output.matchAll(line))
    yield name === undefined ? [removed!, ''] : [name, version!]
}

function isThere([, version]: readonly [string, string]): boolean {
  return version !== ''
}
