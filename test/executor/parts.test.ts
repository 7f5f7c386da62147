import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import {
  isMapped,
  loginName,
  parseSubordinate,
  stackRanges,
} from '../../src/executor/native/ids.ts'
import { eachLine } from '../../src/executor/lines.ts'
import { onlyStub } from '../../src/executor/native/network.ts'

describe('eachLine()', () => {
  const euro = Buffer.from('€')
  test.each([
    { name: 'lines', chunks: ['a\nb\n'], expected: ['a', 'b'] },
    { name: 'a line over chunks', chunks: ['a', 'b\nc'], expected: ['ab', 'c'] },
    {
      name: 'a character over chunks',
      chunks: [euro.subarray(0, 1), euro.subarray(1)],
      expected: ['€'],
    },
    { name: 'carriage returns', chunks: ['a\r\n\r\nb\r'], expected: ['a', '', 'b\r'] },
    { name: 'nothing', chunks: [], expected: [] },
    { name: 'a cut-off character', chunks: [euro.subarray(0, 2)], expected: ['\uFFFD'] },
    {
      name: 'a line without end',
      chunks: ['x'.repeat(100_000)],
      expected: ['x'.repeat(65_536), 'x'.repeat(34_464)],
    },
  ])('gives $name', async ({ chunks, expected }) => {
    const lines: string[] = []
    await eachLine(Readable.from(chunks.map((c) => Buffer.from(c))), (line) => lines.push(line))
    expect(lines).toEqual(expected)
  })
})

describe('subordinate ids', () => {
  const text = '# ids\nann:100000:65536\n1000:200000:10\nbob:1:x\nann:300000:5\nbob:5:0\n'

  test('are found by name and by number, malformed lines are no lines', () => {
    expect(parseSubordinate(text, { id: 1000, name: 'ann' })).toEqual([
      { start: 100_000, count: 65_536 },
      { start: 200_000, count: 10 },
      { start: 300_000, count: 5 },
    ])
    expect(parseSubordinate(text, { id: 7, name: 'bob' })).toEqual([])
    expect(parseSubordinate(text, { id: 7 })).toEqual([])
  })

  test('follow root, who is the user', () => {
    const ranges = stackRanges(1000, [
      { start: 100_000, count: 10 },
      { start: 300_000, count: 5 },
    ])
    expect(ranges).toEqual([
      { inside: 0, outside: 1000, count: 1 },
      { inside: 1, outside: 100_000, count: 10 },
      { inside: 11, outside: 300_000, count: 5 },
    ])
    expect([0, 15, 16].map((id) => isMapped(ranges, id))).toEqual([true, true, false])
  })

  test('a login name is found by id', () => {
    const passwd = 'root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n'
    expect([loginName(passwd, 1000), loginName(passwd, 5)]).toEqual(['ann', undefined])
  })
})

describe('onlyStub()', () => {
  test.each([
    { text: 'nameserver 127.0.0.53\noptions edns0\n', expected: true },
    { text: 'nameserver 127.0.0.53\nnameserver 9.9.9.9\n', expected: false },
    { text: '# nameserver 127.0.0.53\n', expected: false },
    { text: '', expected: false },
  ])('$expected for $text', ({ text, expected }) => {
    expect(onlyStub(text)).toBe(expected)
  })
})
