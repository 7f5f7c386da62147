import { describe, expect, test } from 'vitest'
import { rawFields, statusStanza } from '../../src/deb/status.ts'
import { triggerInterests } from '../../src/deb/triggers.ts'
import { codeOf } from '../support/streams.ts'

const control = 'Package: p\nVersion: 1\nArchitecture: all\n'
const stanza = (text: string, conffiles: Parameters<typeof statusStanza>[1]['conffiles'] = []) =>
  statusStanza(text, { status: 'install ok unpacked', conffiles }, 'x')

test("statusStanza() orders and spells fields as dpkg does, keeps others' lines as they are", () => {
  const text = `X-Odd: 1\nDESCRIPTION: short \n long\n .\n\tmore\nversion:   1 \nArchitecture: all\nPackage: p\nDepends:\n a,\n b\n`
  const conffiles = [
    { path: 'etc/a', md5: '1'.repeat(32), removeOnUpgrade: false },
    { path: 'etc/b', md5: 'newconffile', removeOnUpgrade: true },
  ]
  expect(stanza(text, conffiles)).toBe(
    `Package: p\nStatus: install ok unpacked\nArchitecture: all\nVersion: 1\nDepends:\n a,\n b\n` +
      `Conffiles:\n /etc/a ${'1'.repeat(32)}\n /etc/b newconffile remove-on-upgrade\n` +
      `Description: short \n long\n .\n\tmore\nX-Odd: 1\n`,
  )
})

test('statusStanza() lets no package speak for dpkg or the archive', () => {
  const forged = `${control}Status: install ok installed\nConffiles:\n /etc/shadow 0\nConfig-Version: 9\nTriggers-Pending: x\nFilename: pool/x\nSize: 3\nMD5sum: 0\n`
  expect(stanza(forged)).toBe(
    'Package: p\nStatus: install ok unpacked\nArchitecture: all\nVersion: 1\n',
  )
})

test('rawFields() reads one paragraph', () => {
  expect(rawFields(`\n# comment\n${control}\nPackage: q\n`, 'x').map(([name]) => name)).toEqual([
    'Package',
    'Version',
    'Architecture',
  ])
})

describe('rawFields() refuses', () => {
  test.each([
    ['nothing', ''],
    ['no package', 'Version: 1\nArchitecture: all\n'],
    ['no version', 'Package: p\nArchitecture: all\n'],
    ['no architecture', 'Package: p\nVersion: 1\n'],
    ['a continuation first', ` x\n${control}`],
    ['a line that is no field', `${control}nonsense\n`],
    ['a name with a blank', `${control}Two Words: x\n`],
    ['an empty name', `${control}: x\n`],
    ['a field twice', `${control}version: 2\n`],
    ['binary', `${control}\u0000\u0001: x\n`],
  ])('%s', async (_, text) => {
    expect(await codeOf(() => rawFields(text, 'x'))).toBe('CONTROL_INVALID')
  })
})

test('triggerInterests() finds interests alone', () => {
  const text =
    '# c\n\n interest a\ninterest-await /b\n\tinterest-noawait c  \nactivate d\nactivate-noawait e\n'
  expect(triggerInterests(text, 'x')).toEqual([
    { trigger: 'a', noawait: false },
    { trigger: '/b', noawait: false },
    { trigger: 'c', noawait: true },
  ])
})

test.each([
  'interest ../../../etc/passwd',
  'interest a/b',
  'interest ..',
  'interest File',
  'interest Unincorp',
  'interest',
  'interest a b',
  'interest a # why',
  'interest-later a',
  'activate ü',
  'run a',
])('triggerInterests() refuses %j', async (line) => {
  expect(await codeOf(() => triggerInterests(line, 'x'))).toBe('CONTROL_INVALID')
})
