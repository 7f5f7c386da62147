import { describe, expect, test } from 'vitest'
import { parseSources, renderSources, suiteUrl } from '../../src/deb/sources.ts'
import { isPlinthError } from '../../src/errors.ts'

const deps = {
  readKeyring: async (path: string) => Buffer.from(`keys of ${path}`),
  defaultKeyring: { keys: ['default'] },
  name: 'test.sources',
}
const keysOf = (path: string) => Buffer.from(`keys of ${path}`)

const line = (options: string): string => `deb [${options}] http://a.example stable main\n`

describe('parseSources()', () => {
  test('reads deb822', async () => {
    const text = `
# the base
Types: deb deb-src
URIs: http://a.example/debian/ http://b.example/debian
Suites: trixie
 trixie-updates
Components: main
# not contrib
 non-free-firmware
Architectures: amd64 arm64
By-Hash: force
Check-Valid-Until: no
Signed-By: /usr/share/keyrings/a.gpg

Types: deb-src
URIs: http://a.example/debian
Suites: trixie
Components: main

Types: deb
Enabled: no
URIs: http://c.example
Suites: x
Components: main
`
    expect(await parseSources(text, deps)).toEqual([
      {
        uris: ['http://a.example/debian', 'http://b.example/debian'],
        suites: ['trixie', 'trixie-updates'],
        components: ['main', 'non-free-firmware'],
        architectures: ['amd64', 'arm64'],
        signedBy: { keys: [keysOf('/usr/share/keyrings/a.gpg')] },
        keyringPath: '/usr/share/keyrings/a.gpg',
        byHash: 'force',
        checkValidUntil: false,
      },
    ])
  })

  test('reads an inline key', async () => {
    const text = `Types: deb
URIs: file:/srv/repo
Suites: ./
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 AAAA
 -----END PGP PUBLIC KEY BLOCK-----
`
    const [source] = await parseSources(text, deps)
    expect(source?.signedBy.keys).toEqual([
      '\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----',
    ])
    expect(source?.components).toEqual([])
  })

  test('reads one-line style', async () => {
    const fingerprint = 'A'.repeat(40)
    const text = `# comment
deb [arch=amd64,arm64 signed-by=/k.gpg check-valid-until=no by-hash=no lang=none] https://a.example/x stable main contrib # tail
deb-src https://a.example/x stable main
deb [ signed-by=${fingerprint}! ] http://b.example ./
deb /srv/mirror stable main
`
    expect(await parseSources(text, deps)).toEqual([
      {
        uris: ['https://a.example/x'],
        suites: ['stable'],
        components: ['main', 'contrib'],
        architectures: ['amd64', 'arm64'],
        signedBy: { keys: [keysOf('/k.gpg')] },
        keyringPath: '/k.gpg',
        byHash: 'no',
        checkValidUntil: false,
      },
      {
        uris: ['http://b.example'],
        suites: ['./'],
        components: [],
        signedBy: { keys: ['default'], fingerprints: [`${fingerprint}!`] },
      },
      {
        uris: ['file:///srv/mirror'],
        suites: ['stable'],
        components: ['main'],
        signedBy: { keys: ['default'] },
      },
    ])
  })

  test.each([
    { name: 'trusted=yes', text: line('trusted=yes') },
    {
      name: 'Trusted in deb822',
      text: 'Types: deb\nURIs: http://a\nSuites: s\nComponents: main\nTrusted: yes\n',
    },
    { name: 'an ftp address', text: 'deb ftp://a.example stable main\n' },
    { name: 'a suite without components', text: 'deb http://a.example stable\n' },
    { name: 'a flat suite with components', text: 'deb http://a.example ./ main\n' },
    { name: 'a bad by-hash', text: line('by-hash=maybe') },
    { name: 'a bad signed-by', text: line('signed-by=key.gpg') },
    { name: 'an option that is none', text: line('nonsense') },
    { name: 'no suite', text: 'Types: deb\nURIs: http://a\nComponents: main\n' },
    { name: 'a stanza without Types', text: 'URIs: http://a\nSuites: s\nComponents: main\n' },
    { name: 'a broken stanza', text: 'Types: deb\nhello\n' },
  ])('refuses $name', async ({ text }) => {
    const error = await parseSources(text, deps).catch((failure: unknown) => failure)
    expect(isPlinthError(error, 'USAGE')).toBe(true)
  })

  test('refuses a source without keys', async () => {
    const error = await parseSources('deb http://a.example stable main\n', {
      ...deps,
      defaultKeyring: undefined,
    }).catch((failure: unknown) => failure)
    expect(isPlinthError(error, 'USAGE')).toBe(true)
  })
})

describe('renderSources()', () => {
  test('writes what parseSources() reads back', async () => {
    const text = `Types: deb
URIs: http://a.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://b.example/flat
Suites: ./
Architectures: amd64
By-Hash: no
Check-Valid-Until: no
Signed-By: /k.gpg
`
    expect(renderSources(await parseSources(text, deps))).toBe(text)
  })
})

test.each([
  ['trixie', 'http://a/debian/dists/trixie/'],
  ['stable/updates', 'http://a/debian/dists/stable/updates/'],
  ['./', 'http://a/debian/'],
  ['/', 'http://a/debian/'],
  ['binary/', 'http://a/debian/binary/'],
])('suiteUrl() of %s', (suite, expected) => {
  expect(suiteUrl('http://a/debian', suite)).toBe(expected)
})
