import type { Digest } from '../../digest.ts'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { RunRequest, Workspace } from '../../ports.ts'
import type { Tree } from '../../rootfs/tree.ts'
import { file, owned, scratch, stubs } from './configure-stubs.ts'
import type { ControlFile } from './unpacked-record.ts'

/** A package as configuring needs it. */
export interface ConfigurePackage {
  readonly name: string
  readonly architecture: string
  readonly multiArch: string | undefined
  readonly version: string
  /** what its preinst finds beside it, itself included; of packages whose preinst does something at first */
  readonly preinst: readonly ControlFile[] | undefined
  /** of the system's core, which is configured before anything else */
  readonly core: boolean
  /** what dpkg configures before it unpacks this one, as its command line takes it */
  readonly configureFirst: readonly string[]
  /** dpkg unpacks it itself, running its preinst before: only then diversions and the like hold */
  readonly late?: { readonly deb: Digest; readonly size: number } | undefined
}

export interface ConfigureOptions {
  readonly epoch: number
  /** the unpacked tree */
  readonly tree: Tree
}

export interface ConfigureDeps {
  readonly workspace: Workspace
  /** a line some script wrote */
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void
  readonly onProgress?: ((done: number) => void) | undefined
}

/**
 * Lets the distribution's own scripts configure packages that lie unpacked in the workspace: preinsts
 * (base-passwd first: it makes the users), then dpkg, which orders, configures and runs triggers. As on a
 * system that grows, the core comes first, then what some package must find configured, then the rest:
 * users get their numbers and alternatives their choices in this order. Late packages are unpacked by dpkg
 * itself, each when its turn comes.
 *
 * Throws `SCRIPT_FAILED` naming the package, with the end of its output in `facts.output`.
 */
export async function configureDebs(
  packages: readonly ConfigurePackage[],
  options: ConfigureOptions,
  deps: ConfigureDeps,
): Promise<void> {
  const late = packages.filter((pkg) => pkg.late)
  const preinsts = packages.filter((pkg) => pkg.preinst && !pkg.late)
  preinsts.sort((a, b) => Number(b.name === 'base-passwd') - Number(a.name === 'base-passwd'))
  await deps.workspace.write([...stubs(options.tree), ...scratchFiles(preinsts, late)])
  const dpkg = packages.find(({ name }) => name === 'dpkg')
  const session = new Session({ epoch: options.epoch, dpkg: dpkg?.version ?? '' }, deps)

  // what stands in for awk until an alternative is set
  const awk = ['mawk', 'gawk', 'original-awk'].find((name) => options.tree.has(`usr/bin/${name}`))
  await session.preinsts(preinsts, awk)

  const core = packages.filter((pkg) => pkg.core)
  if (core.length < packages.length) {
    const names = core.map(dpkgName)
    await session.dpkg('configure', [...triggersLater, '--configure', ...names], 'tolerant')
    await grow(packages.slice(core.length), session)
  }
  await session.dpkg('configure', ['--configure', '-a'])
}

function scratchFiles(
  preinsts: readonly ConfigurePackage[],
  late: readonly ConfigurePackage[],
): Entry[] {
  const directory = (path: string): Entry => ({ type: 'directory', path, mode: 0o755, ...owned })
  const entries: Entry[] = []
  for (const pkg of preinsts) {
    entries.push(directory(controlDirectory(pkg)))
    for (const { name, mode, bytes } of pkg.preinst ?? [])
      entries.push(file(`${controlDirectory(pkg)}/${name}`, Buffer.from(bytes, 'latin1'), mode))
  }
  for (const pkg of late) {
    entries.push({
      type: 'file',
      path: lateFile(pkg),
      mode: 0o644,
      ...owned,
      size: pkg.late!.size,
      content: { kind: 'blob', digest: pkg.late!.deb, offset: 0 },
    })
  }
  return entries
}

function controlDirectory(pkg: ConfigurePackage): string {
  return `${scratch}/${pkg.name}_${pkg.architecture}`
}

function lateFile(pkg: ConfigurePackage): string {
  return `${scratch}/${pkg.name}_${pkg.architecture}.deb`
}

/**
 * Configures and unpacks in turns, in the packages' order. Of those that lie there already only the
 * configuring is to be done, so that turns are joined until dpkg must unpack one.
 */
async function grow(packages: readonly ConfigurePackage[], session: Session): Promise<void> {
  let late: ConfigurePackage[] = []
  let waiting: string[] = []
  const flush = async () => {
    if (late.length > 0)
      await session.dpkg('unpack', ['--unpack', ...late.map((pkg) => `/${lateFile(pkg)}`)])
    if (waiting.length > 0)
      await session.dpkg('configure', [...triggersLater, '--configure', ...waiting], 'tolerant')
    late = []
    waiting = []
  }
  for (const pkg of packages) {
    waiting.push(...pkg.configureFirst)
    if (pkg.late === undefined) continue
    if (waiting.length > 0) await flush()
    late.push(pkg)
  }
  await flush()
}

/** Once, at the end, as with apt: ldconfig alone is a good part of a small build. */
const triggersLater = ['--no-triggers']

function dpkgName({ name, architecture }: ConfigurePackage): string {
  return architecture === 'all' ? name : `${name}:${architecture}`
}

