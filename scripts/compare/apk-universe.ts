import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { parseIndexRecords } from '../../src/apk/index-record.ts'
import type { Universe } from '../../src/solver/apk/universe.ts'
import type { Apk } from './apk-root.ts'

/** The text of an APKINDEX, and the tag its repository is pinned by. */
export interface IndexText {
  readonly tag?: string | undefined
  readonly text: string
}

/** What apk answers to a request: the packages in its order, or that it refuses. */
export interface ApkChoice {
  readonly refused: boolean
  /** `musl-1.2.3-r2`, `musl-1.2.3-r2@edge` */
  readonly packages: readonly string[]
  readonly output: string
}

/** The same packages for both sides. */
export interface SharedUniverse {
  readonly universe: Universe
  readonly ask: (request: readonly string[]) => Promise<ApkChoice>
}

/** Writes indexes below `directory` for the real apk, and parses them for plinth. */
export async function shareUniverse(
  apk: Apk,
  indexes: readonly IndexText[],
  directory: string,
): Promise<SharedUniverse> {
  const lines: string[] = []
  for (const [number, { tag, text }] of indexes.entries()) {
    const repository = path.join(directory, `repository${number}`)
    await mkdir(path.join(repository, 'x86_64'), { recursive: true })
    await writeFile(path.join(repository, 'x86_64/APKINDEX.tar.gz'), archiveOf(text))
    lines.push(`${tag === undefined ? '' : `@${tag} `}${repository}\n`)
  }
  const list = path.join(directory, 'repositories')
  await writeFile(list, lines.join(''))
  const root = path.join(directory, 'root')
  const common = ['--root', root, '--arch', 'x86_64', '--no-network']
  const empty = [...common, '--repositories-file', '/dev/null', 'add', '--initdb']
  // a machine where nodes of devices cannot be made does for a simulation, too
  await apk.run(empty)
  const argv = [...common, '--repositories-file', list, '--allow-untrusted', 'add', '--simulate']
  return {
    universe: {
      repositories: indexes.map(({ tag, text }, number) => ({
        id: String(number),
        tag,
        records: parseIndexRecords(text),
      })),
    },
    ask: async (request) => readChoice(request, await apk.run([...argv, ...request])),
  }
}

function readChoice(
  request: readonly string[],
  { code, output }: { readonly code: number | null; readonly output: string },
): ApkChoice {
  const refused = output.includes('unable to select packages')
  if (refused ? code === 0 : code !== 0)
    throw new Error(`apk add ${request.join(' ')} ended with ${code}: ${output}`)
  const packages = [
    ...output.matchAll(/^\(\d+\/\d+\) Installing ([^\s@]+)(@\S+)? \((.*)\)$/gm),
  ].map(([, name, tag = '', version]) => `${name}-${version}${tag}`)
  return { refused, packages, output }
}

/** An index is a tar archive, here without a signature. */
function archiveOf(text: string): Buffer {
  const content = Buffer.from(text)
  const header = Buffer.alloc(512)
  header.write('APKINDEX', 0)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\u000000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
  return gzipSync(Buffer.concat([header, content, padding, Buffer.alloc(1024)]), { level: 1 })
}

/** Every package of an index text as its fields. */
export function stanzasOf(text: string): readonly string[] {
  return text.split('\n\n').filter((stanza) => stanza.trim() !== '')
}

/** An identity that only depends on what it stands for. */
export function checksumOf(seed: string): string {
  return `Q1${createHash('sha1').update(seed).digest('base64')}`
}
