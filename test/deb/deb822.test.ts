import { describe, expect, test } from 'vitest'
import { parseStanzas, StanzaError, words } from '../../src/deb/deb822.ts'

describe('parseStanzas()', () => {
  test('reads fields in any case, continuation lines, comments and several stanzas', () => {
    const [first, second, ...more] = parseStanzas(
      '\n# a comment\nSuite: stable\nSHA256:\n 00 1 a\n# between\n 11 2 b\n\n\n\nOrigin:Debian\t\nEmpty:\n',
    )
    expect([...(first ?? [])]).toEqual([
      ['suite', 'stable'],
      ['sha256', '\n00 1 a\n11 2 b'],
    ])
    expect([...(second ?? [])]).toEqual([
      ['origin', 'Debian'],
      ['empty', ''],
    ])
    expect(more).toEqual([])
  })

  test('an empty text has no stanza', () => {
    expect(parseStanzas('\n# nothing\n\n')).toEqual([])
  })

  test.each([
    [' continued', 1],
    ['A: 1\nnonsense', 2],
    ['A: 1\na: 2', 2],
    ['A: 1\n\n: 2', 3],
    ['A B: 1', 1],
  ])('refuses %j at line %d', (text, line) => {
    let caught: unknown
    try {
      parseStanzas(text)
    } catch (error) {
      caught = error
    }
    expect(caught).toBeInstanceOf(StanzaError)
    expect(caught).toMatchObject({ line })
  })
})

test('words() splits at white space of any kind', () => {
  expect(words(' main  contrib\n\tnon-free ')).toEqual(['main', 'contrib', 'non-free'])
  expect(words(undefined)).toEqual([])
})
