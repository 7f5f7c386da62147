import { createHash } from 'node:crypto'
import { indexPackages } from '../../src/deb/packages.ts'
import { createUniverse, type IndexSource, type Universe } from '../../src/solver/apt/universe.ts'

/** The fields of a stanza that matter; the others get values that fit. */
export type Stanza = Readonly<Record<string, string>> & { readonly Package: string }

/** A `Packages` file: version 1 for amd64 unless a stanza says otherwise. */
export function packagesText(stanzas: readonly Stanza[]): string {
  return stanzas.map(stanzaText).join('\n')
}

function stanzaText(fields: Stanza): string {
  const {
    Package: name,
    Version: version = '1',
    Architecture: architecture = 'amd64',
    ...rest
  } = fields
  const file = `pool/${name}_${version}_${architecture}.deb`
  const all = {
    Package: name,
    Version: version,
    Architecture: architecture,
    ...rest,
    Filename: file,
    Size: '100',
    SHA256: createHash('sha256').update(file).digest('hex'),
  }
  return Object.entries(all)
    .map(([field, value]) => `${field}: ${value}\n`)
    .join('')
}

/** A stanza: `stanza('a 2', { Depends: 'b' })`; the version is 1 when none is given. */
export function stanza(name: string, fields: Readonly<Record<string, string>> = {}): Stanza {
  const [pkg = '', version = '1'] = name.split(' ')
  return { Package: pkg, Version: version, ...fields }
}

/** A universe of one suite, `stable`, or of several in order. */
export function universeOf(
  suites: readonly Stanza[] | Readonly<Record<string, readonly Stanza[]>>,
  options: {
    readonly foreign?: readonly string[]
    readonly sources?: Readonly<Record<string, Partial<IndexSource>>>
  } = {},
): Universe {
  const all = Array.isArray(suites) ? { stable: suites as readonly Stanza[] } : suites
  return createUniverse({
    architecture: 'amd64',
    foreign: options.foreign,
    indexes: Object.entries(all).map(([suite, stanzas]) => ({
      packages: indexPackages(Buffer.from(packagesText(stanzas)), `${suite}/Packages`),
      source: { id: suite, suite, ...options.sources?.[suite] },
    })),
  })
}
