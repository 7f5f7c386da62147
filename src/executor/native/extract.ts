import { writeTar } from '../../archive/tar-write.ts'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { ContentReader } from '../../store/content.ts'
import type { Holder } from './holder.ts'
import { isMapped } from './ids.ts'
import type { Finished } from './process.ts'
import { subidsHint } from './userns.ts'

/**
 * Puts entries into a directory of the workspace through GNU tar, while they are being produced. Nothing
 * is written through a symbolic link: in a fresh directory because the entries are checked, in a used one
 * because the caller resolved their paths. Devices are left out where a user namespace forbids them.
 *
 * Throws `DISK_FULL`, `SUBIDS_MISSING` for an owner that does not exist inside, `PATH_UNSAFE`, `IO`, and
 * what the entries' contents throw.
 */
export async function extract(
  holder: Holder,
  entries: Iterable<Entry> | AsyncIterable<Entry>,
  {
    into,
    contents,
    seen,
    overlay = false,
  }: {
    readonly into: string
    readonly contents: Pick<ContentReader, 'open'>
    /** the entries are an overlay's own: devices 0/0 and its marks are kept */
    readonly overlay?: boolean | undefined
    /** gets the entries by path, as they pass */
    readonly seen?: Map<string, Entry> | undefined
  },
): Promise<void> {
  const result = await holder.tool([holder.tools.tar, ...extractOptions], into, {
    input: writeTar(checked(entries, holder, { seen, overlay }), contents),
  })
  if (result.code !== 0) throw tarError('write files into the workspace', result)
}

const extractOptions = [
  '--extract',
  '--file=-',
  '--numeric-owner',
  '--same-owner',
  '--preserve-permissions',
  '--delay-directory-restore',
  '--xattrs',
  '--xattrs-include=*',
  '--warning=no-timestamp',
]

async function* checked(
  entries: Iterable<Entry> | AsyncIterable<Entry>,
  { ids }: Holder,
  { seen, overlay }: { readonly seen: Map<string, Entry> | undefined; readonly overlay: boolean },
): AsyncGenerator<Entry> {
  const links = new Set<string>()
  for await (const entry of entries) {
    seen?.set(entry.path, entry)
    for (
      let slash = entry.path.indexOf('/');
      links.size > 0 && slash >= 0;
      slash = entry.path.indexOf('/', slash + 1)
    ) {
      if (links.has(entry.path.slice(0, slash))) {
        throw new PlinthError(
          'PATH_UNSAFE',
          `cannot write '${entry.path}': '${entry.path.slice(0, slash)}' is a symbolic link`,
        )
      }
    }
    if (entry.type === 'symlink') links.add(entry.path)
    if (!isMapped(ids.uids, entry.uid) || !isMapped(ids.gids, entry.gid)) {
      throw new PlinthError(
        'SUBIDS_MISSING',
        `cannot give '${entry.path}' to ${entry.uid}:${entry.gid}: ${ids.kind === 'single' ? 'only one user id can be used here' : 'that id is not among those that can be used here'}`,
        { hint: subidsHint, facts: { path: entry.path, uid: entry.uid, gid: entry.gid } },
      )
    }
    if (entry.type === 'character' || entry.type === 'block') {
      const whiteout = overlay && entry.major === 0 && entry.minor === 0
      if (ids.kind !== 'none' && !whiteout) continue
    }
    yield overlay ? entry : withoutOverlayMarks(entry)
  }
}

/** Attributes that an overlay would take for its own marks are no part of a tree (overlayfs.rst). */
export function withoutOverlayMarks(entry: Entry): Entry {
  if (entry.xattrs === undefined) return entry
  const kept = [...entry.xattrs].filter(([name]) => !isOverlayMark(name))
  return { ...entry, xattrs: kept.length > 0 ? new Map(kept) : undefined }
}

/** Whether an attribute is overlayfs's own. */
export function isOverlayMark(name: string): boolean {
  return /^(user|trusted)\.overlay\./.test(name)
}

/** A failure of tar as plinth's own. */
export function tarError(doing: string, { code, stderr }: Finished): PlinthError {
  const said = stderr.split('\n').slice(0, 5).join('; ')
  // a file is written short only where the disk ends
  if (/No space left on device|Disk quota exceeded|Wrote only [0-9]+ of/.test(stderr)) {
    return new PlinthError('DISK_FULL', `cannot ${doing}: no space left (${said})`, {
      hint: 'free some space, or put the store on a larger disk with --store DIR',
    })
  }
  if (/unrecognized option|unknown option/.test(stderr)) {
    return new PlinthError('TOOL_MISSING', `cannot ${doing}: tar is not GNU tar`, {
      hint: 'install GNU tar: apt install tar, or apk add tar',
    })
  }
  return new PlinthError('IO', `cannot ${doing}: tar exited with ${code}: ${said}`)
}
