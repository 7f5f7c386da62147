import { describe, expect, test } from 'vitest'
import { inHashOrder } from '../../src/apk/directory-order.ts'
import { matchesPath } from '../../src/apk/fnmatch.ts'
import { formatTriggers, triggeredBy } from '../../src/apk/triggers.ts'
import { formatWorld } from '../../src/apk/world.ts'

describe('matchesPath() is fnmatch(3) with FNM_PATHNAME', () => {
  test.each([
    ['/usr/lib/*', '/usr/lib/a', true],
    ['/usr/lib/*', '/usr/lib', false],
    ['/usr/lib/*', '/usr/lib/a/b', false],
    ['/*', '/', true],
    ['/', '/', true],
    ['/?b', '/ab', true],
    ['/?b', '/b', false],
    ['/[a-c]x', '/bx', true],
    ['/[!a-c]x', '/bx', false],
    ['/[^a-c]x', '/dx', true],
    ['/[]x]', '/]', true],
    ['/[!]x]', '/]', false],
    ['/[a', '/[a', true],
    ['/a.b', '/axb', false],
    ['/a+(b)$|{c}', '/a+(b)$|{c}', true],
    [String.raw`/\*`, '/*', true],
    [String.raw`/\*`, '/a', false],
    [String.raw`/[\^&]`, '/^', true],
    [String.raw`/[\^&]`, '/&', true],
    ['/[z-a]', '/m', false],
    ['/[a-]', '/-', true],
    ['/[.é-ü]', '/ö', true],
    ['/a\\', '/a\\', true],
    ['/[a\\', '/[a\\', true],
  ])('%s %s', (pattern, path, expected) => {
    expect(matchesPath(pattern, path)).toBe(expected)
  })
})

test('triggeredBy() gives directories once, in their order, and knows absolute patterns only', () => {
  const directories = ['/usr/lib', '/', '/etc', '/usr/lib/x']
  expect(triggeredBy(['/usr/*', '/usr/lib', '+/etc', 'etc', '/'], directories)).toEqual([
    '/usr/lib',
    '/',
  ])
})

test('formatTriggers() leaves out packages without any', () => {
  const of = (identity: string, ...triggers: readonly string[]) => ({ identity, triggers })
  expect(formatTriggers([of('Q1a', '/x', '/y/*'), of('Q1b'), of('Q1c', '/z')])).toBe(
    'Q1a /x /y/*\nQ1c /z\n',
  )
})

test('inHashOrder() puts what came last into a bucket first, and loses nothing', () => {
  const names = Array.from({ length: 60_000 }, (_, i) => `usr/share/${i}`)
  const ordered = inHashOrder(names)
  expect(ordered.toSorted()).toEqual(names.toSorted())
  expect(ordered).not.toEqual(names)
})

test('formatWorld() sorts by name, whatever their case, and writes as apk does', () => {
  expect(formatWorld(['zlib', 'B=>1', 'a@edge', '!c', 'a0=~2'])).toBe(
    'a@edge\na0~2\nB>=1\n!c\nzlib\n',
  )
  expect(formatWorld([])).toBe('\n')
})
