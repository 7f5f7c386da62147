import { describe, expect, test } from 'vitest'
import { indexPackages } from '../../src/deb/packages.ts'
import { PackagesScanner } from '../../src/deb/packages-scan.ts'
import { packagesText, stanza } from '../support/packages.ts'

describe('PackagesScanner', () => {
  const text =
    '\n\n' +
    packagesText([
      stanza('a 1', { Provides: 'x,\n y (= 2)', Essential: 'yes' }),
      stanza('b 1', { Provides: 'x' }),
      stanza('a 2'),
    ]) +
    '\n\n\nPackage: c\n\n\nPackage: d'
  const whole = Buffer.from(text)

  function summary(index: ReturnType<typeof indexPackages>) {
    const names = [...index.names()]
    return {
      size: index.size,
      offsets: Array.from({ length: index.size }, (_, number) => index.offset(number)),
      essential: index.essential(),
      names: names.map((name) => [name, index.find(name)]),
      provided: [...index.providedNames()].map((name) => [name, index.providersOf(name)]),
    }
  }

  test('finds the same however the file arrives', () => {
    const expected = summary(indexPackages(whole, 'Packages'))
    expect(expected.names).toEqual([
      ['a', [0, 2]],
      ['b', [1]],
      ['c', [3]],
      ['d', [4]],
    ])
    for (let first = 0; first <= whole.length; first++) {
      for (const second of [first + 1, first + 7, whole.length]) {
        const bytes = Buffer.alloc(whole.length)
        const scanner = new PackagesScanner(bytes)
        for (const length of [first, Math.min(second, whole.length)]) {
          whole.copy(bytes, 0, 0, length)
          scanner.advance(length)
        }
        whole.copy(bytes)
        expect(summary(indexPackages(bytes, 'Packages', scanner))).toEqual(expected)
      }
    }
  })

  test('says at the end, not before, that a file is no index', () => {
    const bytes = Buffer.from('Version: 1\n\nPackage: a\n\n')
    const scanner = new PackagesScanner(bytes)
    scanner.advance(bytes.length)
    expect(() => scanner.finish('Packages')).toThrow(
      expect.objectContaining({ code: 'INDEX_INVALID', facts: { file: 'Packages', line: 1 } }),
    )
  })
})
