import { matchesPath } from './fnmatch.ts'

/** A package that wants its trigger script run when directories change. */
export interface TriggersOf {
  /** `Q1…` */
  readonly identity: string
  /** patterns of absolute paths */
  readonly triggers: readonly string[]
}

/** `lib/apk/db/triggers` as apk-tools writes it: a line a package, in the order they were installed in. */
export function formatTriggers(packages: Iterable<TriggersOf>): string {
  return [...packages]
    .filter(({ triggers }) => triggers.length > 0)
    .map(({ identity, triggers }) => `${[identity, ...triggers].join(' ')}\n`)
    .join('')
}

/**
 * What a trigger script that never ran before is called with: every known directory that one of its patterns
 * fits, in the order of `directories` (absolute paths).
 */
export function triggeredBy(
  triggers: readonly string[],
  directories: readonly string[],
): readonly string[] {
  const patterns = triggers.filter((one) => one.startsWith('/'))
  return directories.filter((path) => patterns.some((pattern) => matchesPath(pattern, path)))
}
