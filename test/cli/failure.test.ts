import { describe, expect, it } from 'vitest'
import { failureOf, renderFailure } from '../../src/cli/failure.ts'
import { paints } from '../../src/cli/render/paint.ts'
import { PlinthError } from '../../src/errors.ts'

const plain = paints(false)

describe('renderFailure()', () => {
  it('says what could not be done, why, and what to do, in one block', () => {
    const socket = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:80'), {
      code: 'ECONNREFUSED',
    })
    const fetch = new Error('no mirror answered', { cause: socket })
    const error = new PlinthError('UNREACHABLE', 'cannot get Packages.xz', {
      cause: fetch,
      hint: 'check the network',
    })
    expect(renderFailure(failureOf(error), plain)).toBe(
      `plinth: cannot get Packages.xz (UNREACHABLE)
  because: no mirror answered
  because: connect ECONNREFUSED 10.0.0.1:80
  hint: check the network
`,
    )
  })

  it('does not repeat a cause the message already tells', () => {
    const error = new PlinthError('IO', 'cannot write x: the disk broke', {
      cause: new Error('the disk broke'),
    })
    expect(renderFailure(failureOf(error), plain)).toBe(
      'plinth: cannot write x: the disk broke (IO)\n',
    )
  })

  it('keeps escape sequences of messages from the terminal', () => {
    const error = new PlinthError('IO', 'bad \u001B]0;title\u0007name\u001B[2J')
    expect(renderFailure(failureOf(error), plain)).toBe('plinth: bad name (IO)\n')
  })

  it('ends on causes that go in circles', () => {
    const error = new Error('a')
    error.cause = error
    expect(failureOf(error).causes).toEqual([])
  })
})

describe('failureOf()', () => {
  it.each([
    {
      name: 'a plinth error',
      error: new PlinthError('SCRIPT_FAILED', 'x'),
      code: 'SCRIPT_FAILED',
      exit: 1,
    },
    { name: 'a full disk', error: errno('ENOSPC'), code: 'DISK_FULL', exit: 74 },
    { name: 'a system error', error: errno('EACCES'), code: 'IO', exit: 74 },
    {
      name: 'an abort',
      error: new DOMException('stop', 'AbortError'),
      code: 'INTERRUPTED',
      exit: 130,
    },
    { name: 'a mistake', error: new TypeError('x is not a function'), code: 'INTERNAL', exit: 70 },
    { name: 'a thrown text', error: 'oops', code: 'INTERNAL', exit: 70 },
  ])('$name exits with $exit', ({ error, code, exit }) => {
    expect(failureOf(error)).toMatchObject({ code, exitCode: exit })
  })

  it('calls only what nobody foresaw a bug', () => {
    expect(failureOf(new TypeError('x')).hint).toMatch(/bug in plinth/)
    expect(failureOf(errno('EACCES')).hint).toBeUndefined()
  })
})

function errno(code: string): Error {
  return Object.assign(new Error(`${code}: no`), { code, syscall: 'open' })
}
