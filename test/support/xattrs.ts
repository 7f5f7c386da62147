import { execFile } from 'node:child_process'
import { basename, dirname } from 'node:path'
import { promisify } from 'node:util'
import { readTar } from '../../src/archive/tar-read.ts'

/** The extended attributes of a file on disk in hex, by GNU tar, since Node has no call for them. */
export async function readXattrs(path: string): Promise<Record<string, string>> {
  const flags = ['--format=posix', '--xattrs', '--xattrs-include=*', '--no-recursion']
  const { stdout } = await promisify(execFile)(
    'tar',
    [...flags, '--create', '--file=-', `--directory=${dirname(path)}`, basename(path)],
    { encoding: 'buffer', maxBuffer: 64 << 20 },
  )
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    yield stdout
  }
  for await (const { xattrs } of readTar(chunks(), path)) {
    return Object.fromEntries(
      [...(xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value).toString('hex')]),
    )
  }
  return {}
}
