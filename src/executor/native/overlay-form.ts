import type { Change, Entry } from '../../entry.ts'
import { withoutOverlayMarks } from './extract.ts'
import { ancestors, known, type Known, type LayerIndex, type LayerStack } from './layer-stack.ts'

/** A layer as a lower directory of an overlay. */
export interface OverlayForm {
  /** what to extract: directories first, then files, then the hard links to them */
  readonly entries: readonly Entry[]
  readonly index: LayerIndex
  /** entries that are hard links to files of lower layers, which an overlay cannot have: they get copies */
  readonly borrowed: ReadonlyMap<string, string>
}

/**
 * A layer's changes as overlayfs wants them: whiteouts as devices 0/0, a directory that was removed and made
 * again marked opaque, and the directories that hold changes with the metadata they have below, as theirs
 * is the one that counts (overlayfs.rst).
 */
export function overlayForm(
  changes: readonly Change[],
  { lower, mark }: { readonly lower: LayerStack; readonly mark: string },
): OverlayForm {
  const entries = new Map<string, Entry>()
  const whiteouts = new Set<string>()
  for (const change of changes) {
    if (change.type === 'whiteout') whiteouts.add(change.path)
    // to an overlay that device is a whiteout
    else if (!isWhiteoutDevice(change)) entries.set(change.path, withoutOverlayMarks(change))
  }
  const removed = (path: string): boolean =>
    whiteouts.has(path) || ancestors(path).some((parent) => whiteouts.has(parent))
  const opaque = new Set<string>()
  for (const path of whiteouts) {
    const hidden = lower.get(path)
    const above = ancestors(path).some((parent) => whiteouts.has(parent))
    if (hidden === undefined || above) {
      whiteouts.delete(path)
    }
  }
  const directories = new Map<string, Entry>()
  for (const path of [...entries.keys(), ...whiteouts]) {
    for (const parent of ancestors(path)) {
      if (entries.has(parent) || directories.has(parent)) continue
      const below = removed(parent) ? undefined : lower.get(parent)
      directories.set(
        parent,
        below?.type === 'directory' ? { ...below, type: 'directory' } : fresh(parent),
      )
    }
  }
  const files: Entry[] = []
  const links: Entry[] = []
  const borrowed = new Map<string, string>()
  for (const entry of entries.values()) {
    if (entry.type === 'directory') directories.set(entry.path, entry)
    else if (entry.type !== 'hardlink') files.push(entry)
    else if (entries.has(entry.target)) links.push(entry)
    else borrowed.set(entry.path, entry.target)
  }
  for (const path of whiteouts) {
    if (directories.has(path) && lower.get(path)?.type === 'directory') opaque.add(path)
    if (directories.has(path) || entries.has(path)) whiteouts.delete(path)
  }
  const shown = new Map<string, Known>()
  for (const entry of [...directories.values(), ...files, ...links]) {
    shown.set(entry.path, known(entry))
  }
  return {
    entries: [
      ...[...directories.values()]
        .toSorted((a, b) => (a.path < b.path ? -1 : 1))
        .map((entry) => (opaque.has(entry.path) ? marked(entry, mark) : entry)),
      ...[...whiteouts].map(device),
      ...files,
      ...links,
    ],
    index: { entries: shown, whiteouts, opaque },
    borrowed,
  }
}

function isWhiteoutDevice(entry: Entry): boolean {
  return entry.type === 'character' && entry.major === 0 && entry.minor === 0
}

/** A directory that nothing describes. */
export function fresh(path: string): Entry {
  return { type: 'directory', path, mode: 0o755, uid: 0, gid: 0, mtime: 0 }
}

function device(path: string): Entry {
  return { type: 'character', path, major: 0, minor: 0, mode: 0, uid: 0, gid: 0, mtime: 0 }
}

function marked(entry: Entry, mark: string): Entry {
  return { ...entry, xattrs: new Map([...(entry.xattrs ?? []), [mark, Buffer.from('y')]]) }
}
