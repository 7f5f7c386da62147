import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { parseRelations } from '../../src/deb/relation.ts'
import { rawFields } from '../../src/deb/status.ts'
import { satisfiesVersion } from '../../src/deb/version.ts'
import { Assembly, type DebPart } from '../../src/distro/deb/assemble.ts'
import { dpkgDatabase } from '../../src/distro/deb/dpkg-database.ts'
import { unpackDeb, type UnpackedDeb } from '../../src/distro/deb/unpack.ts'
import type { Entry } from '../../src/entry.ts'
import type { Store } from '../../src/ports.ts'
import { contentReader } from '../../src/store/content.ts'

/** What stands at each path, apart from dpkg's database, and that database's files by name. */
export interface UnpackedSystem {
  readonly tree: Readonly<Record<string, string>>
  readonly database: Readonly<Record<string, string>>
}

const home = 'var/lib/dpkg/'
const architecture = 'amd64'
/** Files that only a dpkg that ran has. */
const leftByRunning =
  /^(status-old|diversions|statoverride|available|lock.*|updates\/.*|triggers\/(Lock|Unincorp)|arch)$/

/** Unpacks packages with the real dpkg into `root`; the exit status and what it said when it fails. */
export function unpackWithDpkg(
  debs: readonly Uint8Array[],
  root: string,
): UnpackedSystem | { readonly failed: string } {
  for (const name of ['info', 'updates', 'triggers', 'parts'])
    mkdirSync(path.join(root, home, name), { recursive: true })
  writeFileSync(path.join(root, home, 'status'), '')
  const files = debs.map((deb, index) => {
    const file = `${root}-${index}.deb`
    writeFileSync(file, deb)
    return file
  })
  const forced = ['--force-unsafe-io', '--force-depends', '--force-not-root', '--force-bad-path']
  const { status, stderr } = spawnSync(
    'dpkg',
    [`--root=${root}`, '--log=/dev/null', '--no-triggers', ...forced, '--add-architecture', 'i386'],
    { encoding: 'utf8' },
  )
  if (status !== 0) return { failed: stderr }
  const run = spawnSync(
    'dpkg',
    [`--root=${root}`, '--log=/dev/null', ...forced, '--unpack', ...files],
    { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } },
  )
  if (run.status !== 0) return { failed: run.stderr }
  return { tree: listRoot(root), database: databaseOf(root) }
}

/** A root filesystem as lines; hard links by the first path of their group. */
function listRoot(root: string): Record<string, string> {
  const tree: Record<string, string> = {}
  const inodes = new Map<number, string>()
  const names = walk(root).toSorted()
  for (const name of names) {
    if (`${name}/`.startsWith('var/lib/dpkg/') || isParentOfHome(name)) continue
    tree[name.replace(/\.dpkg-new$/, '')] = describe(path.join(root, name), name, inodes)
  }
  return tree
}

function describe(file: string, name: string, inodes: Map<number, string>): string {
  const stat = lstatSync(file)
  const meta = `${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(file)}`
  if (stat.isDirectory()) return `directory ${meta}`
  const first = inodes.get(stat.ino)
  if (first !== undefined) return `== ${first}`
  if (stat.nlink > 1) inodes.set(stat.ino, name)
  if (stat.isFIFO()) return `fifo ${meta} ${stat.mtimeMs / 1000}`
  return `file ${meta} ${stat.mtimeMs / 1000} ${md5(readFileSync(file))}`
}

/** Every path below, symbolic links not followed. */
function walk(root: string, below = ''): string[] {
  return readdirSync(path.join(root, below), { withFileTypes: true }).flatMap((file) => {
    const name = path.join(below, file.name)
    return file.isDirectory() ? [name, ...walk(root, name)] : [name]
  })
}

function isParentOfHome(name: string): boolean {
  return ['var', 'var/lib'].includes(name)
}

function databaseOf(root: string): Record<string, string> {
  const files = readdirSync(path.join(root, home), { recursive: true, withFileTypes: true })
  const database: Record<string, string> = {}
  for (const file of files) {
    const full = path.join(file.parentPath, file.name)
    const name = path.relative(path.join(root, home), full)
    if (!file.isFile() || leftByRunning.test(name)) continue
    const mode = (lstatSync(full).mode & 0o777).toString(8)
    database[name] = `${mode}\n${normal(name, readFileSync(full, 'latin1'))}`
  }
  return database
}

