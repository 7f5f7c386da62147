import { describe, expect, it } from 'vitest'
import {
  afterInstruction,
  historyArguments,
  runEnvironment,
  scopeOf,
  variablesOf,
} from '../../src/dockerfile/variables.ts'
import type { Instruction } from '../../src/instruction.ts'

const env = (...pairs: readonly (readonly [string, string])[]): Instruction => ({
  kind: 'env',
  pairs,
})
const arg = (name: string, value?: string): Instruction => ({
  kind: 'arg',
  args: [{ name, value }],
})

describe('variables of a stage', () => {
  it('begin with those of the base', () => {
    const scope = scopeOf(variablesOf(['A=b=c', 'B=', 'C']))
    expect(['A', 'B', 'C', 'D'].map((name) => scope.get(name))).toEqual(['b=c', '', '', undefined])
  })

  it('go on with those of the stage below, whose ENV wins over its ARG again', () => {
    const below = [env(['A', 'env']), arg('A', 'arg'), arg('B', '1')].reduce(
      afterInstruction,
      variablesOf([]),
    )
    const above = variablesOf(['A=env', 'C=2'], below)
    expect(['A', 'B', 'C'].map((name) => scopeOf(above).get(name))).toEqual(['env', '1', '2'])
    expect(historyArguments(above)).toEqual(['A=env', 'B=1'])
  })

  it('are changed by ENV and ARG, into a new value', () => {
    const before = variablesOf(['A=1'])
    const after = [
      env(['A', '2']),
      arg('B', '3'),
      arg('A'),
      { kind: 'user', user: 'x' } as const,
    ].reduce(afterInstruction, before)
    expect(scopeOf(before).get('A')).toBe('1')
    expect(scopeOf(after).get('A')).toBe('2')
    expect(scopeOf(after).get('B')).toBe('3')
  })

  it('are what RUN sees, with the proxies of the build', () => {
    const variables = [arg('X', '1'), arg('Y')].reduce(afterInstruction, variablesOf(['PATH=/bin']))
    const buildArgs = new Map([
      ['http_proxy', 'http://p'],
      ['NO_PROXY', 'x'],
      ['OTHER', 'z'],
    ])
    expect(runEnvironment(variables, buildArgs)).toEqual({
      PATH: '/bin',
      X: '1',
      HTTP_PROXY: 'http://p',
      http_proxy: 'http://p',
      NO_PROXY: 'x',
      no_proxy: 'x',
    })
    const declared = afterInstruction(variables, arg('HTTP_PROXY', 'http://other'))
    expect(runEnvironment(declared, buildArgs)).toMatchObject({ HTTP_PROXY: 'http://other' })
  })

  it('that ARG declared are in the history of a RUN, each once, with the value they have now', () => {
    const variables = [arg('X', '1'), arg('Y'), arg('X', '2'), env(['X', '3'])].reduce(
      afterInstruction,
      variablesOf([]),
    )
    expect(historyArguments(variables)).toEqual(['X=3', 'Y='])
  })
})
