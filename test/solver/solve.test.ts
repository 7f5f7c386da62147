import { describe, expect, test } from 'vitest'
import { isPlinthError, type PlinthError } from '../../src/errors.ts'
import { formatReason } from '../../src/solver/explain.ts'
import { solve, type SolveRequest } from '../../src/solver/apt/solve.ts'
import { stanza, universeOf, type Stanza } from '../support/packages.ts'

type Suites = Parameters<typeof universeOf>[0]

/** Names and versions of a solution, sorted; or the code of its refusal. */
function outcome(
  suites: Suites,
  include: readonly string[],
  options: Parameters<typeof universeOf>[1] = {},
): readonly string[] | string {
  try {
    return solve(universeOf(suites, options), { variant: 'custom', include })
      .packages.map((one) => (one.version === '1' ? one.name : `${one.name} ${one.version}`))
      .toSorted()
  } catch (error) {
    if (isPlinthError(error)) return error.code
    throw error
  }
}

interface Case {
  readonly name: string
  readonly stanzas: readonly Stanza[]
  readonly include: string
  readonly expected: string
}

const depends = (name: string, value: string): Stanza => stanza(name, { Depends: value })

describe('solve() chooses as apt does', () => {
  const cases: readonly Case[] = [
    {
      name: 'what a package needs, and what that needs',
      stanzas: [depends('a', 'b'), stanza('b', { 'Pre-Depends': 'c' }), stanza('c'), stanza('d')],
      include: 'a',
      expected: 'a b c',
    },
    {
      name: 'the first alternative',
      stanzas: [depends('a', 'b | c'), stanza('b'), stanza('c')],
      include: 'a',
      expected: 'a b',
    },
    {
      name: 'a later alternative when the first does not exist',
      stanzas: [depends('a', 'b | c'), stanza('c')],
      include: 'a',
      expected: 'a c',
    },
    {
      name: 'a later alternative when the first cannot be had',
      stanzas: [depends('a', 'b | c'), depends('b', 'nothing'), stanza('c')],
      include: 'a',
      expected: 'a c',
    },
    {
      name: 'a later alternative when the first fails further down',
      stanzas: [depends('a', 'b | c'), depends('b', 'd'), depends('d', 'nothing'), stanza('c')],
      include: 'a',
      expected: 'a c',
    },
    {
      name: 'nothing that only a package needs that failed',
      stanzas: [
        depends('a', 'b | c'),
        depends('b', 'lib, d'),
        depends('lib', 'base'),
        depends('d', 'e'),
        depends('e', 'nothing'),
        ...['base', 'c'].map((name) => stanza(name)),
      ],
      include: 'a',
      expected: 'a c',
    },
    ...[
      { name: 'that another suggests', c: { Suggests: 'x | lib' }, lib: {} },
      { name: 'that another recommends', c: { Recommends: 'v' }, lib: { Provides: 'v' } },
      { name: 'that is essential', c: {}, lib: { Essential: 'yes' } },
    ].map(({ name, c, lib }) => ({
      name: `what a package needs that failed, and ${name}`,
      stanzas: [
        depends('a', 'b | c'),
        depends('b', 'lib, d'),
        stanza('lib', { Depends: 'base', ...lib }),
        depends('d', 'e'),
        depends('e', 'nothing'),
        stanza('base'),
        stanza('c', c),
      ],
      include: 'a',
      expected: 'a base c lib',
    })),
    {
      name: 'an alternative that is there anyway',
      stanzas: [depends('a', 'b | c'), stanza('b'), stanza('c')],
      include: 'c a',
      expected: 'a c',
    },
    {
      name: 'nothing but what is asked first: a later request does not count yet',
      stanzas: [
        depends('x', 'a'),
        depends('a', 'b | c'),
        stanza('b'),
        depends('y', 'c'),
        stanza('c'),
      ],
      include: 'x y',
      expected: 'a b c x y',
    },
    {
      name: 'the real package before a provider',
      stanzas: [depends('a', 'b'), stanza('p', { Provides: 'b' }), stanza('b')],
      include: 'a',
      expected: 'a b',
    },
    {
      name: 'a provider of a name nobody has',
      stanzas: [depends('a', 'b'), stanza('p', { Provides: 'b' })],
      include: 'a',
      expected: 'a p',
    },
    {
      name: 'the essential provider',
      stanzas: [
        depends('a', 'b'),
        stanza('p', { Provides: 'b' }),
        stanza('q', { Provides: 'b', Essential: 'yes' }),
        stanza('r', { Provides: 'b' }),
      ],
      include: 'a',
      expected: 'a q',
    },
    {
      name: 'the provider of higher priority',
      stanzas: [
        depends('a', 'b'),
        stanza('p', { Provides: 'b', Priority: 'required' }),
        stanza('q', { Provides: 'b', Priority: 'extra' }),
      ],
      include: 'a',
      expected: 'a p',
    },
    {
      name: 'among equals the provider the index speaks of last',
      stanzas: [depends('a', 'b'), stanza('p', { Provides: 'b' }), stanza('q', { Provides: 'b' })],
      include: 'a',
      expected: 'a q',
    },
    {
      name: 'among equals a mention counts before the stanza',
      stanzas: [
        stanza('0', { Suggests: 'q' }),
        depends('a', 'b'),
        stanza('p', { Provides: 'b' }),
        stanza('q', { Provides: 'b' }),
      ],
      include: 'a',
      expected: 'a p',
    },
    {
      name: 'a versioned Provides for a versioned relation',
      stanzas: [
        depends('a', 'b (>= 2)'),
        stanza('p', { Provides: 'b (= 1)' }),
        stanza('q', { Provides: 'b (= 2)' }),
        stanza('r', { Provides: 'b' }),
      ],
      include: 'a',
      expected: 'a q',
    },
    {
      name: 'a version that satisfies, real before provided',
      stanzas: [depends('a', 'b (>= 2)'), stanza('b 1'), stanza('p', { Provides: 'b (= 2)' })],
      include: 'a',
      expected: 'a p',
    },
    {
      name: 'packages that need each other',
      stanzas: [depends('a', 'b'), depends('b', 'a')],
      include: 'a',
      expected: 'a b',
    },
    {
      name: 'a package that conflicts with what it provides itself',
      stanzas: [
        stanza('a', { Provides: 'mta', Conflicts: 'mta' }),
        stanza('b', { Provides: 'mta' }),
      ],
      include: 'a',
      expected: 'a',
    },
    {
      name: 'another alternative when the first is at odds with what is asked for',
      stanzas: [stanza('x', { Conflicts: 'b' }), depends('a', 'b | c'), stanza('b'), stanza('c')],
      include: 'x a',
      expected: 'a c x',
    },
    {
      name: 'another alternative when what is asked for is broken by the first',
      stanzas: [
        stanza('x'),
        depends('a', 'b | c'),
        stanza('b', { Breaks: 'x (<= 1)' }),
        stanza('c'),
      ],
      include: 'x a',
      expected: 'a c x',
    },
    {
      name: 'Breaks of a version that is not there',
      stanzas: [stanza('x 2'), stanza('b', { Breaks: 'x (<< 2)' })],
      include: 'x b',
      expected: 'b x 2',
    },
    {
      name: 'not what is left out',
      stanzas: [depends('a', 'b | c'), stanza('b'), stanza('c')],
      include: 'a b-',
      expected: 'a c',
    },
    {
      name: 'what is recommended only when asked to',
      stanzas: [stanza('a', { Recommends: 'b' }), stanza('b')],
      include: 'a',
      expected: 'a',
    },
    {
      name: 'names that end in a sign',
      stanzas: [stanza('g++'), stanza('a'), stanza('b')],
      include: 'g++ a+ b-',
      expected: 'a g++',
    },
    {
      name: 'the one provider of a name that is asked for',
      stanzas: [stanza('p', { Provides: 'b' })],
      include: 'b',
      expected: 'p',
    },
    {
      name: 'nothing special for leaving out a name that is only spoken of',
      stanzas: [stanza('a', { Suggests: 'ghost' })],
      include: 'a ghost-',
      expected: 'a',
    },
    {
      name: 'nothing special for leaving out a name that is only provided',
      stanzas: [depends('a', 'b'), stanza('p', { Provides: 'b' })],
      include: 'a b-',
      expected: 'a p',
    },
  ]
  test.each(cases)('$name', ({ stanzas, include, expected }) => {
    expect(outcome(stanzas, include.split(' '))).toEqual(expected.split(/ (?=[a-z])/))
  })
})