/** The same from plinth: unpacked, laid over each other and recorded, contents read from the store. */
export async function unpackWithPlinth(
  debs: readonly Uint8Array[],
  store: Store,
  options: { readonly usrMerge?: boolean } = {},
): Promise<UnpackedSystem> {
  using contents = contentReader(store)
  const bytesOf = async (e: Entry) =>
    e.type === 'file' ? Buffer.from(await contents.bytes(e.content, e.size)) : Buffer.alloc(0)
  const assembly = new Assembly({
    usrMerge: options.usrMerge ?? false,
    mtime: 0,
    sameContent: async (a, b) =>
      a.type === b.type &&
      ('target' in a
        ? a.target === (b as typeof a).target
        : (await bytesOf(a)).equals(await bytesOf(b))),
  })
  const parts: (DebPart & { deb: UnpackedDeb })[] = []
  for (const bytes of debs) {
    const { digest } = await store.put([bytes])
    const part = partOf(await unpackDeb(digest, 'package', store))
    parts.push(part)
    await assembly.add(part)
  }
  const entries = dpkgDatabase(
    parts.map((part) => ({ ...part, list: assembly.listOf(part) })),
    { architecture, mtime: 0 },
  )
  const database: Record<string, string> = {}
  for (const entry of entries) {
    const name = entry.path.slice(home.length)
    if (entry.type !== 'file' || leftByRunning.test(name)) continue
    database[name] =
      `${entry.mode.toString(8)}\n${normal(name, (await bytesOf(entry)).toString('latin1'))}`
  }
  const tree: Record<string, string> = {}
  const groups = new Map<string, string[]>()
  for (const e of assembly.tree.values()) {
    if (e.type !== 'file' && e.type !== 'hardlink') continue
    const target = e.type === 'hardlink' ? e.target : e.path
    groups.set(target, [...(groups.get(target) ?? []), e.path])
  }
  const heads = new Map<string, string>()
  for (const group of groups.values()) {
    const [head, ...others] = group.toSorted()
    for (const other of others) heads.set(other, head!)
    heads.delete(head!)
  }
  for (const [name, entry] of assembly.tree) {
    if (isParentOfHome(name)) continue
    const meta = `${entry.mode.toString(8)} ${entry.uid}:${entry.gid}`
    const head = heads.get(name)
    if (head !== undefined) tree[name] = `== ${head}`
    else if (entry.type === 'symlink') tree[name] = `-> ${entry.target}`
    else if (entry.type === 'directory') tree[name] = `directory ${meta}`
    else if (entry.type === 'fifo') tree[name] = `fifo ${meta} ${entry.mtime}`
    else {
      const file = entry.type === 'hardlink' ? assembly.tree.get(entry.target)! : entry
      const fileMeta = `${file.mode.toString(8)} ${file.uid}:${file.gid}`
      tree[name] = `file ${fileMeta} ${file.mtime} ${md5(await bytesOf(file))}`
    }
  }
  return { tree, database }
}

function partOf(deb: UnpackedDeb): DebPart & { deb: UnpackedDeb; version: string } {
  const fields = new Map(
    rawFields(deb.control, 'x').map(([name, value]) => [name.toLowerCase(), value.trim()]),
  )
  const replaces = parseRelations(fields.get('replaces') ?? '').flat()
  return {
    deb,
    name: fields.get('package')!,
    version: fields.get('version')!,
    architecture: fields.get('architecture')!,
    multiArch: fields.get('multi-arch'),
    entries: deb.entries,
    replaces: (other) =>
      replaces.some(
        ({ name, operator, version }) =>
          name === other.name &&
          (version === undefined ||
            satisfiesVersion(
              (other as unknown as { version: string }).version,
              operator ?? '=',
              version,
            )),
      ),
  }
}

/**
 * Conffiles: dpkg leaves them beside their place until it configures the package, plinth puts them there and
 * says so in `status`. What has no order of its own is sorted.
 */
function normal(name: string, text: string): string {
  if (name === 'status') return text.replace(/^( \/\S+) [0-9a-f]{32}/gm, '$1 newconffile')
  return name.startsWith('triggers/') ? text.split('\n').toSorted().join('\n') : text
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}
