import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const checkout = fileURLToPath(new URL('../../', import.meta.url))

function run(script: string, ...args: readonly string[]) {
  return spawnSync(process.execPath, ['scripts/run.mjs', script, ...args], {
    cwd: checkout,
    encoding: 'utf8',
  })
}

const stack = /^\s+at .*:\d+:\d+\)?$/m

describe.each([
  'scripts/bench/debian.ts',
  'scripts/compare/apt.ts',
  'scripts/compare/mmdebstrap.ts',
])('%s', (script) => {
  test('says how it is used', () => {
    const { status, stdout, stderr } = run(script, '--help')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^usage: n.*\n(.*\n)*.*--suite/)
  })

  test.each([
    { args: ['--sweet', 'trixie'], says: "Unknown option '--sweet'" },
    { args: ['--suite'], says: "'--suite <value>' argument missing" },
    { args: ['--suite', ','], says: '--suite names nothing' },
  ])('refuses $args', ({ args, says }) => {
    const { status, stdout, stderr } = run(script, ...args)
    expect({ status, stdout }).toEqual({ status: 64, stdout: '' })
    expect(stderr.split('\n')[0]).toContain(`error: `)
    expect(stderr.split('\n')[0]).toContain(says)
    expect(stderr).not.toMatch(stack)
  })
})

test.each([
  { script: 'scripts/bench/debian.ts', args: ['--pairs', '0'], says: 'from 1 on' },
  { script: 'scripts/bench/debian.ts', args: ['--output', 'zip'], says: "not 'zip'" },
  { script: 'scripts/compare/apt.ts', args: ['--seed', 'x'], says: "--seed is 'x'" },
  { script: 'scripts/compare/apt.ts', args: ['--variant', 'tiny'], says: "not 'tiny'" },
  { script: 'scripts/compare/mmdebstrap.ts', args: ['--variant', 'tiny'], says: "not 'tiny'" },
])('$script refuses $args', ({ script, args, says }) => {
  const { status, stderr } = run(script, ...args)
  expect(status).toBe(64)
  expect(stderr).toContain(says)
  expect(stderr).not.toMatch(stack)
})
