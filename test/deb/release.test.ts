import { describe, expect, test } from 'vitest'
import { byHashPath, findFlatIndex, findIndexes } from '../../src/deb/release-index.ts'
import { checkRelease } from '../../src/deb/release-check.ts'
import { parseRelease, type Release } from '../../src/deb/release.ts'
import { isPlinthError } from '../../src/errors.ts'
import { releaseText, type SuiteSpec } from '../support/repository.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

function release(
  spec: Partial<SuiteSpec> = {},
  paths = ['main/binary-amd64/Packages', 'main/binary-amd64/Packages.xz'],
): Release {
  return parseRelease(
    releaseText({ keys: [], ...spec }, new Map(paths.map((path) => [path, bytes(path)]))),
    'Release',
  )
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (isPlinthError(error)) return error.code
    throw error
  }
}

describe('parseRelease()', () => {
  test('reads the fields', () => {
    const parsed = release({
      suite: 'oldstable',
      codename: 'bookworm',
      date: new Date('2026-07-11T10:16:37Z'),
      validUntil: new Date('2026-07-18T10:16:37Z'),
      byHash: true,
      fields: {
        Version: '12.15',
        NotAutomatic: 'yes',
        ButAutomaticUpgrades: 'yes',
        'Signed-By': 'AA,BB',
      },
    })
    expect(parsed).toMatchObject({
      suite: 'oldstable',
      codename: 'bookworm',
      version: '12.15',
      date: new Date('2026-07-11T10:16:37Z'),
      validUntil: new Date('2026-07-18T10:16:37Z'),
      acquireByHash: true,
      allWithEach: true,
      notAutomatic: true,
      butAutomaticUpgrades: true,
      architectures: ['all', 'amd64'],
      components: ['main'],
      signedBy: ['AA', 'BB'],
    })
    expect([...parsed.files.keys()]).toEqual([
      'main/binary-amd64/Packages',
      'main/binary-amd64/Packages.xz',
    ])
    expect(parsed.files.get('main/binary-amd64/Packages')).toMatchObject({
      size: 26,
      sha512: undefined,
    })
  })

  test('takes SHA-512 alone', () => {
    const file = release({ hashes: ['SHA512'] }).files.get('main/binary-amd64/Packages')
    expect(file?.sha256).toBeUndefined()
    expect(file?.sha512).toHaveLength(128)
  })

  const hex = 'a'.repeat(64)
  test.each([
    { name: 'an empty file', text: '', code: 'RELEASE_INVALID' },
    { name: 'two stanzas', text: 'Suite: a\n\nSuite: b\n', code: 'RELEASE_INVALID' },
    { name: 'a line that is no field', text: 'Suite: a\nhello\n', code: 'RELEASE_INVALID' },
    { name: 'a field given twice', text: 'Suite: a\nSuite: b\n', code: 'RELEASE_INVALID' },
    { name: 'no digests', text: 'Suite: a\n', code: 'RELEASE_INVALID' },
    {
      name: 'MD5 only',
      text: `Suite: a\nMD5Sum:\n ${'a'.repeat(32)} 1 Packages\n`,
      code: 'SIGNATURE_WEAK',
    },
    {
      name: 'SHA-1 only',
      text: `Suite: a\nSHA1:\n ${'a'.repeat(40)} 1 Packages\n`,
      code: 'SIGNATURE_WEAK',
    },
    {
      name: 'a short digest',
      text: `Suite: a\nSHA256:\n ${'a'.repeat(60)} 1 Packages\n`,
      code: 'RELEASE_INVALID',
    },
    {
      name: 'a negative size',
      text: `Suite: a\nSHA256:\n ${hex} -1 Packages\n`,
      code: 'RELEASE_INVALID',
    },
    {
      name: 'a path that climbs',
      text: `Suite: a\nSHA256:\n ${hex} 1 ../../etc/passwd\n`,
      code: 'RELEASE_INVALID',
    },
    {
      name: 'an absolute path',
      text: `Suite: a\nSHA256:\n ${hex} 1 /etc/passwd\n`,
      code: 'RELEASE_INVALID',
    },
    {
      name: 'one path with two digests',
      text: `SHA256:\n ${hex} 1 Packages\n ${'b'.repeat(64)} 1 Packages\n`,
      code: 'RELEASE_INVALID',
    },
    {
      name: 'a date that is none',
      text: `Date: yesterday\nSHA256:\n ${hex} 1 Packages\n`,
      code: 'RELEASE_INVALID',
    },
    {
      name: 'a day that is none',
      text: `Date: Tue, 31 Jun 2026 10:00:00 UTC\nSHA256:\n ${hex} 1 Packages\n`,
      code: 'RELEASE_INVALID',
    },
    {
      name: 'a date in another zone',
      text: `Date: Tue, 30 Jun 2026 10:00:00 CEST\nSHA256:\n ${hex} 1 Packages\n`,
      code: 'RELEASE_INVALID',
    },
  ])('refuses $name', ({ text, code }) => {
    expect(codeOf(() => parseRelease(text, 'Release'))).toBe(code)
  })
})

