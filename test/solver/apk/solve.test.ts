import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { parseIndexRecords } from '../../../src/apk/index-record.ts'
import { isPlinthError } from '../../../src/errors.ts'
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

/** One repository of stanzas. */
function repository(...stanzas: readonly string[]) {
  return { id: 'main', records: index(...stanzas) }
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

// what the real apk 2.14.4 answers to the same
describe('solve() chooses as apk', () => {
  test.each([
    {
      name: 'a later repository does not hide a newer version of an earlier one',
      repositories: [repository('P:a; V:2'), repository('P:a; V:1')],
      request: 'a',
      packages: 'a-2',
    },
    {
      name: 'of equal versions the first repository',
      repositories: [repository('P:a; V:1; D:b', 'P:b; V:1'), repository('P:a; V:1')],
      request: 'a',
      packages: 'b-1 a-1',
    },
    {
      name: 'a fuzzy version takes the newest that begins so',
      repositories: [repository('P:a; V:1.2.3', 'P:a; V:1.2.10', 'P:a; V:1.3')],
      request: 'a~1.2',
      packages: 'a-1.2.10',
    },
    {
      name: 'a name provided with a version is taken unasked',
      repositories: [repository('P:a; V:1; D:v', 'P:p; V:1; p:v=1')],
      request: 'a',
      packages: 'p-1 a-1',
    },
    {
      name: 'a name provided without one is, when its package is asked for',
      repositories: [repository('P:a; V:1; D:v', 'P:p; V:1; p:v')],
      request: 'a p',
      packages: 'p-1 a-1',
    },
    {
      name: 'what is above is settled before what it needs',
      repositories: [
        repository(
          'P:r; V:1; D:a',
          'P:a; V:1; D:b',
          'P:b; V:1',
          'P:a; V:2; D:b z=1',
          'P:b; V:2; D:z=2',
          'P:z; V:1',
          'P:z; V:2',
        ),
      ],
      request: 'r',
      packages: 'b-1 z-1 a-2 r-1',
    },
    {
      name: 'of two as deep the one that was wanted later is settled first',
      repositories: [
        repository(
          'P:r; V:1; D:c d',
          'P:c; V:1',
          'P:d; V:1',
          'P:c; V:2; D:z=1',
          'P:d; V:2; D:z=2',
          'P:z; V:1',
          'P:z; V:2',
        ),
      ],
      request: 'r',
      packages: 'c-1 z-2 d-2 r-1',
    },
    {
      name: 'to be kept away is not to be wanted',
      repositories: [
        repository(
          'P:r; V:1; D:!c=7 d c',
          'P:c; V:1',
          'P:d; V:1',
          'P:c; V:2; D:z=1',
          'P:d; V:2; D:z=2',
          'P:z; V:1',
          'P:z; V:2',
        ),
      ],
      request: 'r',
      packages: 'z-1 c-2 d-1 r-1',
    },
    {
      name: 'a name that others provide is settled after those that are only their own',
      repositories: [
        repository(
          'P:b; V:1',
          'P:b; V:2; D:z=2',
          'P:p; V:1; p:v=1',
          'P:p; V:2; D:z=1; p:v=2',
          'P:z; V:1',
          'P:z; V:2',
        ),
      ],
      request: 'b v',
      packages: 'z-2 b-2 p-1',
    },
    {
      name: 'a provider that needs what another version of was asked for is passed over',
      repositories: [repository('P:a; V:1', 'P:p; V:1; D:b=7; p:a=2', 'P:b; V:1')],
      request: 'a b',
      packages: 'a-1 b-1',
    },
    {
      name: 'who comes with a package comes in the order of the table of names',
      repositories: [repository('P:a; V:1', 'P:b; V:1; i:a; p:v', 'P:c; V:1; p:v')],
      request: 'a c',
      packages: 'a-1 c-1 b-1',
    },
    {
      name: 'a provided name that was found first brings nobody',
      repositories: [repository('P:a; V:1; D:v', 'P:c; V:1; p:v=1', 'P:x; V:1; i:v')],
      request: 'a',
      packages: 'c-1 a-1',
    },
    {
      name: 'one that was found with its package does',
      repositories: [repository('P:a; V:1; D:c v', 'P:c; V:1; p:v=1', 'P:x; V:1; i:v')],
      request: 'a',
      packages: 'c-1 x-1 a-1',
    },
    {
      name: 'what is to be installed with something unless something else is there',
      repositories: [repository('P:a; V:1', 'P:b; V:1', 'P:x; V:1; i:a !b')],
      request: 'a',
      packages: 'a-1',
    },
    {
      name: 'who comes unless something else is asked for comes after that was settled',
      repositories: [repository('P:d; V:1', 'P:c; V:1; D:d', 'P:x; V:1; i:!b d', 'P:b; V:1')],
      request: 'c x',
      packages: 'd-1 c-1 x-1',
    },
    {
      name: 'a provider that its own package needs, found by that, brings nobody',
      repositories: [repository('P:x; V:1; i:v', 'P:a; V:1; D:v; p:v')],
      request: 'a',
      packages: 'a-1',
    },
    {
      name: 'a name is not looked up for being provided by what nobody takes',
      repositories: [
        repository('P:a; V:1; D:v c', 'P:x; V:1; i:v', 'P:c; V:1; p:v'),
        repository('P:e; V:1; p:x', 'P:d; V:1; D:e; p:v'),
      ],
      request: 'a',
      packages: 'c-1 a-1',
    },
    {
      name: 'a name that packages have is settled before one that is only provided',
      repositories: [repository('P:c; V:1; p:v=1', 'P:d; V:1; p:e', 'P:e; V:1; p:v')],
      request: 'v e',
      packages: 'e-1',
    },
    {
      name: 'a need that all versions share favours no version of what has it itself',
      repositories: [repository('P:c; V:1; p:v=2', 'P:a; V:1; D:v; p:v', 'P:a; V:2; D:v')],
      request: 'a',
      packages: 'c-1 a-2',
    },
    {
      name: 'a package that leads back to itself is as deep as was known when it was met',
      repositories: [
        repository('P:b; V:1'),
        repository('P:a; V:1'),
        repository('P:a; V:0; D:v w; p:w v', 'P:b; V:3; D:v~2'),
      ],
      request: 'a b',
      packages: 'a-1 b-1',
    },
    {
      name: 'who comes with a choice and is ruled out by the next is looked at again',
      repositories: [
        repository(
          'P:d; V:1; p:w v; i:e',
          'P:e; V:1',
          'P:b; V:1; D:e',
          'P:c; V:1; p:v=3; i:b',
          'P:b; V:0; p:w=2',
        ),
      ],
      request: 'b',
      packages: 'e-1 d-1 b-1',
    },
    {
      name: 'who has two providers left waits for who comes with the choice',
      repositories: [repository('P:b; V:1; p:v; i:a', 'P:c; V:1; p:v', 'P:a; V:1; D:v')],
      request: 'a',
      packages: 'b-1 a-1',
    },
    {
      name: 'one left is not settled while another may need it',
      repositories: [repository('P:b; V:1; p:v; i:a', 'P:a; V:1; D:c', 'P:c; V:1; D:v')],
      request: 'a',
      packages: 'b-1 c-1 a-1',
    },
    {
      name: 'the world is in the order of names, letters of either case together',
      repositories: [repository('P:b; V:1', 'P:A; V:1', 'P:B; V:1', 'P:c; V:1')],
      request: 'c B b A',
      packages: 'A-1 B-1 b-1 c-1',
    },
  ])('$name', ({ repositories, request, packages }) => {
    const universe = { repositories }
    expect(chosen(universe, ...request.split(' ')).join(' ')).toBe(packages)
  })
})

describe('solve() refuses as apk', () => {
  test.each([
    {
      name: 'a newer version that cannot be, though an older one could',
      stanzas: ['P:a; V:1', 'P:a; V:3; D:b=7', 'P:b; V:1'],
      request: 'a b',
      says: [/a 3/, /b=7/, /b 1/],
    },
    {
      name: 'a provider nobody asked for',
      stanzas: ['P:a; V:1; D:v', 'P:p; V:1; p:v'],
      request: 'a',
      says: [/a 1/, /p 1: .*asked for by its own name/],
    },
    {
      name: 'a name nothing has that a package needs',
      stanzas: ['P:a; V:1; D:b', 'P:b; V:1; D:nowhere'],
      request: 'a',
      says: [/a 1\n.*b 1\n/, /nowhere/, /no package of that name/],
    },
    {
      name: 'two packages of which one keeps the other away',
      stanzas: ['P:a; V:1; D:!b', 'P:b; V:1'],
      request: 'a b',
      says: [/a 1/, /conflicts with b/, /b 1: asked for/],
    },
    {
      name: 'the one provider left, when all who may need it are settled before who brings it',
      stanzas: ['P:b; V:1; p:v; i:a', 'P:a; V:1; D:v'],
      request: 'a',
      says: [/b 1: .*asked for by its own name/],
    },
    {
      name: 'what came with the first choice and is at odds with the second',
      stanzas: ['P:d; V:1; p:v; i:e', 'P:e; V:1', 'P:b; V:1; D:e', 'P:c; V:1; p:v=3; i:b'],
      request: 'b',
      says: [/v/],
    },
    {
      name: 'a name asked for that leaves no choice before one that does',
      stanzas: [
        'P:z; V:1',
        'P:z; V:2',
        'P:x; V:1; i:b',
        'P:x; V:2; D:z=1; i:b',
        'P:a; V:1',
        'P:a; V:2; D:z=2',
        'P:b; V:1',
      ],
      request: 'a b',
      says: [/z=[12]/],
    },
    {
      name: 'a provider of what is needed, its package found to be needed too late',
      stanzas: ['P:a; V:1; D:v b', 'P:c; V:1', 'P:b; V:1; D:c', 'P:b; V:0; p:v', 'P:c; V:0; p:v'],
      request: 'a',
      says: [/v/],
    },
    {
      name: 'a version that only a pinned repository has',
      stanzas: ['P:a; V:1; D:b', 'P:c; V:1'],
      tagged: ['P:b; V:1'],
      request: 'a',
      says: [/a 1/, /b 1: is only in @edge: ask for b@edge/],
    },
  ])('$name', ({ stanzas, tagged = [], request, says }) => {
    const universe = {
      repositories: [
        repository(...stanzas),
        { id: 'edge', tag: 'edge', records: index(...tagged) },
      ],
    }
    const refusal = refusalOf(universe, ...request.split(' '))
    expect(refusal.code).toBe('UNSATISFIABLE')
    for (const pattern of says) expect(refusal.message).toMatch(pattern)
  })
})

describe('solve() keeps to pins', () => {
  const universe = {
    repositories: [
      repository('P:a; V:1; D:b', 'P:b; V:1', 'P:c; V:1'),
      { id: 'edge', tag: 'edge', records: index('P:a; V:2; D:b>1', 'P:b; V:2', 'P:c; V:2') },
    ],
  }

  test('nothing comes from a pinned repository unasked', () => {
    expect(chosen(universe, 'a', 'c')).toEqual(['b-1', 'a-1', 'c-1'])
  })

  test('what a pinned package needs may, nothing else', () => {
    expect(chosen(universe, 'a@edge', 'c')).toEqual(['b-2', 'a-2', 'c-1'])
  })

  test('the tag is said of what comes from there alone', () => {
    const { packages } = solve(universe, ['a@edge', 'c'])
    expect(packages.map(({ tag }) => tag)).toEqual(['edge', 'edge', undefined])
  })
})

test('solve() takes the one package a checksum names', () => {
  const universe = { repositories: [repository('P:a; V:1', 'P:a; V:2')] }
  const { checksum } = universe.repositories[0]!.records[0]!
  expect(chosen(universe, `a><${checksum}`)).toEqual(['a-1'])
})

function refusalOf(universe: Parameters<typeof solve>[0], ...request: readonly string[]) {
  try {
    solve(universe, request)
  } catch (error) {
    if (isPlinthError(error)) return error
  }
  throw new Error(`${request.join(' ')} is not refused`)
}
