import { describe, expect, test } from 'vitest'
import { formatDependency } from '../../src/apk/dependency.ts'
import { parseIndexRecords } from '../../src/apk/index-record.ts'

const busybox = `C:Q1ZX+on7zBgcokTctj4tLSmx7q5O4=
P:busybox
V:1.36.1-r29
A:x86_64
S:509600
I:950272
T:Size optimized toolbox: of many tools
U:https://busybox.net/
L:GPL-2.0-only
o:busybox-origin
m:A Maintainer <a@example.org>
t:1718013427
c:1747c01fb96905f101c25609011589d28e01cbb8
k:100
D:so:libc.musl-x86_64.so.1 !busybox-old<1
p:/bin/sh cmd:busybox=1.36.1-r29
i:musl other
`

describe('parseIndexRecords()', () => {
  test('reads every field', () => {
    const [record, ...others] = parseIndexRecords(busybox)
    expect(others).toEqual([])
    expect(record).toMatchObject({
      checksum: 'Q1ZX+on7zBgcokTctj4tLSmx7q5O4=',
      name: 'busybox',
      version: '1.36.1-r29',
      architecture: 'x86_64',
      size: 509_600,
      installedSize: 950_272,
      description: 'Size optimized toolbox: of many tools',
      url: 'https://busybox.net/',
      license: 'GPL-2.0-only',
      origin: 'busybox-origin',
      maintainer: 'A Maintainer <a@example.org>',
      buildTime: 1_718_013_427,
      commit: '1747c01fb96905f101c25609011589d28e01cbb8',
      providerPriority: 100,
      unknownFields: '',
    })
    expect(record?.depends.map(formatDependency)).toEqual([
      'so:libc.musl-x86_64.so.1',
      '!busybox-old<1',
    ])
    expect(record?.provides.map(formatDependency)).toEqual(['/bin/sh', 'cmd:busybox=1.36.1-r29'])
    expect(record?.installIf.map(formatDependency)).toEqual(['musl', 'other'])
  })

  test('takes what is not there for empty', () => {
    const [record] = parseIndexRecords('P:a\nV:1\nC:Q1a=\n')
    expect(record).toMatchObject({ size: 0, description: '', providerPriority: 0, provides: [] })
    expect(record?.buildTime).toBeUndefined()
  })

  test('reads packages in their order, blank lines as many as there are, the last line unended', () => {
    const text = '\n\nP:b\nV:1\nC:Q1b=\n\n\nP:a\nV:2\nC:Q1a='
    expect(parseIndexRecords(text).map(({ name }) => name)).toEqual(['b', 'a'])
    expect(parseIndexRecords('')).toEqual([])
  })

  test('has no limit on a line', () => {
    const provides = Array.from({ length: 20_000 }, (_, number) => `cmd:c${number}=1`)
    const [record] = parseIndexRecords(`P:a\nV:1\nC:Q1a=\np:${provides.join(' ')}\n`)
    expect(record?.provides).toHaveLength(20_000)
  })

  test('keeps the capital letters nobody knows, not the small ones', () => {
    expect(parseIndexRecords('P:a\nV:1\nC:Q1a=\nQ:x\nZ:y\nz:z\n')[0]?.unknownFields).toBe('QZ')
  })

  test.each([
    ['a line that is none', 'P:a\nV:1\nC:Q1a=\nnonsense\n'],
    ['no name', 'V:1\nC:Q1a=\n'],
    ['no version', 'P:a\nC:Q1a=\n'],
    ['no checksum', 'P:a\nV:1\n'],
    ['a size that is none', 'P:a\nV:1\nC:Q1a=\nS:1e3\n'],
  ])('refuses %s', (_, text) => {
    expect(() => parseIndexRecords(text)).toThrow(
      expect.objectContaining({ code: 'INDEX_INVALID' }),
    )
  })
})