describe('checkRelease()', () => {
  const now = new Date('2026-07-15T00:00:00Z')
  const dated = { suite: 'stable', codename: 'trixie', date: new Date('2026-07-10T00:00:00Z') }
  const request = { suite: 'trixie', now, skip: [], name: 'Release' } as const

  test.each([
    { name: 'no Valid-Until', spec: dated, suite: 'trixie' },
    {
      name: 'Valid-Until ahead',
      spec: { ...dated, validUntil: new Date('2026-07-16T00:00:00Z') },
      suite: 'trixie',
    },
    { name: 'the suite by its alias', spec: dated, suite: 'stable' },
    {
      name: 'an old security suite',
      spec: { ...dated, codename: 'stretch' },
      suite: 'stretch/updates',
    },
    { name: 'a flat repository', spec: dated, suite: './' },
    {
      name: 'a repository without names',
      spec: { ...dated, fields: { Suite: '', Codename: '' } },
      suite: 'anything',
    },
    {
      name: 'a mirror whose clock is ahead a little',
      spec: { ...dated, date: new Date('2026-07-15T10:00:00Z') },
      suite: 'trixie',
    },
  ])('accepts $name', ({ spec, suite }) => {
    expect(checkRelease(release(spec), { ...request, suite })).toEqual([])
  })

  test.each([
    {
      name: 'expired',
      spec: { ...dated, validUntil: new Date('2026-07-14T23:59:59Z') },
      suite: 'trixie',
      code: 'RELEASE_EXPIRED',
      check: 'check/valid-until',
    },
    {
      name: 'made in the future',
      spec: { ...dated, date: new Date('2026-07-17T00:00:00Z') },
      suite: 'trixie',
      code: 'RELEASE_INVALID',
      check: 'check/date',
    },
    {
      name: 'another suite',
      spec: dated,
      suite: 'bookworm',
      code: 'RELEASE_INVALID',
      check: 'check/suite',
    },
    {
      name: 'the suite an updates suite is for',
      spec: dated,
      suite: 'trixie-updates',
      code: 'RELEASE_INVALID',
      check: 'check/suite',
    },
  ] as const)('refuses: $name, unless that is skipped by name', ({ spec, suite, code, check }) => {
    expect(codeOf(() => checkRelease(release(spec), { ...request, suite }))).toBe(code)
    expect(checkRelease(release(spec), { ...request, suite, skip: [check] })).toEqual([check])
    const others = (['check/valid-until', 'check/date', 'check/suite'] as const).filter(
      (other) => other !== check,
    )
    expect(codeOf(() => checkRelease(release(spec), { ...request, suite, skip: others }))).toBe(
      code,
    )
  })
})

describe('findIndexes()', () => {
  const request = { component: 'main', architecture: 'amd64', name: 'demo' }
  const found = (spec: Partial<SuiteSpec>, paths: string[], wanted = {}): unknown =>
    findIndexes(release(spec, paths), { ...request, ...wanted }).map(
      ({ component, architecture, variants }) => [component, architecture, [...variants.keys()]],
    )

  test.each([
    {
      name: 'the architecture',
      spec: {},
      paths: ['main/binary-amd64/Packages', 'main/binary-amd64/Packages.gz'],
      expected: [['main', 'amd64', ['', '.gz']]],
    },
    {
      name: 'all apart',
      spec: { splitAll: true },
      paths: ['main/binary-amd64/Packages.xz', 'main/binary-all/Packages.xz'],
      expected: [
        ['main', 'amd64', ['.xz']],
        ['main', 'all', ['.xz']],
      ],
    },
    {
      name: 'all served apart, but listed with each as well',
      spec: {},
      paths: ['main/binary-amd64/Packages.xz', 'main/binary-all/Packages.xz'],
      expected: [['main', 'amd64', ['.xz']]],
    },
    {
      name: 'a repository of all alone',
      spec: { splitAll: true, architectures: [] },
      paths: ['main/binary-all/Packages'],
      expected: [['main', 'all', ['']]],
    },
    {
      name: 'a prefixed component',
      spec: { componentPrefix: 'updates/' },
      paths: ['main/binary-amd64/Packages'],
      expected: [['main', 'amd64', ['']]],
    },
    {
      name: 'a prefixed component asked for in full',
      spec: { componentPrefix: 'updates/' },
      paths: ['main/binary-amd64/Packages'],
      wanted: { component: 'updates/main' },
      expected: [['main', 'amd64', ['']]],
    },
  ])('finds $name', ({ spec, paths, expected, wanted }) => {
    expect(found(spec, paths, wanted)).toEqual(expected)
  })

  test('says which components and architectures there are', () => {
    const parsed = release({
      architectures: ['amd64', 'arm64'],
      components: { main: [], contrib: [] },
    })
    const fails = (wanted: object) => {
      try {
        findIndexes(parsed, { ...request, ...wanted })
        return undefined
      } catch (error) {
        return isPlinthError(error) ? [error.code, error.hint] : undefined
      }
    }
    expect(fails({ component: 'mian' })).toEqual(['COMPONENT_NOT_FOUND', 'it has: main, contrib'])
    expect(fails({ architecture: 's390x' })).toEqual([
      'ARCHITECTURE_NOT_FOUND',
      'it has: amd64, arm64',
    ])
  })

  test('finds the index of a flat repository, or says that there is none', () => {
    expect(findFlatIndex(release({}, ['./Packages.gz']), 'amd64', 'flat').variants.has('.gz')).toBe(
      true,
    )
    expect(codeOf(() => findFlatIndex(release(), 'amd64', 'flat'))).toBe('INDEX_INVALID')
  })

  test('byHashPath() stays beside the file', () => {
    const file = release().files.get('main/binary-amd64/Packages')!
    expect(byHashPath(file)).toMatch(/^main\/binary-amd64\/by-hash\/SHA256\/[0-9a-f]{64}$/)
    const flat = release({ hashes: ['SHA512'] }, ['Packages']).files.get('Packages')!
    expect(byHashPath(flat)).toMatch(/^by-hash\/SHA512\/[0-9a-f]{128}$/)
  })
})
