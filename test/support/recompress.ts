import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arArchive } from './deb.ts'
import type { PublishedDeb } from './repository.ts'

/** A package of Debian (xz) with the same content packed as Ubuntu packs it: both tars in zstd. */
export function asZstd(file: string): PublishedDeb {
  const fields = controlFields(tool('dpkg-deb', ['--field', file]).toString())
  const { Package: name = '', Version: version = '', Architecture: architecture = '' } = fields
  const members = readMembers(readFileSync(file)).map(([member, body]) =>
    member.endsWith('.xz')
      ? { name: member.replace(/xz$/, 'zst'), body: zstd(tool('xz', ['-dc', '-T1'], body)) }
      : { name: member, body },
  )
  return { name, version, architecture, fields, file: arArchive(members) }
}

const zstd = (bytes: Buffer): Buffer => tool('zstd', ['-q', '-c', '-1', '-T1'], bytes)

function readMembers(bytes: Buffer): [name: string, body: Buffer][] {
  const members: [string, Buffer][] = []
  for (let at = 8; at < bytes.length;) {
    const text = (from: number, to: number): string =>
      bytes
        .subarray(at + from, at + to)
        .toString('latin1')
        .trimEnd()
    const size = Number(text(48, 58))
    members.push([text(0, 16).replace(/\/$/, ''), bytes.subarray(at + 60, at + 60 + size)])
    at += 60 + size + (size % 2)
  }
  return members
}

/** deb822(5): a line that starts with a space continues the one before. */
function controlFields(text: string): Record<string, string> {
  const joined = text
    .replace(/\n(?=[ \t])/g, '\0')
    .trimEnd()
    .split('\n')
  return Object.fromEntries(
    joined.map((line) => {
      const colon = line.indexOf(':')
      return [
        line.slice(0, colon),
        line
          .slice(colon + 1)
          .trim()
          .replaceAll('\0', '\n'),
      ]
    }),
  )
}

function tool(name: string, args: readonly string[], input?: Buffer): Buffer {
  const { status, stdout, stderr, error } = spawnSync(name, args, { input, maxBuffer: 2 ** 30 })
  if (status !== 0) throw error ?? new Error(`${name} failed: ${stderr.toString()}`)
  return stdout
}