/** Runs things in the workspace with the environment maintainer scripts expect (Debian policy 6, 10.4). */
class Session {
  readonly #deps: ConfigureDeps
  readonly #env: Record<string, string>
  readonly #dpkg: string
  #configured = 0

  constructor(
    { epoch, dpkg }: { readonly epoch: number; readonly dpkg: string },
    deps: ConfigureDeps,
  ) {
    this.#deps = deps
    // what dpkg calls itself has neither epoch nor revision
    this.#dpkg = dpkg.replace(/^\d+:/, '').replace(/-[^-]*$/, '')
    this.#env = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/root',
      LC_ALL: 'C.UTF-8',
      DEBIAN_FRONTEND: 'noninteractive',
      DEBCONF_NONINTERACTIVE_SEEN: 'true',
      SOURCE_DATE_EPOCH: String(epoch),
    }
  }

  /** Runs preinsts one after the other in a single shell. */
  async preinsts(packages: readonly ConfigurePackage[], awk: string | undefined): Promise<void> {
    if (packages.length === 0) return
    const args = packages.flatMap((pkg) => [
      pkg.name,
      pkg.architecture,
      `/${controlDirectory(pkg)}`,
    ])
    const { code, output } = await this.#run({
      argv: ['/bin/sh', '-c', preinstLoop, 'preinst', this.#dpkg, awk ?? '', ...args],
    })
    const failed = output.findLast((line) => line.startsWith(failureMark))
    if (code !== 0) {
      const name = failed?.slice(failureMark.length)
      throw scriptFailed(
        name,
        'its preinst',
        code,
        output.filter((line) => line !== failed),
      )
    }
  }

  async dpkg(
    what: string,
    args: readonly string[],
    /** tolerant of packages whose time has not come; a script must not fail either way */
    failures: 'fatal' | 'tolerant' = 'fatal',
  ): Promise<void> {
    const { code, output } = await this.#run({
      // everything is thrown away when the machine goes down: no need to wait for the disk
      argv: ['dpkg', '--force-unsafe-io', '--abort-after=1', ...args],
    })
    if (code === 0 || (failures === 'tolerant' && isWaiting(output))) return
    throw scriptFailed(failedPackage(output), `dpkg could not ${what} it`, code, output)
  }

  async #run(request: Pick<RunRequest, 'argv'>): Promise<{ code: number; output: string[] }> {
    const output: string[] = []
    const status = await this.#deps.workspace.run({
      ...request,
      env: this.#env,
      network: 'none',
      onLine: (stream, line) => {
        output.push(line)
        if (output.length > 200) output.shift()
        if (line.startsWith('Setting up ')) this.#deps.onProgress?.(++this.#configured)
        if (!line.startsWith(failureMark)) this.#deps.onLine(stream, line)
      },
    })
    return { code: status.code, output }
  }
}

/** Whether dpkg stopped at a package because others it depends on are not configured yet. */
function isWaiting(output: readonly string[]): boolean {
  return output.includes(' dependency problems - leaving unconfigured')
}

/** The package dpkg had trouble with first; of a late one it names the file (`lateFile`). */
function failedPackage(output: readonly string[]): string | undefined {
  for (const line of output) {
    const name = /^dpkg: error processing (?:package|archive) (?:\S*\/)?([^\s_/]+)\S* /.exec(
      line,
    )?.[1]
    if (name !== undefined) return name
  }
  return undefined
}

const failureMark = 'plinth-preinst-failed '

/**
 * Arguments: dpkg's version, the awk to stand in until an alternative is set (base-files Pre-Depends on one),
 * then name, architecture and control directory of each package. The variables are dpkg's (dpkg(1),
 * Environment), and so is the path: debconf finds the package's name and templates there.
 */
const preinstLoop = `
version=$1 awk=$2; shift 2
ci=/var/lib/dpkg/tmp.ci
if [ -n "$awk" ] && [ ! -e /usr/bin/awk ] && [ ! -h /usr/bin/awk ]; then ln -s "$awk" /usr/bin/awk; else awk=; fi
while [ $# -gt 0 ]; do
  ln -sfn "$3" "$ci"
  if ! DPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_ARCH=$2 DPKG_MAINTSCRIPT_NAME=preinst \\
    DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_DEBUG=0 DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= \\
    DPKG_RUNNING_VERSION=$version "$ci/preinst" install; then
    echo "${failureMark}$1"
    exit 1
  fi
  shift 3
done
rm -f "$ci"
if [ -n "$awk" ] && [ "$(readlink /usr/bin/awk)" = "$awk" ]; then rm -f /usr/bin/awk; fi
`

function scriptFailed(
  name: string | undefined,
  what: string,
  code: number,
  output: readonly string[],
): PlinthError {
  const tail = output.slice(-20)
  return new PlinthError(
    'SCRIPT_FAILED',
    `cannot configure ${name ?? 'the packages'}: ${what} (exit code ${code})\n${tail.map((line) => `  | ${line}`).join('\n')}`,
    {
      hint: name
        ? `the lines above are what it said; leave the package out (${name}-) or report it to its maintainer`
        : 'the lines above are what it said',
      facts: { package: name, exitCode: code, output: tail },
    },
  )
}
