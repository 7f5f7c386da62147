import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Builder, Outcome } from './builders.ts'

const file = fileURLToPath(new URL('../../corpus/recorded.jsonl', import.meta.url))

/**
 * What today's builders made of every case, as `scripts/compare/dockerfile.ts --record` wrote it down, for machines
 * that have none of them: BuildKit 0.25 of Docker 28.5.2, and buildah 1.43.2 of what that does not know.
 */
export function readRecords(): ReadonlyMap<string, Outcome> {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  return new Map(lines.map((line) => JSON.parse(line) as [string, Outcome]))
}

/** A builder that only remembers. */
export function recordedBuilder(): Builder {
  const records = readRecords()
  return {
    name: 'recorded',
    knows: ({ name }) => records.has(name),
    build: ({ name }) => Promise.resolve(records.get(name)!),
  }
}

/** Adds to them, one case a line, of failures only that they are; those of none of `cases` go. */
export function writeRecords(
  outcomes: ReadonlyMap<string, Outcome>,
  cases: ReadonlySet<string>,
): void {
  const lines = [...readRecords(), ...outcomes]
    .filter(
      ([name], at, all) => cases.has(name) && all.findLastIndex(([last]) => last === name) === at,
    )
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, outcome]) => {
      const kept = outcome.built ? outcome : { built: false, said: '' }
      return `${JSON.stringify([name, kept])}\n`
    })
  writeFileSync(file, lines.join(''))
}
