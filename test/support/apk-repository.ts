import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { buildApk, buildIndex, type ApkSigner, type ApkSpec, type IndexSpec } from './apk.ts'

/** A repository of apk to build. */
export interface ApkRepositorySpec {
  readonly packages: readonly ApkSpec[]
  readonly signers: readonly ApkSigner[]
  /** above the directories of architectures; default none */
  readonly directory?: string
  readonly arch?: string
  /** what the index has instead of the packages */
  readonly index?: IndexSpec
}

/** The files of a repository by path, as a mirror has them; packages are unsigned, as the index vouches for them. */
export function buildApkRepository(
  ...specs: readonly ApkRepositorySpec[]
): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  for (const { packages, signers, directory = '', arch = 'x86_64', index } of specs) {
    const at = (...parts: readonly string[]) => path.posix.join(directory, ...parts)
    files.set(at(arch, 'APKINDEX.tar.gz'), buildIndex({ packages, signers, ...index }))
    for (const spec of packages) {
      const { name = 'demo', version = '1.0-r0' } = spec
      files.set(at(spec.arch ?? 'noarch', `${name}-${version}.apk`), buildApk(spec))
    }
  }
  return files
}

/** Writes them below a directory. */
export function writeApkRepository(
  files: ReadonlyMap<string, Uint8Array>,
  directory: string,
): void {
  for (const [name, bytes] of files) {
    const file = path.join(directory, name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }
}
