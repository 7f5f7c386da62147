import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format } from 'node:util'
import type { Outcome } from './builders.ts'

const file = fileURLToPath(new URL('../../corpus/recorded.json', import.meta.url))

/**
 * What a recent Docker engine made of every case, as `scripts/compare/dockerfile.ts --record` wrote it down: for
 * machines that have none, and for syntax that the engine they have does not know.
 */
export function readRecords(): ReadonlyMap<string, Outcome> {
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as Records
  return new Map(Object.entries(cases))
}

interface Records {
  /** whose they are */
  readonly engine: string
  readonly cases: Readonly<Record<string, Outcome>>
}

/** Writes them, one case a line; of failures only that they are. */
export function writeRecords(engine: string, outcomes: ReadonlyMap<string, Outcome>): void {
  const lines = [...outcomes]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, outcome]) => {
      const kept = outcome.built ? outcome : { built: false, said: '' }
      return `    ${JSON.stringify(name)}: ${JSON.stringify(kept)}`
    })
  const text = format('{\n  "engine": %j,\n  "cases": {\n%s\n  }\n}\n', engine, lines.join(',\n'))
  writeFileSync(file, text)
}
