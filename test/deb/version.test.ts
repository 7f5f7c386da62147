import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { compareVersions, satisfiesVersion } from '../../src/deb/version.ts'
import { needs } from '../support/needs.ts'
import { seededRandom } from '../../scripts/compare/apt-draw.ts'

describe('compareVersions()', () => {
  test.each([
    ['1.0', '1.0', 0],
    ['1.0', '1.00', 0],
    ['0:1.0', '1.0', 0],
    ['1.0-0', '1.0', 0],
    ['1.0-', '1.0', 0],
    ['1.2', '1.10', -1],
    ['1:0.1', '2.0', 1],
    ['1.0~rc1', '1.0', -1],
    ['1.0~~', '1.0~', -1],
    ['1.0~rc1-1', '1.0-0', -1],
    ['1.0a', '1.0+', -1],
    ['1.0a', '1.0', 1],
    ['2.36-9+deb12u14', '2.36-9+deb12u9', 1],
    ['1.0-1-2', '1.0-1-10', -1],
    ['1.99999999999999999999999', '1.99999999999999999999998', 1],
  ])('%s and %s: %d', (a, b, order) => {
    expect(Math.sign(compareVersions(a, b))).toBe(order)
    expect(Math.sign(compareVersions(b, a)) + order).toBe(0)
  })

  test('takes a hyphen before the epoch for no revision', () => {
    expect(compareVersions('1-2:3', '1-2:3')).toBe(0)
  })
})

function held(version: string): readonly string[] {
  const operators = ['<<', '<=', '=', '>=', '>>'] as const
  return operators.filter((operator) => satisfiesVersion(version, operator, '2'))
}

test('satisfiesVersion() knows all five operators', () => {
  expect(held('1')).toEqual(['<<', '<='])
  expect(held('2')).toEqual(['<=', '=', '>='])
  expect(held('3')).toEqual(['>=', '>>'])
})

describe.skipIf(!needs('dpkg').available)('compareVersions() against dpkg', () => {
  test('agrees on generated pairs', () => {
    const random = seededRandom(20_240_101)
    const pairs = Array.from({ length: 300 }, () => {
      const first = generate(random)
      return [first, random() < 0.5 ? mutate(first, random) : generate(random)] as const
    })
    const wrong = pairs.filter(([a, b]) => Math.sign(compareVersions(a, b)) !== dpkgOrder(a, b))
    expect(wrong).toEqual([])
  })

  test('dpkg is asked in earnest', () => {
    expect(dpkgOrder('1', '2')).toBe(-1)
    expect(dpkgOrder('2', '1')).toBe(1)
    expect(() =>
      execFileSync('dpkg', ['--compare-versions', '1', 'xx', '2'], { stdio: 'ignore' }),
    ).toThrow(Error)
  })
})

function dpkgOrder(a: string, b: string): number {
  const holds = (operator: string): boolean =>
    spawnSync('dpkg', ['--compare-versions', a, operator, b], { stdio: 'ignore' }).status === 0
  return holds('eq') ? 0 : holds('lt') ? -1 : 1
}

const alphabet = ['0', '1', '2', '9', '00', '10', 'a', 'b', 'A', '~', '+', '.', 'rc', 'deb12u']

function generate(random: () => number): string {
  const part = (): string =>
    `${Math.floor(random() * 10)}${Array.from({ length: Math.floor(random() * 5) }, () => alphabet[Math.floor(random() * alphabet.length)] ?? '').join('')}`
  const epoch = random() < 0.2 ? `${Math.floor(random() * 3)}:` : ''
  return `${epoch}${part()}${random() < 0.5 ? `-${part()}` : ''}`
}

/** Near misses find more than strangers. */
function mutate(version: string, random: () => number): string {
  const start = version.indexOf(':') + 2
  const at = start + Math.floor(random() * (version.length - start + 1))
  return (
    version.slice(0, at) +
    (alphabet[Math.floor(random() * alphabet.length)] ?? '') +
    version.slice(at)
  )
}
