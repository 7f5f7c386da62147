import { isIdlePreinst } from '../../deb/preinst.ts'
import { parseRelations, type Relation } from '../../deb/relation.ts'
import { rawFields } from '../../deb/status.ts'
import { satisfiesVersion } from '../../deb/version.ts'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { DebPlan, PlannedDeb } from '../../plan.ts'
import { parentOf, type Tree } from '../../rootfs/tree.ts'
import { Assembly, type DebPart } from './assemble.ts'
import type { ConfigurePackage } from './configure.ts'
import { dpkgDatabase } from './dpkg-database.ts'
import type { ControlFile, UnpackedDeb } from './unpack.ts'

/** A planned package with what was found in its file. */
export interface OpenedDeb {
  readonly planned: PlannedDeb
  readonly deb: UnpackedDeb
}

/** A Debian system as it is being unpacked; all of it is known when its entries have been read. */
export interface UnpackingSystem {
  /** what to write, in order, while packages arrive; a path may come again with other metadata or content */
  readonly entries: AsyncIterable<Entry>
  /** the whole tree; complete at the end of `entries` */
  readonly tree: Tree
  /** all packages, in plan order, as `configureDebs` takes them; at the end of `entries` */
  packages(): readonly ConfigurePackage[]
  /** A guess at the tree once dpkg has unpacked the rest, too: for work ahead; once, at the end of `entries`. */
  expected(): Promise<Tree>
}

/**
 * The root filesystem of a plan before its scripts run: packages laid over each other in plan order, dpkg's
 * database that says so, and apt's configuration. Packages outside the core whose preinst may do something are
 * left to dpkg: it may divert or prepare what unpacking then meets.
 *
 * Reading `entries` throws `FILE_CONFLICT`, `PATH_UNSAFE`, `CONTROL_INVALID`, and what `opened` rejects with.
 */
export async function unpackSystem(
  plan: DebPlan,
  opened: readonly Promise<OpenedDeb>[],
  {
    sameContent,
    onPackage,
  }: {
    readonly sameContent: (a: Entry, b: Entry) => Promise<boolean>
    /** called when a package's turn comes, before its first entry is handed out */
    readonly onPackage: (opened: OpenedDeb) => void
  },
): Promise<UnpackingSystem> {
  const mtime = plan.epoch
  const assembly = new Assembly({ usrMerge: await isUsrMerged(plan, opened), mtime, sameContent })
  const tree = new Map<string, Entry>()
  const all: Described[] = []
  async function* entries(): AsyncGenerator<Entry> {
    for (const one of opened) {
      const { planned, deb } = await one
      const described = describe({ planned, deb })
      all.push(described)
      onPackage({ planned, deb })
      if (described.configure.late !== undefined) continue
      for (const entry of await assembly.add(described.part)) yield entry
    }
    for (const [path, entry] of assembly.tree) tree.set(path, entry)
    const early = all.filter(({ configure }) => configure.late === undefined)
    const database = dpkgDatabase(
      early.map(({ part, deb }) => ({ ...part, deb, list: assembly.listOf(part) })),
      { architecture: plan.architecture, foreignArchitectures: foreignArchitectures(plan), mtime },
    )
    for (const entry of [...database, ...configuration(plan, tree)]) {
      if (entry.type === 'directory' && tree.has(entry.path)) continue
      for (const made of [...missingParents(tree, entry.path, mtime), entry]) {
        tree.set(made.path, made)
        yield made
      }
    }
  }
  return {
    entries: entries(),
    tree,
    packages: () => all.map(({ configure }) => configure),
    async expected() {
      const guess = new Map(tree)
      for (const { part, configure } of all) {
        if (configure.late === undefined) continue
        // what its preinst would have moved out of the way is dpkg's to tell
        const added = await assembly.add(part).catch((): Entry[] => [])
        for (const entry of added) guess.set(entry.path, entry)
      }
      return guess
    },
  }
}

interface Described {
  readonly deb: UnpackedDeb
  readonly part: Part
  readonly configure: ConfigurePackage
}

