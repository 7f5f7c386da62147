import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { PlinthError } from '../../errors.ts'
import { displayUrl } from '../../http/http.ts'
import type { ApkKey, ApkRepository, ApkRootfs } from '../../recipe/apk-rootfs.ts'
import {
  alpineKeys,
  alpinePackages,
  alpineRepositories,
  wolfiPackages,
  wolfiRepositories,
} from './presets.ts'

/** What a recipe's root filesystem is made from, with what plinth knows of its distribution. */
export interface ResolvedApk {
  /** `alpine v3.22`, for people */
  readonly release: string
  /** in the order apk reads them */
  readonly repositories: readonly ApkRepository[]
  /** what is asked for, as `apk add` takes it */
  readonly request: readonly string[]
  /** trusted keys as PEM, by the names of their files */
  readonly keys: Readonly<Record<string, string>>
}

/**
 * Completes a root filesystem: the distribution's own repositories before those it adds, its keys beside those
 * it names. Throws `RECIPE_INVALID` for keys that cannot be read or are at odds, `KEY_UNKNOWN` where plinth has none.
 */
export async function resolveApk(rootfs: ApkRootfs, architecture: string): Promise<ResolvedApk> {
  const preset = await presetOf(rootfs, architecture)
  return {
    release: preset.release,
    repositories: [...preset.repositories, ...rootfs.repositories],
    request: [...(rootfs.packages ?? preset.packages), ...rootfs.include],
    keys: await addKeys(preset.keys, rootfs.keys),
  }
}

interface Preset extends Omit<ResolvedApk, 'request'> {
  readonly packages: readonly string[]
}

async function presetOf(rootfs: ApkRootfs, architecture: string): Promise<Preset> {
  switch (rootfs.distro) {
    case 'alpine':
      return {
        release: `alpine ${rootfs.release}`,
        repositories: alpineRepositories(rootfs),
        packages: alpinePackages(rootfs.release),
        keys: await alpineKeys(architecture),
      }
    case 'wolfi':
      return {
        release: 'wolfi',
        repositories: wolfiRepositories(rootfs.mirrors),
        packages: wolfiPackages,
        keys: {},
      }
    case 'custom':
      return { release: 'custom', repositories: [], packages: [], keys: {} }
  }
}

async function addKeys(
  own: Readonly<Record<string, string>>,
  added: readonly ApkKey[],
): Promise<Readonly<Record<string, string>>> {
  const keys = new Map(Object.entries(own))
  for (const key of added) {
    const { name, pem } = key instanceof URL ? await readKey(key) : key
    if ((keys.get(name) ?? pem) !== pem) {
      throw new PlinthError('RECIPE_INVALID', `apk(): two keys are called '${name}'`, {
        hint: 'signatures name their key by its file: of one name there can be one key',
      })
    }
    keys.set(name, pem)
  }
  return Object.fromEntries([...keys].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

async function readKey(url: URL): Promise<{ readonly name: string; readonly pem: string }> {
  try {
    const file = fileURLToPath(url)
    return { name: path.basename(file), pem: await readFile(file, 'utf8') }
  } catch (cause) {
    throw new PlinthError(
      'RECIPE_INVALID',
      `cannot read the key ${url.href}: ${(cause as Error).message}`,
      {
        cause,
        hint: "give the publisher's key as a file that is called as its signatures call it",
      },
    )
  }
}

/**
 * What the image's etc/apk/repositories says of a repository: its first address, without credentials. Nothing
 * of a directory: no image has the directories of the machine it was made on.
 */
export function repositoryLine({ uris, tag }: ApkRepository): readonly string[] {
  const address = uris.find((uri) => !uri.startsWith('file:'))
  if (address === undefined) return []
  const line = displayUrl(address).replace(/\/+$/, '')
  return [tag === undefined ? line : `@${tag} ${line}`]
}
