import { describe, expect, test } from 'vitest'
import { arMembers } from '../../src/archive/ar.ts'
import { arArchive } from '../support/deb.ts'
import { codeOf } from '../support/streams.ts'

const members = (bytes: Buffer, size = bytes.length) =>
  [...arMembers((offset, length) => bytes.subarray(offset, offset + length), size, 'x.deb')].map(
    (m) => `${m.name} ${m.offset} ${m.size}`,
  )

const two = arArchive([
  { name: 'debian-binary/', body: '2.0\n' },
  { name: 'odd', body: 'abc' },
  { name: 'last', body: '' },
])

test('arMembers() finds members, odd ones padded, names with a slash or without', () => {
  expect(members(two)).toEqual(['debian-binary 68 4', 'odd 132 3', 'last 196 0'])
})

test('arMembers() takes a last odd member without its padding', () => {
  const odd = arArchive([{ name: 'a', body: 'abc' }])
  expect(members(odd.subarray(0, -1))).toEqual(['a 68 3'])
})

test('arMembers() refuses every truncation that cuts something off', async () => {
  for (let length = 0; length < two.length; length++) {
    // after the magic, between members, and before the last member's padding nothing is missing
    if ([8, 72, 135, 136].includes(length)) continue
    const code = await codeOf(() => members(two.subarray(0, length)))
    expect({ length, code }).toEqual({ length, code: 'ARCHIVE_INVALID' })
  }
})

const spoiled = (at: number, text: string) => {
  const bytes = Buffer.from(two)
  bytes.write(text, at, 'latin1')
  return bytes
}

describe('arMembers() refuses', () => {
  test.each([
    { name: 'another magic', bytes: spoiled(0, '!<thin>\n') },
    { name: 'a header without its end', bytes: spoiled(8 + 58, 'xx') },
    { name: 'a size that is no number', bytes: spoiled(8 + 48, '0x4       ') },
    { name: 'a negative size', bytes: spoiled(8 + 48, '-4        ') },
    { name: 'no size', bytes: spoiled(8 + 48, '          ') },
    { name: 'a size beyond the file', bytes: arArchive([{ name: 'a', body: 'abc', size: 5000 }]) },
    {
      name: 'the largest size there is',
      bytes: arArchive([{ name: 'a', body: '', size: '9999999999' }]),
    },
    { name: 'an empty file', bytes: Buffer.alloc(0) },
  ])('$name', async ({ bytes }) => {
    expect(await codeOf(() => members(bytes))).toBe('ARCHIVE_INVALID')
  })
})
