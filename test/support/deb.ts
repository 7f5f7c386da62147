import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import type { Compression } from '../../src/archive/decompress.ts'
import { rawTar, type RawMember } from './tar.ts'

/** What stands at a path: text, bytes, or something with metadata. A path that ends with `/` is a directory. */
export type DebFile =
  | string
  | Uint8Array
  | (Pick<RawMember, 'mode' | 'uid' | 'gid' | 'mtime'> &
      (
        | { readonly content?: string | Uint8Array }
        | { readonly symlink: string }
        /** path of an earlier file, as a name (`./usr/bin/a` is written) */
        | { readonly hardlink: string }
      ))

/** A package to build. Everything has a default: `buildDeb({})` is an empty package called `demo`. */
export interface DebSpec {
  readonly name?: string
  readonly version?: string
  readonly architecture?: string
  /** further control fields (`Depends`, `Multi-Arch`, …), or other values for the default ones */
  readonly fields?: Readonly<Record<string, string>>
  /** control files: `postinst`, `conffiles`, `triggers`, …; scripts are made executable */
  readonly control?: Readonly<Record<string, string>>
  /** by path, without `./`; directories above are added */
  readonly files?: Readonly<Record<string, DebFile>>
  readonly mtime?: number
  /** default: yes, as debhelper does */
  readonly md5sums?: boolean
  /** of control.tar and data.tar; default gzip, which needs no tool. bzip2 alone means data.tar: dpkg knows no other */
  readonly compression?: Compression | { readonly control: Compression; readonly data: Compression }
  /** data.tar as these members say, instead of `files` */
  readonly data?: readonly RawMember[]
}

/**
 * A binary package (deb(5)) as dpkg-deb would build it, made in code:
 *
 *     await buildDeb({
 *       name: 'hello',
 *       fields: { Depends: 'libc6' },
 *       control: { postinst: '#!/bin/sh\nset -e\n' },
 *       files: { 'usr/bin/hello': { content: '#!/bin/sh\necho hi\n', mode: 0o755 } },
 *     })
 */
export async function buildDeb(spec: DebSpec): Promise<Buffer> {
  const { control, data } =
    typeof spec.compression === 'object'
      ? spec.compression
      : {
          control: spec.compression === 'bzip2' ? 'gzip' : (spec.compression ?? 'gzip'),
          data: spec.compression ?? 'gzip',
        }
  return arArchive([
    { name: 'debian-binary', body: '2.0\n' },
    {
      name: `control.tar${extensions[control]}`,
      body: await compressBytes(controlTar(spec), control),
    },
    { name: `data.tar${extensions[data]}`, body: await compressBytes(dataTar(spec), data) },
  ])
}

/** The control paragraph of a package, fields in the order dpkg-gencontrol has them. */
export function controlText(spec: DebSpec): string {
  const fields: Record<string, string> = {
    Package: spec.name ?? 'demo',
    Version: spec.version ?? '1.0',
    Architecture: spec.architecture ?? 'all',
    Maintainer: 'Plinth Tests <tests@example.org>',
    ...spec.fields,
  }
  fields['Description'] ??= `package ${fields['Package']} of a test`
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')
}

const scripts = new Set(['preinst', 'postinst', 'prerm', 'postrm', 'config'])

function controlTar(spec: DebSpec): Buffer {
  const mtime = spec.mtime
  const files: Record<string, string> = { control: controlText(spec), ...spec.control }
  const sums = spec.md5sums === false ? '' : md5sums(spec)
  if (sums !== '') files['md5sums'] ??= sums
  return rawTar([
    { name: './', mtime },
    ...Object.entries(files).map(([name, body]) => ({
      name: `./${name}`,
      body,
      mtime,
      mode: scripts.has(name) ? 0o755 : 0o644,
    })),
  ])
}

function md5sums(spec: DebSpec): string {
  const conffiles = new Set((spec.control?.['conffiles'] ?? '').split('\n'))
  return Object.entries(spec.files ?? {})
    .map(([path, file]) => ({ path, content: contentOf(file) }))
    .filter(
      ({ path, content }) =>
        content !== undefined && !path.endsWith('/') && !conffiles.has(`/${path}`),
    )
    .map(({ path, content }) => `${createHash('md5').update(content!).digest('hex')}  ${path}\n`)
    .join('')
}

function contentOf(file: DebFile): string | Uint8Array | undefined {
  if (typeof file === 'string' || file instanceof Uint8Array) return file
  return 'symlink' in file || 'hardlink' in file ? undefined : (file.content ?? '')
}

