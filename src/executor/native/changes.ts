import type { Change, Entry } from '../../entry.ts'
import type { Base } from './base.ts'
import { ancestors, type Known } from './layer-stack.ts'

/** One path of what a run left: the overlay's upper directory, or every candidate of a plain directory. */
export interface Found {
  readonly entry: Entry
  /** the directory hides all that the base has below it (overlayfs.rst, "whiteouts and opaque directories") */
  readonly opaque: boolean
}

/** What `diff` works on. */
export interface DiffInput {
  readonly base: Base
  readonly found: ReadonlyMap<string, Found>
  /** paths of the base that are gone */
  readonly removed: Iterable<string>
  /** what was created to mount on, and does not count while it is empty */
  readonly stubs: ReadonlySet<string>
}

/**
 * What differs from the base, sorted, parents first. A directory counts when its mode, owner or attributes
 * do, not for its time alone, which every change in it moves; anything else counts when any metadata or
 * a byte does. Whatever an opaque directory hides becomes a whiteout of its own (OCI layer.md prefers
 * explicit ones), and only the topmost of what is gone.
 */
export async function diff(input: DiffInput): Promise<Change[]> {
  const { base, found, stubs } = input
  const changes = new Map<string, Change>()
  const linked = new Set<string>()
  for (const { entry } of found.values()) if (entry.type === 'hardlink') linked.add(entry.target)
  for (const [path, { entry }] of found) {
    const before = base.get(path)
    if (before !== undefined && (await same(before, entry, input, linked))) continue
    changes.set(path, entry)
  }

  const gone = new Set<string>(input.removed)
  const roots = new Set([...found.values()].filter((f) => f.opaque).map((f) => f.entry.path))
  if (roots.size > 0) {
    for (const path of base.paths()) {
      if (!found.has(path) && ancestors(path).some((parent) => roots.has(parent))) gone.add(path)
    }
  }
  for (const path of gone) {
    if (base.get(path) === undefined && !hasBelow(base, path)) continue
    const parents = ancestors(path)
    if (parents.some((parent) => gone.has(parent))) continue
    // a parent that is something else now took everything below it along
    if (parents.some((parent) => isNoDirectory(found.get(parent)))) continue
    changes.set(path, { type: 'whiteout', path })
  }

  // deepest first, so that a stub directory is empty once the stubs in it are gone
  for (const path of [...stubs].toSorted().toReversed()) {
    const change = changes.get(path)
    const empty =
      change?.type === 'file'
        ? change.size === 0
        : change?.type === 'directory' && !below(changes, path)
    if (empty && base.get(path) === undefined) changes.delete(path)
  }
  return [...changes.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

async function same(
  before: Known,
  after: Entry,
  input: DiffInput,
  linked: ReadonlySet<string>,
): Promise<boolean> {
  if (!sameMetadata(before, after)) return false
  if (after.type !== 'file' || before.type !== 'file') return true
  // what others link to must be in the same layer as they are
  return (
    !linked.has(after.path) && before.size === after.size && (await input.base.sameContent(after))
  )
}

/** Everything but the bytes of a file; a link's mode means nothing (symlink(7)) and is written differently. */
function sameMetadata(before: Known, after: Entry): boolean {
  if (before.uid !== after.uid || before.gid !== after.gid) return false
  if (after.type !== 'symlink' && before.mode !== after.mode) return false
  if (after.type !== 'directory' && before.mtime !== after.mtime) return false
  if (!sameAttributes(before.xattrs, after.xattrs)) return false
  switch (after.type) {
    case 'directory':
    case 'file':
    case 'fifo':
      return before.type === after.type
    case 'symlink':
      return before.type === 'symlink' && before.target === after.target
    case 'hardlink':
      return false
    case 'character':
    case 'block':
      return (
        before.type === after.type && before.major === after.major && before.minor === after.minor
      )
  }
}

function sameAttributes(a: Entry['xattrs'], b: Entry['xattrs']): boolean {
  if ((a?.size ?? 0) !== (b?.size ?? 0)) return false
  for (const [name, value] of a ?? []) {
    const other = b?.get(name)
    if (other === undefined || Buffer.compare(value, other) !== 0) return false
  }
  return true
}

function isNoDirectory(found: Found | undefined): boolean {
  return found !== undefined && found.entry.type !== 'directory'
}

/** A base may leave directories out that only hold others. */
function hasBelow(base: Base, path: string): boolean {
  for (const other of base.paths()) if (other.startsWith(`${path}/`)) return true
  return false
}

function below(changes: ReadonlyMap<string, Change>, path: string): boolean {
  for (const other of changes.keys()) if (other.startsWith(`${path}/`)) return true
  return false
}
