import { PlinthError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import type { Cache, Package, Version } from './cache.ts'
import { firstMention } from './mention-search.ts'
import type { IndexSource } from './universe.ts'

/** One thing asked for: a version to install, or a package to leave out. */
export interface Asked {
  /** as it was written */
  readonly text: string
  readonly version: Version
  /** the release it was asked from, also for what it depends on: `pkg/suite` */
  readonly release?: string | undefined
  readonly remove: boolean
}

/** The candidate by pin (apt_preferences(5)): highest priority, then highest version, then first source. */
export function candidateOf(pkg: Package): Version | undefined {
  let best: Version | undefined
  for (const version of pkg.versions)
    if (version.pin > 0 && version.pin > (best?.pin ?? 0)) best = version
  return best
}

/**
 * Reads a request as apt-get(8) does: `pkg`, `pkg=version`, `pkg/suite`, each with `:arch`, `-` after it
 * to leave it out and `+` to install it; a package whose name ends so is itself first. A name that only
 * one package provides stands for that package, except that leaving it out means nothing.
 * Throws `PACKAGE_NOT_FOUND` and `VERSION_NOT_FOUND`.
 */
export function parseRequest(cache: Cache, text: string): Asked | undefined {
  const sign = text.length > 1 ? /[+-]$/.exec(text)?.[0] : undefined
  if (sign === undefined || isThere(cache, text)) return readRequest(cache, text, text, false)
  return readRequest(cache, text, text.slice(0, -1), sign === '-')
}

interface Request {
  readonly name: string
  readonly version?: string
  readonly release?: string
}

function splitRequest(text: string): Request {
  const at = Math.max(text.lastIndexOf('='), text.lastIndexOf('/'))
  if (at < 0) return { name: text }
  const rest = text.slice(at + 1)
  return text[at] === '='
    ? { name: text.slice(0, at), version: rest }
    : { name: text.slice(0, at), release: rest }
}

/** Whether a request can be met as it is written, sign included. */
function isThere(cache: Cache, text: string): boolean {
  const request = splitRequest(text)
  const pkg = findPackage(cache, request.name)
  return (
    pkg !== undefined &&
    (versionOf(cache, pkg, request) ?? onlyProvider(cache, pkg, request)) !== undefined
  )
}

function readRequest(
  cache: Cache,
  text: string,
  plain: string,
  remove: boolean,
): Asked | undefined {
  const request = splitRequest(plain)
  const { name, release } = request
  const pkg = findPackage(cache, name)
  if (pkg === undefined) {
    if (remove && isMentioned(cache, name)) return undefined
    throw unknownPackage(cache, name)
  }
  const named = request.version !== undefined || release !== undefined
  if (remove && !named) return leaveOut(pkg, text)
  const version = versionOf(cache, pkg, request) ?? onlyProvider(cache, pkg, request)
  if (version !== undefined)
    return { text, version, remove, ...(release !== undefined && { release }) }
  throw named && pkg.versions.length > 0
    ? unknownVersion(pkg, text, request)
    : notOneProvider(cache, pkg, text)
}

/** Whether a relation speaks of a name that no source has: leaving that out is easy. */
function isMentioned(cache: Cache, name: string): boolean {
  return cache.universe.indexes.some(
    ({ packages: { bytes } }) => firstMention(bytes, name, bytes.length) !== undefined,
  )
}

function leaveOut(pkg: Package, text: string): Asked | undefined {
  const [version] = pkg.versions
  return version === undefined ? undefined : { text, version, remove: true }
}

/** The version of the package itself. */
function versionOf(cache: Cache, pkg: Package, { version, release }: Request): Version | undefined {
  if (version === 'candidate' || release === 'candidate') return candidateOf(pkg)
  if (version === 'newest' || release === 'newest') return pkg.versions[0]
  if (release !== undefined) return pkg.versions.find((one) => isOfRelease(one, release))
  if (version === undefined) return candidateOf(pkg)
  return (
    pkg.versions.find((one) => matchesText(one.text, version)) ??
    cache
      .providers(pkg)
      .find(
        (one) =>
          one.owner.package === pkg &&
          one.version !== undefined &&
          matchesText(one.version, version),
      )?.owner
  )
}

/** Whether one of a version's sources is of a release. */
export function isOfRelease(version: Version, release: string): boolean {
  return version.sources.some((source) => isRelease(source, release))
}

/** Versions may be given with the wildcards of a shell. */
function matchesText(text: string, wanted: string): boolean {
  if (!/[*?[]/.test(wanted)) return text.toLowerCase() === wanted.toLowerCase()
  const pattern = wanted
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${pattern}$`, 'i').test(text)
}

/** A release is named by its suite, its code name or its version. */
function isRelease(source: IndexSource, release: string): boolean {
  if (/^[0-9]/.test(release))
    return source.version !== undefined && matchesVersion(source.version, release)
  return [source.suite, source.archive, source.codename].some(
    (name) => name !== undefined && matchesText(name, release),
  )
}

function matchesVersion(version: string, wanted: string): boolean {
  return wanted.endsWith('*') ? version.startsWith(wanted.slice(0, -1)) : version === wanted
}

/** The package of a name, real or provided; undefined when nothing speaks of it. */
function findPackage(cache: Cache, text: string): Package | undefined {
  const colon = text.lastIndexOf(':')
  const name = colon < 0 ? text : text.slice(0, colon)
  const wanted = colon < 0 ? undefined : text.slice(colon + 1)
  const { architecture, foreign } = cache.universe
  const architectures =
    wanted === undefined || wanted === 'any'
      ? [architecture, ...foreign]
      : [wanted === 'native' || wanted === 'all' ? architecture : wanted]
  const packages = architectures.map((one) => cache.package(name, one))
  return (
    packages.find((pkg) => pkg.versions.length > 0) ??
    packages.find((pkg) => cache.providers(pkg).length > 0)
  )
}

/** Who could stand for a name: the owners of what is provided as asked for. */
function providersFor(
  cache: Cache,
  pkg: Package,
  { version, release }: Request,
): readonly Version[] {
  const owners = cache.providers(pkg).filter((provision) => {
    if (version !== undefined) return provision.version === version
    if (release !== undefined) return isOfRelease(provision.owner, release)
    return candidateOf(provision.owner.package) === provision.owner
  })
  return [...new Set(owners.map((provision) => provision.owner))]
}

/** What stands for a name that is only provided: its one provider. */
function onlyProvider(cache: Cache, pkg: Package, request: Request): Version | undefined {
  const owners = providersFor(cache, pkg, request)
  return new Set(owners.map((owner) => owner.package.name)).size === 1 ? owners[0] : undefined
}

function notOneProvider(cache: Cache, pkg: Package, text: string): PlinthError {
  const providers = providersFor(cache, pkg, { name: pkg.name })
  const names = [...new Set(providers.map((owner) => owner.package.name))].toSorted()
  if (names.length === 0) {
    return new PlinthError(
      'PACKAGE_NOT_FOUND',
      `cannot install '${text}': no source offers it by itself`,
      {
        hint: 'name a version or a suite to take it from a source that is not used by itself',
        facts: { name: pkg.name, versions: pkg.versions.map((version) => version.text) },
      },
    )
  }
  return new PlinthError(
    'PACKAGE_NOT_FOUND',
    `cannot install '${text}': ${pkg.name} is a virtual package that ${names.length} packages provide`,
    {
      hint: `name one of them: ${names.slice(0, 10).join(', ')}`,
      facts: { name: pkg.name, providers: names },
    },
  )
}

function unknownPackage(cache: Cache, name: string): PlinthError {
  const known = function* (): Generator<string> {
    for (const { packages } of cache.universe.indexes) {
      yield* packages.names()
      yield* packages.providedNames()
    }
  }
  const near = nearest(name, new Set(known()), 5)
  return new PlinthError(
    'PACKAGE_NOT_FOUND',
    `cannot install '${name}': no source has a package of that name`,
    {
      hint:
        near.length === 0
          ? 'check the name, the suites and the components'
          : `did you mean ${near.join(', ')}?`,
      facts: { name, nearest: near },
    },
  )
}

function unknownVersion(pkg: Package, text: string, { version, release }: Request): PlinthError {
  const what =
    version === undefined
      ? `no source of release '${release}' has ${pkg.name}`
      : `no source has ${pkg.name} ${version}`
  const available = pkg.versions.map(
    (one) => `${one.text} (${one.sources.map((source) => source.suite).join(', ')})`,
  )
  return new PlinthError('VERSION_NOT_FOUND', `cannot install '${text}': ${what}`, {
    hint: `available: ${available.join(', ')}`,
    facts: { name: pkg.name, versions: pkg.versions.map((one) => one.text) },
  })
}
