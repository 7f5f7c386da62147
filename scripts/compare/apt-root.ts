import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { $ } from 'zx'
import { indexPackages } from '../../src/deb/packages.ts'
import { debianSources } from '../../src/distro/deb/presets.ts'
import { createUniverse, type Universe, type UniverseIndex } from '../../src/solver/apt/universe.ts'

/** What apt answered: the versions it would install by name, or that it refuses. */
export type AptAnswer =
  | { readonly refused: false; readonly packages: ReadonlyMap<string, string> }
  | { readonly refused: true; readonly output: string }

/** An empty root apt can be asked about, and the same indexes for plinth. */
export interface AptRoot {
  readonly universe: Universe
  readonly version: string
  install(packages: readonly string[], recommends: boolean): Promise<AptAnswer>
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
}): Promise<AptRoot> {
  const { suite, architecture, directory, chroot } = options
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
    await sourcesText(suite, architecture),
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
  if (update.exitCode !== 0) throw new Error(`apt-get update: ${update.stderr}`)
  const version = (await apt(['--version'])).stdout.split('\n', 1)[0] ?? ''
  const targets = await apt([
    'indextargets',
    '--format',
    '$(FILENAME)\t$(RELEASE)\t$(CODENAME)\t$(SUITE)\t$(COMPONENT)',
    'Created-By: Packages',
  ])

  const indexes: UniverseIndex[] = []
  for (const line of targets.stdout.trim().split('\n')) {
    const [file = '', release = '', codename = '', archive = '', component = ''] = line.split('\t')
    const bytes = await readFile(chroot === undefined ? file : path.join(chroot, file))
    const source = { id: file, suite: release, codename, archive, component }
    indexes.push({ packages: indexPackages(bytes, path.basename(file)), source })
  }
  return {
    universe: createUniverse({ architecture, indexes }),
    version,
    async install(packages, recommends) {
      const { exitCode, stdout, stderr } = await apt([
        'install',
        '-s',
        '-q',
        recommends ? '--install-recommends' : '--no-install-recommends',
        ...packages,
      ])
      return exitCode === 0
        ? { refused: false, packages: parseInst(stdout) }
        : { refused: true, output: stdout + stderr }
    },
  }
}

async function sourcesText(suite: string, architecture: string): Promise<string> {
  const sources = await debianSources({ suite, architecture })
  return sources
    .map(({ uris, suites, components }) =>
      [
        'Types: deb',
        `URIs: ${uris.join(' ')}`,
        `Suites: ${suites.join(' ')}`,
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

/** `Inst bash (5.2.37-2 Debian:13.1/stable [amd64])`. */
function parseInst(output: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [, name = '', version = ''] of output.matchAll(
    /^Inst (\S+) (?:\[[^\]]*\] )?\((\S+)/gm,
  ))
    found.set(name, version)
  return found
}
