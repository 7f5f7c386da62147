import { readFile } from 'node:fs/promises'
import type { Keyring } from '../../deb/openpgp.ts'
import { parseSources, renderSources, type DebSource } from '../../deb/sources.ts'
import { PlinthError } from '../../errors.ts'
import type { DebRootfs, Key } from '../../recipe/rootfs.ts'
import { debianKeyring, debianSources, ubuntuKeyring, ubuntuSources } from './presets.ts'

/**
 * The repositories of a recipe's root filesystem: the distribution's own, then those it adds.
 * Throws `RECIPE_INVALID` for keys that cannot be read or are missing, `USAGE` for source text that cannot.
 */
export async function resolveSources(
  rootfs: DebRootfs,
  architecture: string,
): Promise<readonly DebSource[]> {
  const keys = rootfs.keys && (await keyring(rootfs.keys))
  return [
    ...(await presetSources(rootfs, architecture, keys)),
    ...(await addedSources(rootfs, keys)),
  ]
}

async function presetSources(
  rootfs: DebRootfs,
  architecture: string,
  keys: Keyring | undefined,
): Promise<readonly DebSource[]> {
  if (rootfs.distro === 'custom') return []
  const preset = rootfs.distro === 'ubuntu' ? ubuntuSources : debianSources
  const request = {
    suite: rootfs.suite,
    architecture,
    mirrors: rootfs.mirrors,
    components: rootfs.components,
  }
  const sources = await preset(
    rootfs.suites ? { ...request, updates: false, security: false } : request,
  )
  return sources.map((source) => ({
    ...source,
    ...(rootfs.suites && { suites: rootfs.suites }),
    // other keys than the distribution's are not where its package puts them
    ...(keys && { signedBy: keys, keyringPath: undefined }),
  }))
}

async function addedSources(
  rootfs: DebRootfs,
  keys: Keyring | undefined,
): Promise<readonly DebSource[]> {
  if (typeof rootfs.sources === 'string') {
    return parseSources(rootfs.sources, {
      name: "the recipe's sources",
      readKeyring: (path) => readKey(new URL(`file://${path}`)),
      defaultKeyring: keys ?? (await distributionKeyring(rootfs)),
    })
  }
  return Promise.all(
    rootfs.sources.map(async ({ signedBy, uris, ...source }) => {
      const trusted = signedBy
        ? await keyring(signedBy)
        : (keys ?? (await distributionKeyring(rootfs)))
      if (trusted === undefined) {
        throw new PlinthError('RECIPE_INVALID', `deb(): no keys for ${source.suites.join(' ')}`, {
          hint: 'give signedBy with the source, or keys for all',
        })
      }
      return {
        ...source,
        uris: uris.map((uri) => uri.replace(/\/+$/, '')),
        components: source.components ?? [],
        signedBy: trusted,
      }
    }),
  )
}

async function distributionKeyring(rootfs: DebRootfs): Promise<Keyring | undefined> {
  switch (rootfs.distro) {
    case 'custom':
      return undefined
    case 'debian':
      return debianKeyring()
    case 'ubuntu':
      return ubuntuKeyring()
  }
}

async function keyring(keys: readonly Key[]): Promise<Keyring> {
  return {
    keys: await Promise.all(keys.map(async (key) => (key instanceof URL ? readKey(key) : key))),
  }
}

async function readKey(url: URL): Promise<Uint8Array> {
  try {
    return await readFile(url)
  } catch (cause) {
    throw new PlinthError(
      'RECIPE_INVALID',
      `cannot read the key ${url.href}: ${(cause as Error).message}`,
      { cause },
    )
  }
}

/**
 * What apt in the image needs to go on with these sources: a deb822 file, and the keys that no package of
 * the distribution brings, by path.
 */
export async function sourceFiles(
  rootfs: DebRootfs,
  sources: readonly DebSource[],
): Promise<Readonly<Record<string, string>>> {
  const files: Record<string, string> = {}
  const placed: DebSource[] = []
  for (const source of sources) {
    if (source.keyringPath !== undefined) {
      placed.push(source)
      continue
    }
    const text = (await Promise.all(source.signedBy.keys.map(armored))).join('\n')
    const same = Object.keys(files).find((path) => files[path] === text)
    const path = same ?? `etc/apt/keyrings/${rootfs.distro}-${Object.keys(files).length + 1}.asc`
    files[path] = text
    placed.push({ ...source, keyringPath: `/${path}` })
  }
  files[`etc/apt/sources.list.d/${rootfs.distro}.sources`] = renderSources(placed)
  return files
}

async function armored(key: string | Uint8Array): Promise<string> {
  const text = typeof key === 'string' ? key : Buffer.from(key).toString('latin1')
  if (text.includes('-----BEGIN PGP')) return text
  const openpgp = await import('openpgp')
  // it takes bytes, though its types say object
  return openpgp.armor(openpgp.enums.armor.publicKey, key as Uint8Array & object)
}
