import { expect, test } from 'vitest'
import { printable, treePath } from '../../src/archive/path.ts'
import { codeOf } from '../support/streams.ts'

test.each([
  ['./', ''],
  ['.', ''],
  ['./etc/passwd', 'etc/passwd'],
  ['etc//ssl/./certs/', 'etc/ssl/certs'],
  ['usr/share/ü/…', 'usr/share/ü/…'],
  ['a..b/...', 'a..b/...'],
  [`x/${'é'.repeat(127)}`, `x/${'é'.repeat(127)}`],
])('treePath(%j) is %j', (name, expected) => {
  expect(treePath(name, 'x')).toBe(expected)
})

test.each([
  ['/etc/passwd'],
  ['//etc'],
  ['..'],
  ['../etc/passwd'],
  ['usr/../../etc/passwd'],
  ['usr/..'],
  ['./..'],
  ['a\0b'],
  [Buffer.from([0x61, 0xff]).toString('utf8')],
  ['n'.repeat(256)],
  ['é'.repeat(128)],
  ['d/'.repeat(2100)],
])('treePath(%j) is refused', async (name) => {
  expect(await codeOf(() => treePath(name, 'x'))).toBe('PATH_UNSAFE')
})

test('printable() keeps terminals out of it', () => {
  expect(printable('a\u001b[31m\nb')).toBe('a\\x1b[31m\\x0ab')
})