describe('solve() refuses as apt does', () => {
  const cases: readonly (Omit<Case, 'expected'> & { readonly code: string })[] = [
    { name: 'an unknown name', stanzas: [stanza('a')], include: 'b', code: 'PACKAGE_NOT_FOUND' },
    {
      name: 'leaving out an unknown name',
      stanzas: [stanza('a')],
      include: 'a b-',
      code: 'PACKAGE_NOT_FOUND',
    },
    {
      name: 'a name several provide',
      stanzas: [stanza('p', { Provides: 'b' }), stanza('q', { Provides: 'b' })],
      include: 'b',
      code: 'PACKAGE_NOT_FOUND',
    },
    {
      name: 'an unknown version',
      stanzas: [stanza('a')],
      include: 'a=2',
      code: 'VERSION_NOT_FOUND',
    },
    {
      name: 'an unknown suite',
      stanzas: [stanza('a')],
      include: 'a/testing',
      code: 'VERSION_NOT_FOUND',
    },
    {
      name: 'a dependency nobody meets',
      stanzas: [depends('a', 'b (>= 2)'), stanza('b 1')],
      include: 'a',
      code: 'UNSATISFIABLE',
    },
    {
      name: 'an unversioned Provides for a versioned relation',
      stanzas: [depends('a', 'b (>= 1)'), stanza('p', { Provides: 'b' })],
      include: 'a',
      code: 'UNSATISFIABLE',
    },
    {
      name: 'two that conflict',
      stanzas: [stanza('a', { Conflicts: 'b' }), stanza('b')],
      include: 'a b',
      code: 'UNSATISFIABLE',
    },
    {
      name: 'two that conflict by what they provide',
      stanzas: [
        stanza('a', { Provides: 'm', Conflicts: 'm' }),
        stanza('b', { Provides: 'm', Conflicts: 'm' }),
      ],
      include: 'a b',
      code: 'UNSATISFIABLE',
    },
    {
      name: 'a need of one that another conflicts with',
      stanzas: [depends('a', 'c'), stanza('b', { Breaks: 'c' }), stanza('c')],
      include: 'a b',
      code: 'UNSATISFIABLE',
    },
    {
      name: 'a need that is left out',
      stanzas: [depends('a', 'b'), stanza('b')],
      include: 'a b-',
      code: 'UNSATISFIABLE',
    },
  ]
  test.each(cases)('$name', ({ stanzas, include, code }) => {
    expect(outcome(stanzas, include.split(' '))).toBe(code)
  })
})

