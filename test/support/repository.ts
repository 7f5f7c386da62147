import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { buildDeb, compressBytes, controlText, type DebSpec } from './deb.ts'
import { clearsign, signDetached, type SignSpec, type TestKey } from './keys.ts'

/** A suite to publish. Everything has a default except its keys. */
export interface SuiteSpec {
  /** default `stable`, with codename `demo` */
  readonly suite?: string
  readonly codename?: string
  /** the directory below `dists/`; default the codename. A flat repository's ends with `/` and has no `dists/` */
  readonly directory?: string
  /** packages by component; default one empty component `main` */
  readonly components?: Readonly<Record<string, readonly PublishedDeb[]>>
  readonly architectures?: readonly string[]
  readonly keys: readonly TestKey[]
  readonly signing?: SignSpec
  /** default `inline` */
  readonly signed?: 'inline' | 'detached' | 'both' | 'none'
  readonly date?: Date
  readonly validUntil?: Date
  /** `Architecture: all` packages apart in `binary-all`, as the Release then says */
  readonly splitAll?: boolean
  /** put before components in the Release, as security suites do: `updates/` */
  readonly componentPrefix?: string
  readonly byHash?: boolean
  /** forms of Packages to publish; default '.gz' and '' */
  readonly forms?: readonly ('' | '.gz' | '.xz')[]
  /** whether the plain file is served too (it is always listed); default no */
  readonly plainServed?: boolean
  readonly hashes?: readonly ('MD5Sum' | 'SHA1' | 'SHA256' | 'SHA512')[]
  /** further Release fields, or other values */
  readonly fields?: Readonly<Record<string, string>>
}

/** A package of a repository. */
export type PublishedDeb = DebSpec & {
  /** served and listed with its own size and digest instead of the package that the rest describes */
  readonly file?: Uint8Array
}

/** Path below the mirror → bytes. */
export type Files = Map<string, Uint8Array>

/** Builds a signed repository with real packages in code: `dists/…` and `pool/…`. */
export async function buildRepository(...suites: readonly SuiteSpec[]): Promise<Files> {
  const files: Files = new Map()
  for (const suite of suites) await addSuite(files, suite)
  return files
}

/** Writes a built repository below a directory, for `file:` sources. */
export async function writeRepository(files: Files, directory: string): Promise<void> {
  for (const [path, bytes] of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), bytes)
  }
}

async function addSuite(files: Files, spec: SuiteSpec): Promise<void> {
  const {
    codename = 'demo',
    components = { main: [] },
    architectures = ['amd64'],
    forms = ['', '.gz'],
  } = spec
  const directory = spec.directory ?? codename
  const isFlat = directory.endsWith('/')
  const root = isFlat ? directory.replace(/^\.\//, '') : `dists/${directory}/`
  const indexes: Files = new Map()
  for (const [component, packages] of Object.entries(components)) {
    const stanzas = await Promise.all(packages.map((deb) => publish(files, component, deb)))
    for (const architecture of isFlat
      ? ['any']
      : [...architectures, ...(spec.splitAll ? ['all'] : [])]) {
      const listed = stanzas.filter(
        (stanza) =>
          isFlat ||
          stanza.architecture === architecture ||
          (!spec.splitAll && stanza.architecture === 'all'),
      )
      const text = listed.map((stanza) => stanza.text).join('\n')
      const path = isFlat ? 'Packages' : `${component}/binary-${architecture}/Packages`
      for (const form of forms) {
        const bytes =
          form === '.xz'
            ? await compressBytes(Buffer.from(text), 'xz')
            : form === '.gz'
              ? gzipSync(text)
              : Buffer.from(text)
        indexes.set(`${path}${form}`, bytes)
      }
    }
  }
  for (const [path, bytes] of indexes) {
    if (path.endsWith('Packages') && !spec.plainServed && forms.length > 1) continue
    files.set(root + path, bytes)
    const byHash = `${path.slice(0, path.lastIndexOf('/') + 1)}by-hash/SHA256/${hex('sha256', bytes)}`
    if (spec.byHash) files.set(root + byHash, bytes)
  }
  const release = releaseText(spec, indexes)
  const { signed = 'inline', keys, signing } = spec
  if (signed === 'inline' || signed === 'both')
    files.set(`${root}InRelease`, Buffer.from(await clearsign(release, keys, signing)))
  if (signed !== 'inline') files.set(`${root}Release`, Buffer.from(release))
  if (signed === 'detached' || signed === 'both') {
    files.set(
      `${root}Release.gpg`,
      Buffer.from(await signDetached(Buffer.from(release), keys, signing)),
    )
  }
}

/** Puts a package into the pool and gives its stanza for Packages. */
async function publish(
  files: Files,
  component: string,
  spec: PublishedDeb,
): Promise<{ architecture: string; text: string }> {
  const { name = 'demo', version = '1.0', architecture = 'all' } = spec
  const deb = spec.file ?? (await buildDeb(spec))
  const filename = `pool/${component}/${name}_${version.replace(/^\d+:/, '')}_${architecture}.deb`
  files.set(filename, deb)
  const text = `${controlText(spec)}Filename: ${filename}\nSize: ${deb.length}\nMD5sum: ${hex('md5', deb)}\nSHA256: ${hex('sha256', deb)}\n`
  return { architecture, text }
}

/** The Release of built indexes. */
export function releaseText(spec: SuiteSpec, indexes: Files): string {
  const {
    suite = 'stable',
    codename = 'demo',
    components = { main: [] },
    architectures = ['amd64'],
    hashes = ['MD5Sum', 'SHA256'],
  } = spec
  const date = spec.date ?? new Date(Date.now() - 3600_000)
  const fields: Record<string, string | undefined> = {
    Origin: 'Test',
    Label: 'Test',
    Suite: suite,
    Codename: codename,
    Date: releaseDate(date),
    'Valid-Until': spec.validUntil && releaseDate(spec.validUntil),
    'Acquire-By-Hash': spec.byHash ? 'yes' : undefined,
    'No-Support-for-Architecture-all': spec.splitAll ? undefined : 'Packages',
    Architectures: ['all', ...architectures].join(' '),
    Components: Object.keys(components)
      .map((component) => `${spec.componentPrefix ?? ''}${component}`)
      .join(' '),
    Description: 'made by a test',
    ...spec.fields,
  }
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}: ${value}\n`],
  )
  for (const hash of hashes) {
    lines.push(`${hash}:\n`)
    for (const [path, bytes] of indexes) {
      lines.push(
        ` ${hex(hash.replace('Sum', '').toLowerCase(), bytes)} ${String(bytes.length).padStart(8)} ${path}\n`,
      )
    }
  }
  return lines.join('')
}

/** `Sat, 11 Jul 2026 10:16:37 UTC` */
export function releaseDate(date: Date): string {
  return date.toUTCString().replace('GMT', 'UTC')
}

function hex(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex')
}
