import { xattrChecksum } from './checksum.ts'
import type { PackagedFile } from './data-files.ts'
import {
  usualAccess,
  type InstalledAccess,
  type InstalledDirectory,
  type InstalledFile,
} from './installed.ts'

/**
 * A package's files as the database lists them: directories in the package's order, with the files right in
 * them in the package's order. Owners are those of the entries.
 */
export function installedDirectories(files: Iterable<PackagedFile>): InstalledDirectory[] {
  const directories = new Map<string, InstalledDirectory & { readonly files: InstalledFile[] }>()
  for (const { entry, checksum } of files) {
    if (entry.type === 'directory') {
      if (!directories.has(entry.path))
        directories.set(entry.path, { path: entry.path, ...access(entry), files: [] })
      continue
    }
    const slash = entry.path.lastIndexOf('/')
    const parent = entry.path.slice(0, Math.max(0, slash))
    let directory = directories.get(parent)
    if (!directory) {
      // only the root is not listed by the package itself
      directory = { path: parent, ...usualAccess.directory, files: [] }
      directories.set(parent, directory)
    }
    directory.files.push({ name: entry.path.slice(slash + 1), ...access(entry), checksum })
  }
  return [...directories.values()]
}

function access(entry: PackagedFile['entry']): InstalledAccess {
  const { uid, gid, mode } = entry
  return { uid, gid, mode, xattrs: xattrChecksum(entry.xattrs) }
}
