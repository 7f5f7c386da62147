import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** One Dockerfile with its context, as text says it in `test/corpus/*.txt`. */
export interface DockerfileCase {
  /** `copy/directory-contents`: file and title, unique */
  readonly name: string
  /** the files of the context by path, the Dockerfile among them */
  readonly files: ReadonlyMap<string, ContextFile>
  /** which builders know its syntax: `labs` is what no engine's own BuildKit does */
  readonly only: Level
  /** arguments of `docker build` and `plinth build` alike: `--target x` */
  readonly options: readonly string[]
  /** environment of the command that builds */
  readonly env: Readonly<Record<string, string>>
}

const levels = ['all', 'buildkit', 'recent', 'labs'] as const
type Level = (typeof levels)[number]

export type ContextFile =
  | { readonly type: 'file'; readonly mode: number; readonly content: string }
  /** bytes made by code, by name: see fixtures.ts */
  | { readonly type: 'fixture'; readonly mode: number; readonly fixture: string }
  | { readonly type: 'directory'; readonly mode: number }
  | { readonly type: 'symlink' | 'hardlink'; readonly target: string }
  | { readonly type: 'fifo'; readonly mode: number }

const folder = fileURLToPath(new URL('../../corpus/', import.meta.url))

/** All cases, in the order of the files and within them. */
export function readCorpus(): readonly DockerfileCase[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.txt'))
  const cases = files
    .toSorted()
    .flatMap((name) =>
      parseCorpus(readFileSync(path.join(folder, name), 'utf8'), path.basename(name, '.txt')),
    )
  const names = cases.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new Error(`two cases are called ${twice}`)
  return cases
}

/**
 * Reads cases from text:
 *
 *     === title
 *     only: buildkit            the builders that know its syntax: all (default), buildkit, recent, labs
 *     options: --target x       of the build
 *     env: NAME=value
 *     --- Dockerfile            a file of the context, up to the next such line
 *     FROM base:1
 *     --- run.sh 0755
 *     --- empty/ 0700           a directory
 *     --- link -> target        a symbolic link; `=> target` a hard link
 *     --- a.tar < tar           bytes that the fixture `tar` makes
 *     --- pipe | 0600           a fifo
 */
export function parseCorpus(text: string, group: string): DockerfileCase[] {
  const [, ...parts] = text.split(/^=== /m)
  return parts.map((part) => parseCase(part, group))
}

function parseCase(text: string, group: string): DockerfileCase {
  const [head = '', ...bodies] = text.split(/^--- /m)
  const [title = '', ...headers] = head.trimEnd().split('\n')
  const name = `${group}/${title.trim()}`
  const header = (key: string): string[] =>
    headers.filter((line) => line.startsWith(`${key}: `)).map((line) => line.slice(key.length + 2))
  const unknown = headers.find((line) => !/^((only|options|env): .*|#.*|)$/.test(line))
  if (unknown !== undefined) throw new Error(`${name}: what is '${unknown}'?`)
  const said = header('only')[0] ?? 'all'
  const only = levels.find((level) => level === said)
  if (only === undefined) throw new Error(`${name}: no builder is called ${said}`)
  return {
    name,
    only,
    options: header('options').flatMap((line) => line.split(' ')),
    env: Object.fromEntries(header('env').map((line) => splitOnce(line, '='))),
    files: new Map(bodies.map((body) => parseFile(body, name))),
  }
}

function parseFile(body: string, name: string): [string, ContextFile] {
  const [line, content] = splitOnce(body, '\n')
  const [, at, sign, target, octal] =
    /^(.+?)(?: (->|=>|<|\|)(?: (?!0[0-7]{3})(\S+))?)?(?: (0[0-7]{3,4}))?$/.exec(line) ?? []
  if (at === undefined) throw new Error(`${name}: what is '--- ${line}'?`)
  const mode = octal === undefined ? undefined : Number.parseInt(octal, 8)
  if (sign === '|') return [at, { type: 'fifo', mode: mode ?? 0o644 }]
  if (sign === '<') return [at, { type: 'fixture', fixture: target!, mode: mode ?? 0o644 }]
  if (sign !== undefined)
    return [at, { type: sign === '->' ? 'symlink' : 'hardlink', target: target! }]
  if (at.endsWith('/')) return [at.slice(0, -1), { type: 'directory', mode: mode ?? 0o755 }]
  return [at, { type: 'file', content, mode: mode ?? 0o644 }]
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}