describe('solve() with several suites', () => {
  const suites = {
    stable: [stanza('a 1'), depends('b', 'a (= 1)'), depends('c', 'a')],
    security: [stanza('a 2')],
    backports: [stanza('a 3'), stanza('b 3', { Depends: 'a (>= 3)' })],
  }
  const options = {
    sources: {
      stable: { archive: 'oldstable', codename: 'bookworm', version: '12.5' },
      backports: { notAutomatic: true, butAutomaticUpgrades: true },
    },
  }
  test.each([
    ['the highest version of a suite that is used by itself', 'c', ['a 2', 'c']],
    ['a version that is named', 'a=1 c', ['a', 'c']],
    ['a version from a suite that is named', 'a/backports c', ['a 3', 'c']],
    ['with it what it needs from that suite', 'b/backports', ['a 3', 'b 3']],
    ['a suite by its archive name', 'a/oldstable', ['a']],
    ['a suite by its code name', 'a/bookworm', ['a']],
    ['a suite by its version', 'a/12*', ['a']],
    ['not what a suite never offers by itself', 'b=3', 'UNSATISFIABLE'],
    ['not what the candidate rules out', 'b', 'UNSATISFIABLE'],
  ])('takes %s: %s', (_, include, expected) => {
    expect(outcome(suites, include.split(' '), options)).toEqual(expected)
  })

  test('knows one file in several suites as one version', () => {
    const shared = stanza('a 1')
    const { packages } = solve(universeOf({ stable: [shared], security: [shared] }), {
      variant: 'custom',
      include: ['a'],
    })
    expect(packages.map((one) => one.sources.map((source) => source.suite))).toEqual([
      ['stable', 'security'],
    ])
  })

  test('a pin counts more than a version', () => {
    const pinned = { sources: { security: { pin: 100 } } }
    expect(outcome({ stable: [stanza('a 1')], security: [stanza('a 2')] }, ['a'], pinned)).toEqual([
      'a',
    ])
    const never = { sources: { stable: { pin: -1 } } }
    expect(outcome({ stable: [stanza('a 1')] }, ['a'], never)).toBe('PACKAGE_NOT_FOUND')
  })
})

const both = (name: string, fields: Readonly<Record<string, string>>): readonly Stanza[] => [
  stanza(name, fields),
  stanza(name, { ...fields, Architecture: 'i386' }),
]

