import { posix } from 'node:path'
import { PlinthError } from '../../errors.ts'
import { hasWildcard, isGlob, matchesGlob, splitPivot } from '../../dockerfile/glob.ts'
import { pathMatcher } from '../../dockerfile/ignore.ts'
import { nearest } from '../../nearest.ts'
import { resolveIn } from '../../rootfs/tree.ts'
import type { FileTree, SourceEntry } from './file-tree.ts'

/** What one source of a COPY comes to: a file, or a directory whose content is copied. */
export interface Selection {
  /** the name a file gets in a directory */
  readonly name: string
  readonly isDirectory: boolean
  /** parents first, by their path below the source: a file itself is `''`, a directory none of them */
  readonly entries: readonly { readonly below: string; readonly entry: SourceEntry }[]
  /** for a directory that is copied itself and not only what it holds: the mode it is made with */
  readonly mode?: number | undefined
}

/** How sources are chosen. */
export interface SelectOptions {
  /** patterns of what is left out, below each source */
  readonly exclude?: readonly string[] | undefined
  /** the sources keep the directories they are in */
  readonly parents?: boolean | undefined
  /** told of a pattern that nothing matches */
  readonly onNothing?: ((pattern: string) => void) | undefined
}

/**
 * The files that the sources of a COPY or ADD name, as BuildKit finds them: patterns of Go's filepath.Match,
 * links followed inside the source's root, never out. A pattern may match nothing, but must be one:
 * `DOCKERFILE_INVALID`; a plain path must be there: `COPY_SOURCE_MISSING` with the nearest name.
 * `COPY_SOURCE_OUTSIDE` for one that climbs out.
 */
export function selectFiles(
  sources: readonly string[],
  tree: FileTree,
  options: SelectOptions,
): Selection[] {
  const matcher = options.exclude?.length ? pathMatcher(options.exclude) : undefined
  const excluded = (path: string): boolean => matcher?.matches(path) ?? false
  return sources.flatMap((source) => {
    if (options.parents) return [withParents(source, tree, excluded)]
    const path = inside(source)
    if (!hasWildcard(path)) return [selectionOf(path, tree, excluded)]
    if (!isGlob(path)) throw noPattern(source)
    const found = expand(path, tree)
    if (found.length === 0) options.onNothing?.(source)
    return found
      .filter((match) => !excluded(posix.basename(match)))
      .map((match) => selectionOf(match, tree, excluded))
  })
}

function noPattern(source: string): PlinthError {
  return new PlinthError('DOCKERFILE_INVALID', `'${source}' is no pattern`, {
    hint: 'close its brackets; a file whose name has one is written with a backslash in front: \\[',
  })
}

/** A source's path below the root, without `.` and `..`. */
function inside(source: string): string {
  const path = posix.normalize(source.replace(/^\/+/, ''))
  if (path === '..' || path.startsWith('../')) {
    throw new PlinthError('COPY_SOURCE_OUTSIDE', `'${source}' is outside the context`, {
      hint: 'only what is in the context can be copied: build from a directory above, or copy the file in first',
    })
  }
  return path === '.' ? '' : path.replace(/\/$/, '')
}

/** The paths a pattern matches. As in Go's walk, what a matching directory holds is not matched on its own. */
function expand(pattern: string, tree: FileTree): string[] {
  const parts = pattern.split('/')
  const magic = parts.findIndex(hasWildcard)
  const fixed = parts.slice(0, magic).join('/')
  const start = resolveIn(lookup(tree), fixed, { last: true })
  if (start === undefined || !isDirectory(tree, start)) return []
  let matches = [start]
  for (const [index, part] of parts.slice(magic).entries()) {
    const isLast = index === parts.length - magic - 1
    matches = matches.flatMap((directory) =>
      tree
        .children(directory)
        .filter((name) => matchesGlob(part, name))
        .map((name) => posix.join(directory, name))
        .filter((path) => isLast || isDirectory(tree, path)),
    )
  }
  return matches
}

