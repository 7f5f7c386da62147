import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { q1 } from '../../src/apk/checksum.ts'
import { parseInstalled } from '../../src/apk/installed-read.ts'
import type { InstalledFile, InstalledPackage } from '../../src/apk/installed.ts'
import { decompress } from '../../src/archive/decompress.ts'
import { treePath } from '../../src/archive/path.ts'
import { readTar, type TarMember } from '../../src/archive/tar-read.ts'
import type { Entry } from '../../src/entry.ts'
import { chunked } from './streams.ts'
import { minirootfsPath, type AlpineArch } from './alpine.ts'
import type { ApkFile, ApkSpec } from './apk.ts'

/** The official root filesystem, and its packages as they must have been. */
export interface Minirootfs {
  readonly tree: ReadonlyMap<string, Entry>
  readonly packages: readonly RebuiltPackage[]
}

/** A package made again from what was installed of it. */
export interface RebuiltPackage {
  readonly spec: ApkSpec
  /** as the official database has it: the real package was compressed by another program */
  readonly installed: InstalledPackage
}

/**
 * The official minirootfs, with its packages rebuilt from its own database and files: content, owners by name,
 * modes, times, links, checksums, scripts and triggers.
 */
export async function readMinirootfs(arch: AlpineArch): Promise<Minirootfs> {
  const archive = minirootfsPath(arch)
  const bytes = createReadStream(archive)
  const tree = await readTree(
    decompress('gzip', bytes, { name: archive, maxSize: 2 ** 30 }),
    archive,
  )
  const database = (name: string) => bytesAt(tree, `lib/apk/db/${name}`)
  const scripts = await readScripts(database('scripts.tar'))
  const triggers = new Map(
    database('triggers')
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => [line.split(' ')[0]!, line.slice(line.indexOf(' ') + 1)]),
  )
  const names = {
    user: namesOf(bytesAt(tree, 'etc/passwd')),
    group: namesOf(bytesAt(tree, 'etc/group')),
  }
  const packages = parseInstalled(database('installed').toString(), 'installed').map((one) => ({
    installed: one,
    spec: {
      name: one.name,
      version: one.version,
      arch: one.architecture!,
      fields: fieldsOf(one, triggers.get(one.identity)),
      scripts: scripts.get(one.identity) ?? {},
      files: filesOf(one, tree, names),
      mtime: one.buildDate,
    },
  }))
  return { tree, packages }
}

/** A tar archive of a root filesystem as a tree in memory. */
export async function readTree(
  archive: AsyncIterable<Uint8Array>,
  name: string,
): Promise<Map<string, Entry>> {
  const tree = new Map<string, Entry>()
  for await (const member of readTar(archive, name)) {
    const path = treePath(member.name, name)
    if (path !== '') tree.set(path, await toEntry(path, member))
  }
  return tree
}

async function toEntry(path: string, member: TarMember): Promise<Entry> {
  const { type, mode, uid, gid, mtime, xattrs, linkname, major, minor, size } = member
  const metadata = { path, mode, uid, gid, mtime, xattrs }
  switch (type) {
    case 'file':
      return { ...metadata, type, size, content: { kind: 'bytes', bytes: await body(member) } }
    case 'hardlink':
      return { ...metadata, type, target: treePath(linkname, path) }
    case 'symlink':
      return { ...metadata, type, target: linkname }
    case 'character':
    case 'block':
      return { ...metadata, type, major, minor }
    case 'directory':
    case 'fifo':
      return { ...metadata, type }
  }
}

async function body(member: TarMember): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of member.body()) parts.push(part)
  return Buffer.concat(parts)
}

/** By the identity of their packages, by type. */
async function readScripts(archive: Buffer): Promise<Map<string, Record<string, string>>> {
  const scripts = new Map<string, Record<string, string>>()
  for await (const member of readTar(chunked(archive), 'scripts.tar')) {
    const [, identity, type] = /\.(Q1[^.]*)\.([^.]*)$/.exec(member.name)!
    const known = scripts.get(identity!) ?? {}
    scripts.set(identity!, { ...known, [type!]: (await body(member)).toString() })
  }
  return scripts
}

function fieldsOf(one: InstalledPackage, triggers: string | undefined): ApkSpec['fields'] {
  const number = (value: number) => (value === 0 ? undefined : String(value))
  return {
    pkgdesc: one.description,
    url: one.url,
    builddate: String(one.buildDate),
    size: String(one.installedSize),
    license: one.license,
    origin: one.origin,
    maintainer: one.maintainer,
    commit: one.commit,
    provider_priority: number(one.providerPriority),
    depend: one.depends,
    provides: one.provides,
    install_if: one.installIf,
    replaces: one.replaces,
    replaces_priority: number(one.replacesPriority),
    triggers,
  }
}

function filesOf(
  one: InstalledPackage,
  tree: ReadonlyMap<string, Entry>,
  names: Readonly<Record<'user' | 'group', ReadonlyMap<number, string>>>,
): Record<string, ApkFile> {
  const files: Record<string, ApkFile> = {}
  const access = ({ uid, gid, mode }: Omit<InstalledFile, 'name'>) => ({
    mode,
    uid,
    gid,
    user: names.user.get(uid)!,
    group: names.group.get(gid)!,
  })
  for (const directory of one.directories) {
    files[`${directory.path}/`] = access(directory)
    for (const file of directory.files) {
      const path = directory.path === '' ? file.name : `${directory.path}/${file.name}`
      const entry = tree.get(path)
      const { mtime } = entry ?? {}
      if (entry?.type === 'symlink') files[path] = { ...access(file), symlink: entry.target }
      else if (entry?.type === 'file')
        files[path] = { ...access(file), mtime: mtime!, content: original(file, tree, path) }
      else throw new Error(`${path} of ${one.name} is not in the minirootfs`)
    }
  }
  return files
}

/** A file as it was installed: afterwards Alpine locks the password of root, which is empty in the package. */
function original(file: InstalledFile, tree: ReadonlyMap<string, Entry>, path: string): Buffer {
  const now = bytesAt(tree, path)
  const before =
    path === 'etc/shadow' ? Buffer.from(now.toString().replace(/^root:\*:/, 'root::')) : now
  if (q1(createHash('sha1').update(before).digest()) === file.checksum) return before
  throw new Error(`${path} is not what its package had`)
}

/** Names by number, from etc/passwd or etc/group. */
function namesOf(text: Buffer): Map<number, string> {
  return new Map(
    text
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name, , id]) => [Number(id), name!]),
  )
}

/** The content of a file of a tree that is in memory. */
export function bytesAt(tree: ReadonlyMap<string, Entry>, path: string): Buffer {
  const entry = tree.get(path)
  if (entry?.type !== 'file' || entry.content.kind !== 'bytes')
    throw new Error(`there is no file ${path}`)
  return Buffer.from(entry.content.bytes)
}
