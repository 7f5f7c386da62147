import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { parseIndexRecords } from '../../../src/apk/index-record.ts'
import { solve } from '../../../src/solver/apk/solve.ts'

/** An index of stanzas, each written as `P:name V:1 D:other`: fields parted by `; `. */
function index(...stanzas: readonly string[]) {
  const text = stanzas
    .map((stanza) => {
      const checksum = createHash('sha1').update(stanza).digest('base64')
      return `C:Q1${checksum}\nA:x86_64\nS:1\nI:1\n${stanza.replaceAll('; ', '\n')}\n\n`
    })
    .join('')
  return parseIndexRecords(text)
}

function chosen(universe: Parameters<typeof solve>[0], ...request: readonly string[]): string[] {
  return solve(universe, request).packages.map(({ record }) => `${record.name}-${record.version}`)
}

const plain = {
  repositories: [
    {
      id: 'main',
      records: index(
        'P:lib; V:1-r0',
        'P:lib; V:2-r0',
        'P:app; V:1-r0; D:lib',
        'P:old; V:1-r0; D:lib<2',
        'P:app-doc; V:1-r0; i:app docs',
        'P:docs; V:1-r0',
        'P:mta-a; V:1-r0; p:mta; k:10',
        'P:mta-b; V:1-r0; p:mta; k:20',
        'P:ring-a; V:1-r0; D:ring-b',
        'P:ring-b; V:1-r0; D:ring-a',
      ),
    },
    { id: 'edge', tag: 'edge', records: index('P:lib; V:3-r0') },
  ],
}

describe('solve()', () => {
  test.each([
    {
      name: 'dependencies first, newest version',
      request: ['app'],
      packages: ['lib-2-r0', 'app-1-r0'],
    },
    {
      name: 'a version by an operator',
      request: ['app', 'lib<2'],
      packages: ['lib-1-r0', 'app-1-r0'],
    },
    { name: 'what a dependency bounds', request: ['old'], packages: ['lib-1-r0', 'old-1-r0'] },
    { name: 'a pin', request: ['lib@edge'], packages: ['lib-3-r0'] },
    { name: 'the provider of higher priority', request: ['mta'], packages: ['mta-b-1-r0'] },
  ])('takes $name', ({ request, packages }) => {
    expect(chosen(plain, ...request)).toEqual(packages)
  })

  test('adds what is to come with a set that is there, and only then', () => {
    expect(chosen(plain, 'app')).not.toContain('app-doc-1-r0')
    expect(chosen(plain, 'app', 'docs')).toContain('app-doc-1-r0')
  })

  test('takes both of a cycle', () => {
    expect(chosen(plain, 'ring-a').toSorted()).toEqual(['ring-a-1-r0', 'ring-b-1-r0'])
  })

  test.each([
    { name: 'a name that nothing has', request: ['nothing'] },
    { name: 'a version that is not there', request: ['lib=9'] },
    { name: 'what is kept away', request: ['app', '!lib'] },
  ])('refuses $name', ({ request }) => {
    expect(() => solve(plain, request)).toThrow(/nothing|lib/)
  })
})