function selectionOf(path: string, tree: FileTree, excluded: (path: string) => boolean): Selection {
  const real = resolveIn(lookup(tree), path, { last: true })
  if (real === undefined || (real !== '' && tree.get(real) === undefined)) throw missing(path, tree)
  const name = posix.basename(path)
  const entry = tree.get(real)
  // only what a directory holds is copied: its own mode plays no part
  if (real === '' || entry?.type === 'directory') {
    return { name, isDirectory: true, entries: [...walk(real, '', tree, excluded)] }
  }
  return { name, isDirectory: false, entries: entry === undefined ? [] : [{ below: '', entry }] }
}

function* walk(
  directory: string,
  below: string,
  tree: FileTree,
  excluded: (path: string) => boolean,
): Generator<Selection['entries'][number]> {
  for (const name of tree.children(directory)) {
    const path = posix.join(directory, name)
    const inner = posix.join(below, name)
    const entry = tree.get(path)
    if (entry === undefined) continue
    const isExcluded = excluded(inner)
    if (entry.type === 'directory') {
      const held = [...walk(path, inner, tree, excluded)]
      if (isExcluded && held.length === 0) continue
      yield { below: inner, entry }
      yield* held
    } else if (!isExcluded) yield { below: inner, entry }
  }
}

/** `--parents`: what matches below the root, or below what stands before `/./`, with the directories it is in. */
function withParents(
  source: string,
  tree: FileTree,
  excluded: (path: string) => boolean,
): Selection {
  const pivot = splitPivot(source)
  const root = inside(pivot.base)
  const pattern = inside(pivot.pattern)
  const start = resolveIn(lookup(tree), root, { last: true })
  if (start === undefined || !isDirectory(tree, start)) throw missing(root, tree)
  if (!hasWildcard(pattern) && pattern !== '') {
    const real = resolveIn(lookup(tree), posix.join(start, pattern), { last: false })
    if (real === undefined || tree.get(real) === undefined)
      throw missing(posix.join(start, pattern), tree)
  }
  const matcher = pattern === '' ? undefined : pathMatcher([pattern])
  const kept = new Set<string>()
  const all = [...walk(start, '', tree, excluded)]
  for (const { below } of all) {
    if (matcher?.matches(below) === false) continue
    for (let path = below; path !== '.' && !kept.has(path); path = posix.dirname(path))
      kept.add(path)
  }
  return { name: '', isDirectory: true, entries: all.filter(({ below }) => kept.has(below)) }
}

function isDirectory(tree: FileTree, path: string): boolean {
  return path === '' || tree.get(path)?.type === 'directory'
}

/** For following links: what a path is does not depend on its content. */
function lookup(tree: FileTree): Parameters<typeof resolveIn>[0] {
  return {
    get(path) {
      const entry = tree.get(path)
      return entry?.type === 'symlink' ? entry : undefined
    },
  }
}

function missing(path: string, tree: FileTree): PlinthError {
  const hidden = tree.hidden?.(path)
  if (hidden !== undefined) {
    return new PlinthError('COPY_SOURCE_MISSING', `'${path}' cannot be copied: ${hidden}`, {
      hint: 'write a pattern with ! for it into that file',
    })
  }
  // the first part that is not there has the name to correct
  const parts = path.split('/')
  let known = ''
  while (parts.length > 1) {
    const next = posix.join(known, parts[0]!)
    const real = resolveIn(lookup(tree), next, { last: true })
    if (real === undefined || !isDirectory(tree, real)) break
    known = real
    parts.shift()
  }
  const [close] = nearest(parts[0]!, tree.children(known))
  return new PlinthError('COPY_SOURCE_MISSING', `'${path}' is not in ${tree.name}`, {
    hint:
      close === undefined
        ? undefined
        : `did you mean ${posix.join(known, close, ...parts.slice(1))}?`,
  })
}
