import { describe, expect, test } from 'vitest'
import { debLayout } from '../../src/deb/deb-file.ts'
import { arArchive, buildDeb, type ArMemberSpec } from '../support/deb.ts'
import { codeOf } from '../support/streams.ts'

const layout = (bytes: Buffer) =>
  debLayout((offset, length) => bytes.subarray(offset, offset + length), bytes.length, 'x.deb')
const version: ArMemberSpec = { name: 'debian-binary', body: '2.0\n' }
const control: ArMemberSpec = { name: 'control.tar.xz', body: 'ccc' }
const data: ArMemberSpec = { name: 'data.tar', body: 'dd' }

test('debLayout() finds the parts and their compressions', () => {
  const { control: c, data: d } = layout(arArchive([version, control, data]))
  expect([c.name, c.compression, c.size]).toEqual(['control.tar.xz', 'xz', 3])
  expect([d.name, d.compression, d.size]).toEqual(['data.tar', 'none', 2])
})

test.each([
  [
    'members of later versions',
    [
      { ...version, body: '2.99\nmore\n' },
      { name: '_extra', body: 'x' },
      control,
      { name: '_gpg', body: '' },
      data,
    ],
  ],
  ['whatever follows the data', [version, control, data, { name: 'junk', body: 'x' }]],
  [
    'names with a slash',
    [
      { ...version, name: 'debian-binary/' },
      { ...control, name: 'control.tar.xz/' },
      { ...data, name: 'data.tar/' },
    ],
  ],
])('debLayout() takes %s', (_, members) => {
  expect(layout(arArchive(members)).data.size).toBe(2)
})

describe('debLayout() refuses', () => {
  test.each([
    ['no member', [], 'ARCHIVE_INVALID'],
    ['no data', [version, control], 'ARCHIVE_INVALID'],
    ['no control', [version, data], 'ARCHIVE_INVALID'],
    ['parts in another order', [version, data, control], 'ARCHIVE_INVALID'],
    ['a first member that is another', [control, version, data], 'ARCHIVE_INVALID'],
    ['another major version', [{ ...version, body: '3.0\n' }, control, data], 'ARCHIVE_INVALID'],
    [
      'a version without its line end',
      [{ ...version, body: '2.0' }, control, data],
      'ARCHIVE_INVALID',
    ],
    [
      'a strange member between',
      [version, { name: 'extra', body: '' }, control, data],
      'ARCHIVE_INVALID',
    ],
    [
      'an unknown compression',
      [version, control, { ...data, name: 'data.tar.lz4' }],
      'COMPRESSION_UNKNOWN',
    ],
    [
      'an unknown compression of control',
      [version, { ...control, name: 'control.tar.Z' }, data],
      'COMPRESSION_UNKNOWN',
    ],
    [
      'a name that only begins well',
      [version, { ...control, name: 'control.tarball' }, data],
      'COMPRESSION_UNKNOWN',
    ],
  ] as const)('%s', async (_, members, code) => {
    expect(await codeOf(() => layout(arArchive(members)))).toBe(code)
  })

  test('every truncation', async () => {
    const deb = await buildDeb({ files: { f: 'x' } })
    const whole = deb.length
    for (let length = 0; length < whole; length++) {
      const code = await codeOf(() => layout(deb.subarray(0, length)))
      // the last byte may be the padding of an odd member
      if (length === whole - 1 && layout(deb).data.size % 2 === 1) continue
      expect({ length, code }).toEqual({ length, code: 'ARCHIVE_INVALID' })
    }
  })
})