describe('solve() and Multi-Arch', () => {
  const foreign = { foreign: ['i386'] }
  const architectures = (
    stanzas: readonly Stanza[],
    include: readonly string[],
  ): readonly string[] | string => {
    try {
      return solve(universeOf(stanzas, foreign), { variant: 'custom', include })
        .packages.map((one) => `${one.name}:${one.architecture}`)
        .toSorted()
    } catch (error) {
      if (isPlinthError(error)) return error.code
      throw error
    }
  }
  test.each([
    [
      'a dependency is of the same architecture',
      [...both('a', { Depends: 'b' }), ...both('b', { 'Multi-Arch': 'same' })],
      'a:i386',
      'a:i386 b:i386',
    ],
    [
      'a foreign one serves all',
      [...both('a', { Depends: 'b' }), stanza('b', { 'Multi-Arch': 'foreign' })],
      'a:i386',
      'a:i386 b:amd64',
    ],
    [
      'an architecture-independent one is native',
      [
        ...both('a', { Depends: 'b' }),
        stanza('b', { Architecture: 'all', 'Multi-Arch': 'foreign' }),
      ],
      'a:i386',
      'a:i386 b:all',
    ],
    [
      'an allowed one serves who asks for any',
      [...both('a', { Depends: 'b:any' }), stanza('b', { 'Multi-Arch': 'allowed' })],
      'a:i386',
      'a:i386 b:amd64',
    ],
    [
      'but not who does not',
      [...both('a', { Depends: 'b' }), stanza('b', { 'Multi-Arch': 'allowed' })],
      'a:i386',
      'UNSATISFIABLE',
    ],
    [
      'any does not name what is not allowed',
      [stanza('a', { Depends: 'b:any' }), stanza('b')],
      'a',
      'UNSATISFIABLE',
    ],
    [
      'native means native',
      [...both('a', { Depends: 'b:native' }), ...both('b', { 'Multi-Arch': 'same' })],
      'a:i386',
      'a:i386 b:amd64',
    ],
    [
      'an architecture can be named',
      [...both('a', { Depends: 'b:amd64' }), ...both('b', { 'Multi-Arch': 'same' })],
      'a:i386',
      'a:i386 b:amd64',
    ],
    [
      'same ones live side by side',
      both('a', { 'Multi-Arch': 'same' }),
      'a:i386 a',
      'a:amd64 a:i386',
    ],
    ['others do not', both('a', {}), 'a:i386 a', 'UNSATISFIABLE'],
    [
      'nor same ones of two versions',
      [
        stanza('a 1', { 'Multi-Arch': 'same' }),
        stanza('a 2', { 'Multi-Arch': 'same', Architecture: 'i386' }),
      ],
      'a:i386 a',
      'UNSATISFIABLE',
    ],
  ] as const)('%s', (_, stanzas, include, expected) => {
    const found = architectures(stanzas, include.split(' '))
    expect(typeof found === 'string' ? found : found.join(' ')).toBe(expected)
  })
})

