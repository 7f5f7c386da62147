import { describe, expect, test } from 'vitest'
import { indexPackages } from '../../src/deb/packages.ts'
import { everyMention, firstMention, rankOf } from '../../src/solver/apt/mention-search.ts'
import { packagesText, stanza } from '../support/packages.ts'

const packages = indexPackages(
  Buffer.from(
    packagesText([
      stanza('first', {
        Suggests: 'late (>= 1), early',
        Depends: 'libfoo (>= 1:2)|bar,\n folded',
        Provides: 'virtual (= 1)',
        Description: 'not for libfoo: baz, quux',
      }),
      stanza('libfoobar', { Depends: 'perl:any, tar:amd64' }),
      stanza('perl'),
      stanza('early', { 'Pre-Depends': 'quux' }),
      stanza('libfoo'),
      stanza('baz'),
    ]),
  ),
  'Packages',
)

describe('the first mention of a name', () => {
  const table = everyMention(packages)
  const order = [...table].toSorted(([, a], [, b]) => a - b).map(([name]) => name)

  test('is by stanza, then by field in the order apt reads them, then by position', () => {
    expect(order).toEqual([
      'first',
      'libfoo',
      'bar',
      'folded',
      'late',
      'early',
      'virtual',
      'libfoobar',
      'tar',
      'perl',
      'quux',
      'baz',
    ])
  })

  test.each(order)('is the same by search: %s', (name) => {
    const [own] = packages.find(name)
    const stanzaAt = own === undefined ? undefined : packages.offset(own)
    const found =
      firstMention(packages.bytes, name, stanzaAt ?? packages.bytes.length) ??
      (stanzaAt === undefined ? undefined : rankOf({ stanza: stanzaAt, field: 0, at: stanzaAt }))
    expect(found).toBe(table.get(name))
  })

  test('is not a part of another name, nor a word of a description', () => {
    expect(firstMention(packages.bytes, 'foo', packages.bytes.length)).toBeUndefined()
    expect(firstMention(packages.bytes, 'baz', packages.bytes.length)).toBeUndefined()
    expect(table.has('foo')).toBe(false)
  })
})
