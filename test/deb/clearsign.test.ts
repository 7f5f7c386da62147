import { describe, expect, test } from 'vitest'
import { parseClearsigned } from '../../src/deb/clearsign.ts'

const block = '-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n'
const head = '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n'
const parse = (document: string) => parseClearsigned(Buffer.from(document, 'latin1'), 'InRelease')

describe('parseClearsigned()', () => {
  test.each([
    { name: 'plain text', body: 'a\nb\n', text: 'a\nb\n', signed: 'a\r\nb' },
    { name: 'escaped dashes', body: '- -a\n- - b\n', text: '-a\n- b\n', signed: '-a\r\n- b' },
    { name: 'a needless escape', body: '- a\n', text: 'a\n', signed: 'a' },
    { name: 'trailing white space', body: 'a \t\nb\r\n', text: 'a\nb\n', signed: 'a\r\nb' },
    { name: 'white space within', body: ' a\tb\n', text: ' a\tb\n', signed: ' a\tb' },
    { name: 'empty lines at the end', body: 'a\n\n\n', text: 'a\n\n\n', signed: 'a\r\n\r\n' },
    { name: 'no text', body: '', text: '', signed: '' },
    { name: 'bytes that are no UTF-8', body: 'caf\xe9\n', text: 'caf\ufffd\n', signed: 'caf\xe9' },
  ])('$name', ({ body, text, signed }) => {
    const parsed = parse(`${head}${body}${block}`)
    expect(parsed.text).toBe(text)
    expect(Buffer.from(parsed.signed).toString('latin1')).toBe(signed)
    expect(parsed.signature).toBe(block)
  })

  test('accepts several Hash headers and none', () => {
    for (const headers of ['', 'Hash: SHA256, SHA512\n', 'Hash: SHA256\nHash: SHA512\n']) {
      expect(parse(`-----BEGIN PGP SIGNED MESSAGE-----\n${headers}\na\n${block}`).text).toBe('a\n')
    }
  })

  test.each([
    { name: 'unsigned text', document: 'Suite: stable\n', code: 'SIGNATURE_MISSING' },
    { name: 'an empty document', document: '', code: 'SIGNATURE_MISSING' },
    {
      name: 'text before the block',
      document: `Suite: x\n${head}a\n${block}`,
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'an empty line before the block',
      document: `\n${head}a\n${block}`,
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'text after the block',
      document: `${head}a\n${block}Suite: x\n`,
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'a second signed block',
      document: `${head}a\n${block}${head}b\n${block}`,
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'two signature blocks',
      document: `${head}a\n${block}${block}`,
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'a header that hides text',
      document: `-----BEGIN PGP SIGNED MESSAGE-----\nSuite: x\n\na\n${block}`,
      code: 'SIGNATURE_INVALID',
    },
    {
      name: 'no end of headers',
      document: '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256',
      code: 'SIGNATURE_INVALID',
    },
    { name: 'no signature block', document: `${head}a\n`, code: 'SIGNATURE_INVALID' },
    {
      name: 'a signature block that is cut off',
      document: `${head}a\n${block.slice(0, 40)}`,
      code: 'SIGNATURE_INVALID',
    },
    { name: 'an unescaped dash', document: `${head}-a\n${block}`, code: 'SIGNATURE_INVALID' },
  ])('refuses $name', ({ document, code }) => {
    expect(() => parse(document)).toThrow(expect.objectContaining({ code }))
  })
})
