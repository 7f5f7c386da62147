import { describe, expect, it } from 'vitest'
import {
  hasWildcard,
  isGlob,
  matchesGlob,
  splitGlob,
  splitPivot,
} from '../../src/dockerfile/glob.ts'
import { parseIgnoreFile, pathMatcher } from '../../src/dockerfile/ignore.ts'

describe('parseIgnoreFile()', () => {
  it('reads patterns', () => {
    const text = '\ufeff# no\n\n *.md \n/a/b/\n! /keep\n!./c/../d\r\n #x\n\\#y\n/\n'
    expect(parseIgnoreFile(text, '.dockerignore')).toEqual([
      '*.md',
      'a/b',
      '!keep',
      '!d',
      '#x',
      '\\#y',
      '/',
    ])
  })

  it.each(['!', 'a\n! ', '[', 'a\\', '[]', '[a-'])('refuses %j', (text) => {
    expect(() => parseIgnoreFile(text, '.dockerignore')).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE_INVALID' }),
    )
  })
})

describe('pathMatcher()', () => {
  it.each([
    { patterns: ['a'], yes: ['a', 'a/b', 'a/b/c'], no: ['b', 'b/a', 'ab'] },
    { patterns: ['*'], yes: ['a', 'a/b', '.x'], no: ['.', ''] },
    { patterns: ['.'], yes: [], no: ['a', '.'] },
    { patterns: ['*.md'], yes: ['a.md', '.md', 'x.md/y'], no: ['a/b.md', 'amd'] },
    { patterns: ['*/*.md'], yes: ['a/b.md'], no: ['b.md', 'a/b/c.md'] },
    { patterns: ['**/*.md'], yes: ['a.md', 'a/b.md', 'a/b/c.md'], no: ['a.mdx'] },
    { patterns: ['**/a'], yes: ['a', 'b/a', 'b/c/a', 'b/a/c'], no: ['ba', 'b/ca'] },
    { patterns: ['**a'], yes: ['a', 'ba', 'x/ba'], no: ['ab'] },
    { patterns: ['**'], yes: ['a', 'a/b'], no: [] },
    { patterns: ['a/**'], yes: ['a/b', 'a/b/c'], no: ['a', 'ab'] },
    { patterns: ['a/**/b'], yes: ['a/b', 'a/x/b', 'a/x/y/b'], no: ['a', 'ab', 'a/xb'] },
    { patterns: ['a**b'], yes: ['ab', 'a/xb', 'ax/b'].slice(0, 1), no: ['axb'] },
    { patterns: ['a?c'], yes: ['abc', 'a😀c'], no: ['ac', 'a/c'] },
    { patterns: ['[a-c]x', '[^a]y'], yes: ['bx', 'by'], no: ['dx', 'ay'] },
    {
      patterns: ['a.b', '(x)', 'c+', '$d', 'é{1}'],
      yes: ['a.b', '(x)', 'c+', '$d', 'é{1}'],
      no: ['axb', 'x', 'cc'],
    },
    { patterns: ['\\*', 'a\\?'], yes: ['*', 'a?'], no: ['x', 'ab'] },
    { patterns: ['*', '!a'], yes: ['b'], no: ['a', 'a/b'] },
    { patterns: ['*', '!a', 'a/b'], yes: ['a/b', 'c'], no: ['a', 'a/c'] },
    { patterns: ['a', '!a/b', 'a/b/c'], yes: ['a', 'a/x', 'a/b/c'], no: ['a/b', 'a/b/d'] },
    { patterns: ['!a', 'a'], yes: ['a'], no: [] },
    { patterns: ['**/x', '!**/y/x'], yes: ['x', 'a/x'], no: ['y/x', 'a/y/x'] },
    // what changes nothing for the directory is not asked below it: tried with both of Docker's builders
    { patterns: ['*', '!x/y', 'x'], yes: ['x', 'x/z', 'b'], no: ['x/y'] },
  ])('$patterns', ({ patterns, yes, no }) => {
    const matcher = pathMatcher(patterns)
    expect(yes.filter((path) => !matcher.matches(path))).toEqual([])
    expect(no.filter((path) => matcher.matches(path))).toEqual([])
  })

  it.each([
    { patterns: ['*'], look: [], skip: ['a', 'a/b'] },
    { patterns: ['*', '!a/b/c'], look: ['a', 'a/b', 'a/b/c', 'a/b/c/d'], skip: ['b', 'a/c', 'ab'] },
    { patterns: ['*', '!a/*/c'], look: ['a', 'a/x', 'a/x/y'], skip: ['b'] },
    { patterns: ['*', '!**/keep'], look: ['a', 'a/b'], skip: [] },
    { patterns: ['*', '!a*'], look: ['a', 'b'].slice(0, 1), skip: [] },
  ])('$patterns: where to look', ({ patterns, look, skip }) => {
    const matcher = pathMatcher(patterns)
    expect(look.filter((path) => !matcher.mayHoldOthers(path))).toEqual([])
    expect(skip.filter((path) => matcher.mayHoldOthers(path))).toEqual([])
  })

  it('never skips a directory that holds something else', () => {
    const parts = ['a', 'b', '*', '**', 'a*', '?', 'c']
    let seed = 3
    const upTo = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
    const draw = () =>
      Array.from({ length: 1 + upTo(3) }, () => parts[upTo(parts.length)]!).join('/')
    const paths = ['a', 'b', 'c', 'ab'].flatMap((x) =>
      ['a', 'b', 'c', 'ab'].flatMap((y) => ['a', 'c'].map((z) => [x, y, z] as const)),
    )
    for (let round = 0; round < 400; round++) {
      const patterns = Array.from({ length: 1 + upTo(4) }, () => (upTo(2) ? '!' : '') + draw())
      const matcher = pathMatcher(patterns)
      for (const [x, y, z] of paths) {
        if (matcher.matches(`${x}/${y}/${z}`)) continue
        for (const directory of [x, `${x}/${y}`]) {
          const reached = !matcher.matches(directory) || matcher.mayHoldOthers(directory)
          expect(reached, `${patterns.join(' ')}: ${directory} for ${z}`).toBe(true)
        }
      }
    }
  })

  it('refuses a pattern that is none', () => {
    expect(() => pathMatcher(['['])).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE_INVALID' }),
    )
  })
})