describe('solve() and variants', () => {
  const debian = [
    stanza('apt', { Priority: 'required', Depends: 'libapt' }),
    stanza('libapt'),
    stanza('base', {
      Essential: 'yes',
      Priority: 'required',
      'Pre-Depends': 'awk',
      Depends: 'lib',
    }),
    stanza('build-essential', { Depends: 'gcc' }),
    stanza('cron', { Priority: 'important' }),
    stanza('gcc'),
    stanza('gawk', { Provides: 'awk' }),
    stanza('lib', { Depends: 'one | two' }),
    stanza('mawk', { Provides: 'awk', Priority: 'required' }),
    stanza('man', { Priority: 'standard' }),
    stanza('one'),
    stanza('passwd', { Priority: 'required' }),
    stanza('two'),
  ]
  const names = (request: SolveRequest): string =>
    solve(universeOf(debian), request)
      .stages.map(
        (stage) =>
          `${stage.name}: ${stage.packages
            .map((one) => one.name)
            .toSorted()
            .join(' ')}`,
      )
      .join('; ')

  test.each([
    ['essential', 'essential: base lib mawk one'],
    ['apt', 'essential: apt base lib libapt mawk one'],
    ['minbase', 'essential: base lib mawk one; rest: apt libapt passwd'],
    ['buildd', 'essential: base lib mawk one; rest: apt build-essential gcc libapt'],
    ['important', 'essential: base lib mawk one; rest: apt cron libapt passwd'],
    ['standard', 'essential: base lib mawk one; rest: apt cron libapt man passwd'],
  ] as const)('%s', (variant, expected) => {
    expect(names({ variant, include: [] })).toBe(expected)
  })

  test('what is included comes after the essential set, and does not change it', () => {
    expect(names({ variant: 'essential', include: ['two'] })).toBe(
      'essential: base lib mawk one; rest: two',
    )
  })

  test('what is left out is left out of the essential set too', () => {
    expect(names({ variant: 'essential', include: ['one-'] })).toBe('essential: base lib mawk two')
  })

  test('only what the rest pulled in is automatic', () => {
    const { packages } = solve(universeOf(debian), { variant: 'minbase', include: [] })
    expect(packages.filter((one) => one.automatic).map((one) => one.name)).toEqual(['libapt'])
  })

  test('everything says why it is there', () => {
    const { packages } = solve(universeOf(debian), { variant: 'minbase', include: ['gcc'] })
    const why = Object.fromEntries(
      packages.map((one) => [one.name, one.reasons.map(formatReason).join('; ')]),
    )
    expect(why).toEqual({
      apt: 'variant minbase; priority required',
      base: 'essential',
      gcc: 'asked for: gcc',
      lib: 'Depends of base: lib',
      libapt: 'Depends of apt: libapt',
      mawk: 'Pre-Depends of base: awk',
      one: 'Depends of lib: one | two',
      passwd: 'priority required',
    })
  })

  test('only the suite itself marks packages', () => {
    const universe = universeOf({
      stable: [stanza('a', { Essential: 'yes' })],
      other: [stanza('b', { Essential: 'yes' })],
    })
    expect(
      solve(universe, { variant: 'essential', include: [] }).packages.map((one) => one.name),
    ).toEqual(['a'])
    expect(
      solve(universe, { variant: 'essential', include: [], suite: 'other' }).packages.map(
        (one) => one.name,
      ),
    ).toEqual(['b'])
  })

  test('everything comes after what it needs', () => {
    const { packages } = solve(universeOf(debian), { variant: 'standard', include: [] })
    const order = packages.map((one) => one.name)
    for (const [before, after] of [
      ['mawk', 'base'],
      ['lib', 'base'],
      ['one', 'lib'],
      ['libapt', 'apt'],
    ] as const) {
      expect(order.indexOf(before)).toBeLessThan(order.indexOf(after))
    }
  })
})

const refusal = (stanzas: readonly Stanza[], include: readonly string[]): PlinthError => {
  try {
    solve(universeOf(stanzas), { variant: 'custom', include })
  } catch (error) {
    if (isPlinthError(error)) return error
    throw error
  }
  throw new Error('it did not refuse')
}

describe('what solve() says when it refuses', () => {
  test('offers the nearest names', () => {
    const error = refusal([stanza('libcurl4'), stanza('curl'), stanza('mc')], ['crul'])
    expect(error.hint).toContain('curl')
    expect(error.facts).toMatchObject({ name: 'crul', nearest: ['curl'] })
  })

  test('lists the versions there are', () => {
    expect(refusal([stanza('a 1'), stanza('a 2')], ['a=3'])).toMatchObject({
      code: 'VERSION_NOT_FOUND',
      facts: { versions: ['2', '1'] },
    })
  })

  test('names the providers of a virtual package', () => {
    const error = refusal([stanza('p', { Provides: 'b' }), stanza('q', { Provides: 'b' })], ['b'])
    expect(error.facts).toMatchObject({ providers: ['p', 'q'] })
  })

  test('tells who asked for what, and why each candidate fell', () => {
    const error = refusal(
      [
        depends('a', 'b'),
        depends('b', 'c (>= 2) | d'),
        stanza('c 1'),
        stanza('d'),
        stanza('x', { Conflicts: 'd' }),
      ],
      ['x', 'a'],
    )
    const { unmet } = error.facts as {
      unmet: readonly {
        chain: readonly string[]
        relation: string
        rejected: readonly { candidate: string; why: string }[]
      }[]
    }
    const told = JSON.stringify(unmet)
    expect(told).toContain('c 1')
    expect(told).toContain('x 1')
    expect(error.message).toContain('a 1')
    expect(error.message).toMatch(/c \(>= 2\) \| d/)
    expect(error.message).toContain('forbids it')
  })

  test('says that nothing of a name exists', () => {
    const error = refusal([depends('a', 'nothing')], ['a'])
    expect(error.message).toContain('no package of that name')
    expect(error.facts).toMatchObject({
      unmet: [{ chain: ['a 1'], relation: 'nothing', rejected: [] }],
    })
  })

  test('says what was left out by request', () => {
    expect(refusal([depends('a', 'b'), stanza('b')], ['a', 'b-']).message).toContain(
      'left out by request',
    )
  })
})