/** Reads the package's own control file: the index may be older or say less. */
function describe({ planned, deb }: OpenedDeb): Described {
  const fields = new Map(
    rawFields(deb.control, planned.name).map(([name, value]) => [name.toLowerCase(), value.trim()]),
  )
  const identity = `${fields.get('package')} ${fields.get('version')} ${fields.get('architecture')}`
  if (identity !== `${planned.name} ${planned.version} ${planned.architecture}`) {
    throw new PlinthError(
      'CONTROL_INVALID',
      `cannot use ${planned.path}: it is ${identity}, not ${planned.name} ${planned.version} ${planned.architecture}`,
      {
        hint: 'the repository lists another package under this name: report it to its publisher',
      },
    )
  }
  const multiArch = fields.get('multi-arch')
  const replaces = parseRelations(fields.get('replaces') ?? '').flat()
  const preinst = deb.controlFiles.find(({ name }) => name === 'preinst')
  const acts = preinst !== undefined && !isIdlePreinst(preinst.bytes)
  const part: Part = {
    name: planned.name,
    version: planned.version,
    architecture: planned.architecture,
    multiArch,
    entries: deb.entries,
    replaces: (other) => replaces.some((relation) => isMeant(relation, other as Part)),
  }
  return {
    deb,
    part,
    configure: {
      name: planned.name,
      architecture: planned.architecture,
      version: planned.version,
      multiArch,
      preinst: acts ? [controlFile(deb), ...deb.controlFiles] : undefined,
      core: planned.core,
      configureFirst: planned.configureFirst,
      late: acts && !planned.core ? { deb: planned.digest, size: planned.size } : undefined,
    },
  }
}

function controlFile({ control }: UnpackedDeb): ControlFile {
  const bytes = Buffer.from(control, 'utf8').toString('latin1')
  return { name: 'control', mode: 0o644, mtime: 0, bytes }
}

type Part = DebPart & { readonly version: string }

/** Replaces speaks of real packages only: dpkg lets nobody take over what merely provides the name. */
function isMeant(relation: Relation, part: Part): boolean {
  return relation.name === part.name && satisfies(relation, part.version)
}

function satisfies(relation: Relation, version: string): boolean {
  if (relation.version === undefined) return true
  return satisfiesVersion(version, relation.operator ?? '=', relation.version)
}

/** Merged /usr is what the packages say they are made for (Debian since 12, Ubuntu since 20.10). */
async function isUsrMerged(plan: DebPlan, opened: readonly Promise<OpenedDeb>[]): Promise<boolean> {
  if (plan.packages.some(({ name }) => name === 'usrmerge' || name === 'usr-is-merged')) return true
  const baseFiles = await opened[plan.packages.findIndex(({ name }) => name === 'base-files')]
  return (
    baseFiles?.deb.entries.some(({ path, type }) => path === 'bin' && type === 'symlink') ?? false
  )
}

function foreignArchitectures(plan: DebPlan): string[] {
  const foreign = new Set(plan.packages.map(({ architecture }) => architecture))
  foreign.delete('all')
  foreign.delete(plan.architecture)
  return [...foreign].toSorted()
}

/** What is neither in a package nor made by one: source lists, what apt counts as automatic, fstab. */
function configuration(plan: DebPlan, tree: Tree): Entry[] {
  const file = (path: string, text: string): Entry => {
    const bytes = Buffer.from(text)
    return {
      type: 'file',
      path,
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: plan.epoch,
      size: bytes.length,
      content: { kind: 'bytes', bytes },
    }
  }
  const entries = [file('etc/fstab', '# UNCONFIGURED FSTAB FOR BASE SYSTEM\n')]
  // also where no apt is: one from outside can go on with the same sources (`apt -o RootDir=…`)
  for (const path of aptDirectories)
    entries.push({ type: 'directory', path, mode: 0o755, uid: 0, gid: 0, mtime: plan.epoch })
  for (const [path, text] of Object.entries(plan.files)) entries.push(file(path, text))
  if (tree.has('usr/bin/apt-get')) {
    const automatic = plan.packages.filter((pkg) => pkg.automatic)
    const states = automatic.map(({ name, architecture }) => {
      const native = architecture === 'all' ? plan.architecture : architecture
      return `Package: ${name}\nArchitecture: ${native}\nAuto-Installed: 1\n\n`
    })
    if (states.length > 0) entries.push(file('var/lib/apt/extended_states', states.join('')))
  }
  return entries
}

/** Where apt has its sources and state, as its package makes them. */
const aptDirectories: readonly string[] = [
  'etc/apt/apt.conf.d',
  'etc/apt/preferences.d',
  'etc/apt/sources.list.d',
  'var/cache/apt/archives/partial',
  'var/lib/apt/lists/partial',
  'var/log/apt',
]

function missingParents(tree: Tree, path: string, mtime: number): Entry[] {
  const missing: Entry[] = []
  for (let at = parentOf(path); at !== '' && !tree.has(at); at = parentOf(at)) {
    missing.unshift({ type: 'directory', path: at, mode: 0o755, uid: 0, gid: 0, mtime })
  }
  return missing
}
