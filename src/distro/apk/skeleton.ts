import type { Entry } from '../../entry.ts'
import { formatWorld } from '../../apk/world.ts'
import { formatInstalled } from '../../apk/installed.ts'
import { formatScriptsArchive } from '../../apk/scripts-archive.ts'
import { formatTriggers } from '../../apk/triggers.ts'
import { GrowingTree } from '../../rootfs/growing-tree.ts'
import { resolveIn, type Tree } from '../../rootfs/tree.ts'
import type { ApkAssembly } from './assemble.ts'
import { realPath } from './directories.ts'
import { installedPackage, type OpenedApk } from './opened.ts'
import type { ApkSystem } from './system.ts'

/** Directories apk makes in an empty root, by mode. It mounts proc, and leaves the directory behind. */
const directories = {
  tmp: 0o1777,
  dev: 0o755,
  etc: 0o755,
  'etc/apk': 0o755,
  lib: 0o755,
  'lib/apk': 0o755,
  'lib/apk/db': 0o755,
  var: 0o755,
  'var/cache': 0o755,
  'var/cache/apk': 0o755,
  'var/cache/misc': 0o755,
  proc: 0o555,
} as const

/**
 * What is there before the first package: what `apk add --initdb` makes, and what a person puts beside it to
 * begin with, repositories and keys. Where some package has a symbolic link in the place of one of these
 * directories (merged /usr), the link is there from the start: apk itself could not put it there any more.
 */
export function skeletonOf(system: ApkSystem, packages: readonly OpenedApk[]): readonly Entry[] {
  const growing = new GrowingTree({ mtime: system.epoch })
  const own = { uid: 0, gid: 0, mtime: system.epoch } as const
  const directory = (path: string, mode = 0o755) => {
    const real = resolveIn(growing.tree, path, { last: true }) ?? path
    if (!growing.tree.has(real)) growing.put({ type: 'directory', path: real, mode, ...own })
  }
  for (const { files } of packages) {
    for (const { entry } of files) {
      if (entry.type !== 'symlink' || !Object.hasOwn(directories, entry.path)) continue
      growing.put(entry)
      directory(entry.path)
    }
  }
  for (const [path, mode] of Object.entries(directories)) directory(path, mode)
  const file = (path: string, content: string, mode = 0o644) =>
    growing.put(fileAt(growing.tree, path, content, { mode, mtime: system.epoch }))
  file('etc/apk/arch', `${system.architecture}\n`)
  file('etc/apk/world', '')
  file('lib/apk/db/installed', '')
  file('lib/apk/db/lock', '', 0o600)
  if (system.repositories.length > 0)
    file('etc/apk/repositories', system.repositories.map((line) => `${line}\n`).join(''))
  const keys = Object.entries(system.keys)
  if (keys.length > 0) directory('etc/apk/keys')
  for (const [name, pem] of keys) file(`etc/apk/keys/${name}`, pem)
  return [...growing.tree.values()]
}

/** apk's database and world, as it writes them when everything is installed. */
export function databaseOf(
  system: ApkSystem,
  packages: readonly OpenedApk[],
  assembly: ApkAssembly,
): readonly Entry[] {
  const file = (path: string, content: string | Buffer) =>
    fileAt(assembly.tree, path, content, { mode: 0o644, mtime: system.epoch })
  const installed = packages.map((one) => installedPackage(one, assembly.filesOf(one.part)))
  return [
    file('etc/apk/world', formatWorld(system.world)),
    file('lib/apk/db/installed', formatInstalled(installed)),
    file(
      'lib/apk/db/scripts.tar',
      formatScriptsArchive(
        packages.map(({ scripts }, index) => ({ ...installed[index]!, scripts })),
        system.epoch,
      ),
    ),
    file('lib/apk/db/triggers', formatTriggers(packages.map(triggersOf))),
  ]
}

function triggersOf({ part, triggers }: OpenedApk) {
  return { identity: part.identity, triggers }
}

function fileAt(
  tree: Tree,
  path: string,
  content: string | Buffer,
  { mode, mtime }: Pick<Entry, 'mode' | 'mtime'>,
): Entry {
  const bytes = Buffer.from(content as Buffer)
  const real = realPath(tree, path) ?? path
  return {
    type: 'file',
    path: real,
    mode,
    uid: 0,
    gid: 0,
    mtime,
    size: bytes.length,
    content: { kind: 'bytes', bytes },
  }
}
