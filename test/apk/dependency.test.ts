import { describe, expect, test } from 'vitest'
import {
  formatDependency,
  isNamedBy,
  parseDependencies,
  parseDependency,
} from '../../src/apk/dependency.ts'

describe('parseDependency()', () => {
  test.each([
    ['musl', { name: 'musl', conflict: false }],
    ['!gcc<9', { name: 'gcc', conflict: true, operator: '<', version: '9' }],
    ['so:libc.musl-x86_64.so.1', { name: 'so:libc.musl-x86_64.so.1', conflict: false }],
    ['cmd:sh=1.36-r2', { name: 'cmd:sh', conflict: false, operator: '=', version: '1.36-r2' }],
    ['pc:zlib>=1.2', { name: 'pc:zlib', conflict: false, operator: '>=', version: '1.2' }],
    ['a=>1', { name: 'a', conflict: false, operator: '>=', version: '1' }],
    ['a==1', { name: 'a', conflict: false, operator: '=', version: '1' }],
    ['a~1', { name: 'a', conflict: false, operator: '~', version: '1' }],
    ['a=~1', { name: 'a', conflict: false, operator: '~', version: '1' }],
    ['a<~1', { name: 'a', conflict: false, operator: '<~', version: '1' }],
    ['a<=>1', { name: 'a', conflict: false }],
    ['a><Q1abc=', { name: 'a', conflict: false, operator: '><', version: 'Q1abc=' }],
    ['a@edge', { name: 'a', conflict: false, tag: 'edge' }],
    ['!a@edge>1', { name: 'a', conflict: true, tag: 'edge', operator: '>', version: '1' }],
    ['!!a', { name: '!a', conflict: true }],
  ])('%s', (text, expected) => {
    expect(parseDependency(text)).toEqual(expected)
  })

  test.each(['a=', 'a=1~b', 'a=1@edge', 'a><', 'a>1>2'])('%s is malformed', (text) => {
    expect(parseDependency(text)).toBeUndefined()
  })
})

test('parseDependencies() takes a space before all for a name of nothing, as apk does', () => {
  expect(parseDependencies(' a').map(({ name }) => name)).toEqual(['', 'a'])
})

test('parseDependencies() ends at what is malformed, as apk does', () => {
  expect(parseDependencies('a  b=1\nc= d').map(formatDependency)).toEqual(['a', 'b=1'])
  expect(parseDependencies('')).toEqual([])
  expect(parseDependencies('a ').map(formatDependency)).toEqual(['a'])
})

test.each(['musl', '!gcc<9', 'a@edge>=1.2-r3', 'a<~1', 'a><Q1abc='])(
  'formatDependency() writes %s as it was',
  (text) => {
    expect(formatDependency(parseDependency(text)!)).toBe(text)
  },
)

describe('isNamedBy()', () => {
  const named = (text: string, version?: string): boolean =>
    isNamedBy(parseDependency(text)!, version, 'Q1abc=')

  test.each([
    ['a', undefined, true],
    ['a', '1', true],
    ['a=1', '1', true],
    ['a=1', '2', false],
    ['a~1', '1.2', true],
    ['a><Q1abc=', '1', true],
    ['a><Q1abd=', '1', false],
  ])('%s, version %s: %s', (text, version, expected) => {
    expect(named(text, version)).toBe(expected)
  })

  test('a name provided without a version meets no demand for one', () => {
    expect(named('a>0')).toBe(false)
  })
})
