import { describe, expect, test } from 'vitest'
import { formatRelations, parseRelations } from '../../src/deb/relation.ts'
import { isPlinthError } from '../../src/errors.ts'

describe('parseRelations()', () => {
  test('reads names, qualifiers, versions and alternatives', () => {
    expect(
      parseRelations('libc6 (>= 2.36), exim4 | mail-transport-agent, python3:any (<< 3.12)'),
    ).toEqual([
      [{ name: 'libc6', operator: '>=', version: '2.36' }],
      [{ name: 'exim4' }, { name: 'mail-transport-agent' }],
      [{ name: 'python3', architecture: 'any', operator: '<<', version: '3.12' }],
    ])
  })

  test.each([
    ['a(=1)', '='],
    ['a (< 1)', '<='],
    ['a (> 1)', '>='],
    ['a ( >> 1 )', '>>'],
    ['a (1)', '='],
  ])('%s has the operator %s', (text, operator) => {
    expect(parseRelations(text)).toEqual([[{ name: 'a', operator, version: '1' }]])
  })

  test('is not bothered by line breaks, missing spaces and stray commas', () => {
    expect(parseRelations(' a,\n b|c\n\t(= 1:2-3) ,')).toEqual([
      [{ name: 'a' }],
      [{ name: 'b' }, { name: 'c', operator: '=', version: '1:2-3' }],
    ])
    expect(parseRelations('')).toEqual([])
  })

  test.each(['a (>= )', 'a b', 'a (>= 1', 'a | ', 'a [amd64]', '(>= 1)', 'a:b:c'])(
    'refuses %j',
    (text) => {
      expect(code(() => parseRelations(text))).toBe('CONTROL_INVALID')
    },
  )
})

test('formatRelations() writes what parseRelations() read', () => {
  const text = 'a:any (>= 1) | b | c:native (<< 2~)'
  const [group = []] = parseRelations(text)
  expect(formatRelations(group)).toBe(text)
})

function code(act: () => unknown): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    return isPlinthError(error) ? error.code : String(error)
  }
}