function dataTar(spec: DebSpec): Buffer {
  if (spec.data) return rawTar(spec.data)
  const mtime = spec.mtime
  const members = new Map<string, RawMember>([['./', { name: './', mtime }]])
  for (const [path, file] of Object.entries(spec.files ?? {})) {
    for (
      let at = path.indexOf('/');
      at > 0 && at < path.length - 1;
      at = path.indexOf('/', at + 1)
    ) {
      const name = `./${path.slice(0, at)}/`
      if (!members.has(name)) members.set(name, { name, mtime })
    }
    const metadata = typeof file === 'string' || file instanceof Uint8Array ? {} : file
    const { mode, uid, gid } = metadata
    const common = { name: `./${path}`, mode, uid, gid, mtime: metadata.mtime ?? mtime }
    members.set(common.name, { ...common, ...kindOf(file) })
  }
  return rawTar([...members.values()])
}

function kindOf(file: DebFile): Partial<RawMember> {
  const content = contentOf(file)
  if (content !== undefined) return { body: content }
  const linked = file as { readonly symlink?: string; readonly hardlink?: string }
  return linked.symlink === undefined
    ? { type: '1', linkname: `./${linked.hardlink}` }
    : { type: '2', linkname: linked.symlink, mode: 0o777 }
}

export interface ArMemberSpec {
  readonly name: string
  readonly body: string | Uint8Array
  /** what the header says, whatever the body has */
  readonly size?: number | string
}

/** An `ar` archive (ar(5), the common format). */
export function arArchive(members: readonly ArMemberSpec[]): Buffer {
  const parts = [Buffer.from('!<arch>\n')]
  for (const { name, body, size } of members) {
    const bytes = Buffer.from(body)
    const columns: [text: string, width: number][] = [
      [name, 16],
      ['1700000000', 12],
      ['0', 6],
      ['0', 6],
      ['100644', 8],
      [String(size ?? bytes.length), 10],
    ]
    const header = columns.map(([text, width]) => text.padEnd(width)).join('')
    parts.push(Buffer.from(`${header}\`\n`, 'latin1'), bytes)
    if (bytes.length % 2 === 1) parts.push(Buffer.from('\n'))
  }
  return Buffer.concat(parts)
}

export const extensions: Readonly<Record<Compression, string>> = {
  none: '',
  gzip: '.gz',
  xz: '.xz',
  zstd: '.zst',
  bzip2: '.bz2',
}

/**
 * Compresses bytes. xz goes by liblzma's binding or the xz tool, zstd by Node, the zstd tool or as stored
 * blocks (RFC 8878), bzip2 by its tool alone: ask `needs('bzip2')` before.
 */
export async function compressBytes(bytes: Uint8Array, compression: Compression): Promise<Buffer> {
  switch (compression) {
    case 'none':
      return Buffer.from(bytes)
    case 'gzip':
      return zlib.gzipSync(bytes)
    case 'xz':
      return (await xzByBinding(bytes)) ?? byTool('xz', ['-c', '-T1'], bytes)
    case 'zstd': {
      const compress = (
        zlib as unknown as {
          zstdCompress?: (b: Uint8Array, cb: (e: Error | null, r: Buffer) => void) => void
        }
      ).zstdCompress
      if (compress) return promisify(compress)(bytes)
      return hasTool('zstd') ? byTool('zstd', ['-c', '-q'], bytes) : storedZstd(bytes)
    }
    case 'bzip2':
      return byTool('bzip2', ['-c'], bytes)
  }
}

async function xzByBinding(bytes: Uint8Array): Promise<Buffer | undefined> {
  try {
    const { xzAsync } = await import('node-liblzma')
    return await xzAsync(Buffer.from(bytes), { threads: 1 })
  } catch {
    return undefined
  }
}

function hasTool(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0
}

function byTool(name: string, args: readonly string[], input: Uint8Array): Buffer {
  const { status, stdout, error } = spawnSync(name, args, { input, maxBuffer: 2 ** 30 })
  if (status !== 0) throw error ?? new Error(`${name} failed with ${status}`)
  return stdout
}

/** A zstd frame of raw blocks: valid, and needs no encoder. */
export function storedZstd(bytes: Uint8Array): Buffer {
  const most = 128 * 1024
  // no checksum, no content size, a window of 128 KiB
  const parts = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38])]
  for (let at = 0; at === 0 || at < bytes.length; at += most) {
    const block = bytes.subarray(at, at + most)
    const header = Buffer.alloc(3)
    header.writeUIntLE((block.length << 3) | (at + most >= bytes.length ? 1 : 0), 0, 3)
    parts.push(header, Buffer.from(block))
  }
  return Buffer.concat(parts)
}
