import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { decompress } from '../../src/archive/decompress.ts'
import { treePath } from '../../src/archive/path.ts'
import { readTar } from '../../src/archive/tar-read.ts'
import type { ApkSigner } from './apk.ts'
import { scratchDirectory } from './scratch.ts'

/** Real Alpine files, which are no part of the project: ask `needs('alpine')` before. */
export const alpineData: string = fileURLToPath(new URL('../../../shared/alpine', import.meta.url))

export type AlpineArch = 'x86_64' | 'aarch64'

/** What this machine runs, in apk's terms. */
export const hostArch: AlpineArch | undefined = (
  { x64: 'x86_64', arm64: 'aarch64' } as Partial<Record<string, AlpineArch>>
)[process.arch]

/** The official minirootfs of Alpine 3.20.3. */
export function minirootfsPath(arch: AlpineArch): string {
  return path.join(alpineData, 'minirootfs', `alpine-minirootfs-3.20.3-${arch}.tar.gz`)
}

/** The contents of its regular files, by path, those `wanted` says. */
export async function minirootfsFiles(
  arch: AlpineArch,
  wanted: (path: string) => boolean,
): Promise<Map<string, Buffer>> {
  const name = minirootfsPath(arch)
  const files = new Map<string, Buffer>()
  const bytes = decompress('gzip', createReadStream(name), { name, maxSize: 2 ** 30 })
  for await (const member of readTar(bytes, name)) {
    const at = treePath(member.name, name)
    if (member.type !== 'file' || !wanted(at)) continue
    const parts: Buffer[] = []
    for await (const part of member.body()) parts.push(part)
    files.set(at, Buffer.concat(parts))
  }
  return files
}

/** Alpine's own keys by file name, as PEM. */
export async function alpineKeys(): Promise<Record<string, string>> {
  const files = await minirootfsFiles('x86_64', (at) => /^usr\/share\/apk\/keys\/[^/]+$/.test(at))
  return Object.fromEntries([...files].map(([at, pem]) => [path.basename(at), pem.toString()]))
}

/** The real apk-tools 2.14.4, run without a root of its own: ask `needs('alpine')` before. */
export interface RealApk {
  run(...argv: readonly string[]): { readonly status: number; readonly output: string }
  /** The same in a mount namespace of its own: it mounts what scripts need, which takes root. */
  isolated(...argv: readonly string[]): { readonly status: number; readonly output: string }
  /** Writes a file for it; `path` is relative, the result absolute. */
  keep(path: string, bytes: Uint8Array): string
  /** An empty root with an empty database. */
  newRoot(): string
  /** Runs a command on a root, with no repositories but those of `argv`. */
  on(root: string, ...argv: readonly string[]): { readonly status: number; readonly output: string }
}

/** The real apk, out of the minirootfs, which trusts `signers`. Lives as long as the test. */
export async function realApk(signers: readonly ApkSigner[]): Promise<RealApk> {
  const directory = scratchDirectory()
  const home = path.join(directory, 'apk')
  const keys = path.join(directory, 'keys')
  const work = path.join(directory, 'work')
  for (const made of [home, keys, work]) mkdirSync(made)
  const parts =
    /^(lib\/(ld-musl-|libcrypto|libssl|libz|libapk)|usr\/lib\/(libcrypto|libssl|libz)|sbin\/apk$)/
  for (const [at, bytes] of await minirootfsFiles(hostArch!, (file) => parts.test(file))) {
    writeFileSync(path.join(home, path.basename(at)), bytes)
    chmodSync(path.join(home, path.basename(at)), 0o755)
  }
  // libz.so.1 is a link to the file of its full version
  for (const name of readdirSync(home)) {
    const soname = /^(lib\w+\.so\.\d+)\./.exec(name)?.[1]
    if (soname !== undefined && !existsSync(path.join(home, soname)))
      symlinkSync(name, path.join(home, soname))
  }
  for (const { name, publicKey } of signers) writeFileSync(path.join(keys, name), publicKey)
  const loader = path.join(home, `ld-musl-${hostArch}.so.1`)
  const start = ['--library-path', home, path.join(home, 'apk'), '--keys-dir', keys]
  const nowhere = ['--repositories-file', '/dev/null', '--no-network']
  const spawned = (command: string, argv: readonly string[]) => {
    const { status, stdout, stderr, error } = spawnSync(command, argv, { encoding: 'utf8' })
    if (status === null) throw error ?? new Error('the real apk was killed')
    return { status, output: `${stdout}${stderr}` }
  }
  const run: RealApk['run'] = (...argv) => spawned(loader, [...start, ...argv])
  const on: RealApk['on'] = (root, ...argv) =>
    run(...nowhere, '--arch', hostArch!, '--root', root, ...argv)
  return {
    run,
    isolated: (...argv) => spawned('unshare', ['--mount', loader, ...start, ...argv]),
    on,
    keep(name, bytes) {
      const file = path.join(work, name)
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, bytes)
      return file
    },
    newRoot() {
      const root = mkdtempSync(path.join(directory, 'root-'))
      on(root, 'add', '--initdb')
      return root
    },
  }
}