describe('matchesGlob()', () => {
  it.each([
    ['a', ['a'], ['b', 'a/b']],
    ['*', ['a', '', '.x'], ['a/b']],
    ['*.c', ['a.c', '.c'], ['a/b.c', 'a.cc']],
    ['a/*/c', ['a/b/c'], ['a/c', 'a/b/d/c']],
    ['a**', ['a', 'abc'], ['a/b']],
    ['?', ['a', '😀', 'é'], ['', 'ab', '/']],
    ['[ab]', ['a', 'b'], ['c', '']],
    ['[^ab]', ['c', '😀'], ['a']],
    ['[a-c]', ['b'], ['d', '-']],
    ['[c-a]', [], ['a', 'b', 'c']],
    ['[^c-a]', ['b'], []],
    ['[\\-x]', ['-', 'x'], ['\\']],
    ['[!a]', ['!', 'a'], ['b']],
    ['[a\\]]', ['a', ']'], ['\\']],
    ['\\*', ['*'], ['a']],
    ['a\\b', ['ab'], ['a\\b']],
    ['a.b+', ['a.b+'], ['axb+']],
    ['{a,b}', ['{a,b}'], ['a']],
    ['[', [], ['[']],
    ['[]a]', [], ['a', ']']],
    ['[-x]', [], ['-', 'x']],
    ['[x-]', [], ['-', 'x']],
    ['a[', [], ['a']],
    ['\\', [], ['\\']],
  ])('%s', (pattern, yes, no) => {
    expect(yes.filter((path) => !matchesGlob(pattern, path))).toEqual([])
    expect(no.filter((path) => matchesGlob(pattern, path))).toEqual([])
    if (yes.length === 0 && pattern !== '[c-a]') expect(isGlob(pattern)).toBe(false)
  })

  it('knows wildcards', () => {
    expect(['a*', '?', 'x[a]', '\\\\*'].map(hasWildcard)).toEqual([true, true, true, true])
    expect(['a', '\\*', 'a\\[b]', ''].map(hasWildcard)).toEqual([false, false, false, false])
    expect(splitGlob('a/b/c*/d')).toEqual({ directory: 'a/b', glob: 'c*/d' })
    expect(splitGlob('*')).toEqual({ directory: '', glob: '*' })
    expect(splitGlob('a/b')).toEqual({ directory: 'a/b', glob: '' })
  })

  it('knows the pivot of --parents', () => {
    expect(splitPivot('a/b/./c/*.x')).toEqual({ base: 'a/b', pattern: 'c/*.x' })
    expect(splitPivot('/a/b')).toEqual({ base: '', pattern: 'a/b' })
    expect(splitPivot('./a/./b')).toEqual({ base: './a', pattern: 'b' })
  })
})
