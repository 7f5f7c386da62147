import { PlinthError } from '../errors.ts'
import type { Release, ReleaseFile } from './release.ts'

/** A package index of a suite, in the forms its Release offers. */
export interface IndexFile {
  /** undefined in a flat repository */
  readonly component: string | undefined
  /** the architecture, or `all` */
  readonly architecture: string
  /** the uncompressed file, which a Release lists even where it is not served */
  readonly plain: ReleaseFile | undefined
  /** what can be fetched, by extension: `.xz`, `.gz`, … and '' */
  readonly variants: ReadonlyMap<string, ReleaseFile>
}

/** Which indexes are wanted. */
export interface IndexRequest {
  readonly component: string
  readonly architecture: string
  /** for messages */
  readonly name: string
}

const extensions = ['', '.xz', '.gz', '.zst', '.bz2']

/**
 * The package indexes of one component for one architecture: one, or two where `Architecture: all` is apart.
 * `COMPONENT_NOT_FOUND` and `ARCHITECTURE_NOT_FOUND` say what there is.
 */
export function findIndexes(release: Release, request: IndexRequest): readonly IndexFile[] {
  const { architecture, name } = request
  const component = findComponent(release, request)
  const architectures = release.allWithEach ? [architecture] : [architecture, 'all']
  const found = architectures.flatMap((candidate) => {
    const index = findIndex(release, component, candidate)
    return index === undefined ? [] : [index]
  })
  if (found.length > 0) return found

  const known = release.architectures.filter((candidate) => candidate !== 'all')
  throw new PlinthError(
    'ARCHITECTURE_NOT_FOUND',
    `${name} has no packages of '${component}' for ${architecture}`,
    {
      hint: known.length > 0 ? `it has: ${known.join(', ')}` : 'its Release names no architecture',
      facts: { architecture, known },
    },
  )
}

/** The index of a flat repository, whose Release may stand without any architecture. */
export function findFlatIndex(release: Release, architecture: string, name: string): IndexFile {
  const index = withVariants(release, 'Packages', undefined, architecture)
  if (index !== undefined) return index
  throw new PlinthError('INDEX_INVALID', `${name} lists no Packages file`, {
    hint: 'the publisher has to list Packages in Release (apt-ftparchive release does); without it nothing vouches for the packages',
  })
}

/** Where a file of a Release is found by its digest (`Acquire-By-Hash`), relative to the Release. */
export function byHashPath(file: ReleaseFile): string {
  const directory = file.path.slice(0, file.path.lastIndexOf('/') + 1)
  return file.sha256 === undefined
    ? `${directory}by-hash/SHA512/${file.sha512}`
    : `${directory}by-hash/SHA256/${file.sha256.slice('sha256:'.length)}`
}

/** What is after the last slash. */
function base(text: string): string {
  return text.slice(text.lastIndexOf('/') + 1)
}

/**
 * The component as paths have it. Security suites list `updates/main` and serve `main`: only what is after
 * the last slash counts, as for apt.
 */
function findComponent(release: Release, { component, name }: IndexRequest): string {
  const known = release.components
  const served = [component, base(component)].find((candidate) =>
    [...release.files.keys()].some((path) => path.startsWith(`${candidate}/`)),
  )
  const listed =
    known.length === 0 ||
    known.some((candidate) => candidate === component || base(candidate) === component)
  if (listed && served !== undefined) return served
  if (listed && known.length > 0) return component
  throw new PlinthError('COMPONENT_NOT_FOUND', `${name} has no component '${component}'`, {
    hint:
      known.length > 0 ? `it has: ${known.map(base).join(', ')}` : 'its Release names no component',
    facts: { component, known },
  })
}

function findIndex(
  release: Release,
  component: string,
  architecture: string,
): IndexFile | undefined {
  return withVariants(
    release,
    `${component}/binary-${architecture}/Packages`,
    component,
    architecture,
  )
}

function withVariants(
  release: Release,
  path: string,
  component: string | undefined,
  architecture: string,
): IndexFile | undefined {
  const variants = new Map<string, ReleaseFile>()
  for (const extension of extensions) {
    const file = release.files.get(`${path}${extension}`)
    if (file !== undefined) variants.set(extension, file)
  }
  return variants.size === 0
    ? undefined
    : { component, architecture, plain: variants.get(''), variants }
}
