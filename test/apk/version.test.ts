import { describe, expect, test } from 'vitest'
import { compareVersions, isVersion, satisfiesVersion } from '../../src/apk/version.ts'

describe('compareVersions()', () => {
  // each line from the earliest to the latest, as `apk version -t` of apk-tools 2.14.4 has it
  test.each([
    ['numbers', ['1', '1.0', '1.1', '1.2', '1.10', '2']],
    ['zeros at the start of a part', ['1.00', '1.001', '1.0', '1.01', '1.02a', '1.1']],
    ['letters', ['1.0', '1.0a', '1.0b', '1.0.1']],
    ['digits after letters', ['1a', '1a0', '1a2', '1b']],
    [
      'suffixes',
      ['1_alpha', '1_beta', '1_pre', '1_rc', '1', '1_cvs', '1_svn', '1_git', '1_hg', '1_p'],
    ],
    ['numbers of suffixes', ['1_rc1', '1_rc2', '1_rc10', '1', '1_p0', '1_p1']],
    ['several suffixes', ['1_alpha_beta', '1_alpha', '1_p0', '1_p1_rc', '1_p1', '1_p1_p', '1_p_p']],
    ['revisions', ['1-r1', '1-r2', '1-r10', '1.1-r0']],
    ['what is cut off', ['1_foo', '1_', '1.', '1.x', '1.0']],
    ['what is no version comes late', ['1.0', '1.0-r1', '1.0a', '1.0.1', '1.0~abc', '1.1']],
    ['numbers of 18 digits count as less than none', ['1.100000000000000000', '1.', '1.1']],
    ['numbers no double holds', ['9999999999999999', '10000000000000000', '10000000000000001']],
    ['16 digits after zeros', ['1.09999999999999999999', '1.0', '1.0999999999999999']],
  ])('%s', (_, versions) => {
    const orders = versions.flatMap((a, i) =>
      versions.slice(i + 1).map((b) => [a, b, compareVersions(a, b), compareVersions(b, a)]),
    )
    expect(orders).toEqual(orders.map(([a, b]) => [a, b, -1, 1]))
  })

  test.each([
    ['1.0', '1.0'],
    ['01', '1'],
    ['1.0-r1', '1.0-r01'],
    ['1.0-r', '1.0-r0'],
    ['1.0~abc', '1.0~abd'],
    ['1_', '1_cvs'],
    ['00000000000000001', '1'],
  ])('%s and %s are equal', (a, b) => {
    expect(compareVersions(a, b)).toBe(0)
    expect(compareVersions(b, a)).toBe(0)
  })
})

test.each([
  ['1.0', true],
  ['1.2.3b_rc1_p2-r4', true],
  ['1.', true],
  ['1.0-r', true],
  ['1.0_', true],
  ['20220614', true],
  ['1.0~abc', false],
  ['1.0_foo', false],
  ['1.0-1', false],
  ['1.0ab', false],
  ['1.0A', false],
  ['1.0-r1.2', false],
  ['1.100000000000000000', false],
])('isVersion(%s) is %s', (version, valid) => {
  expect(isVersion(version)).toBe(valid)
})

describe('satisfiesVersion()', () => {
  const operators = ['<', '<=', '=', '>=', '>', '~', '<~', '>~'] as const
  test.each([
    ['1.1', '1.2', ['<', '<=', '<~']],
    ['1.2', '1.2', ['<=', '=', '>=', '~', '<~', '>~']],
    ['1.2.3-r4', '1.2', ['>=', '>', '~', '<~', '>~']],
    ['1.20', '1.2', ['>=', '>', '>~']],
    ['1.2_rc1', '1.2', ['<', '<=', '~', '<~', '>~']],
    ['1.2', '1.2.3', ['<', '<=', '~', '<~', '>~']],
    ['1.2a', '1.2.3', ['<', '<=', '~', '<~', '>~']],
  ])('%s is, to %s: %s', (version, wanted, held) => {
    expect(operators.filter((operator) => satisfiesVersion(version, operator, wanted))).toEqual(
      held,
    )
  })
})
