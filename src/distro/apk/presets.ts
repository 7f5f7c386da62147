import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { PlinthError } from '../../errors.ts'
import type { ApkRepository } from '../../recipe/apk-rootfs.ts'
import { bundledKey } from '../bundled-key.ts'

const alpineMirror = 'https://dl-cdn.alpinelinux.org/alpine'
const wolfiMirror = 'https://packages.wolfi.dev/os'

/** The repositories of a release of Alpine; several mirrors are tried in order. */
export function alpineRepositories(request: {
  readonly release: string
  readonly components: readonly string[]
  readonly mirrors: readonly string[]
}): readonly ApkRepository[] {
  const mirrors = request.mirrors.length === 0 ? [alpineMirror] : request.mirrors
  return request.components.map((component) => ({
    uris: mirrors.map((mirror) => `${mirror}/${request.release}/${component}`),
  }))
}

/** Wolfi's one repository. */
export function wolfiRepositories(mirrors: readonly string[]): readonly ApkRepository[] {
  return [{ uris: mirrors.length === 0 ? [wolfiMirror] : mirrors }]
}

/**
 * What the official images of a release are made of (aports, mkimg.minirootfs.sh). `alpine-release` holds
 * os-release since 3.17; the official ones have it since 3.21, before it is in them without its package.
 */
export function alpinePackages(release: string): readonly string[] {
  const base = ['alpine-baselayout', 'alpine-keys', 'apk-tools', 'busybox', 'libc-utils']
  const [, major, minor] = /^v(\d+)\.(\d+)$/.exec(release) ?? []
  const isOld = major !== undefined && (Number(major) < 3 || (major === '3' && Number(minor) < 17))
  return isOld ? base : [...base, 'alpine-release']
}

/** What Wolfi's base image is made of. */
export const wolfiPackages: readonly string[] = ['wolfi-base']

/**
 * Alpine's keys for an architecture as PEM, by the names of their files: those its package alpine-keys (of
 * 3.20) has for it. Throws `KEY_UNKNOWN` where that has none.
 */
export async function alpineKeys(architecture: string): Promise<Readonly<Record<string, string>>> {
  const directory = bundledKey(`alpine/${architecture}`)
  const names: readonly string[] = await readdir(directory).catch(() => [])
  if (names.length === 0) {
    throw new PlinthError('KEY_UNKNOWN', `plinth has no keys of Alpine for ${architecture}`, {
      hint: "give them: apk({ distro: 'custom', keys: […], … }), from Alpine's package alpine-keys",
      facts: { architecture },
    })
  }
  const pems = names
    .toSorted()
    .map(async (name) => [name, await readFile(path.join(directory, name), 'utf8')] as const)
  return Object.fromEntries(await Promise.all(pems))
}
