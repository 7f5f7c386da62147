import { describe, expect, test } from 'vitest'
import { indexPackages } from '../../src/deb/packages.ts'
import { isPlinthError } from '../../src/errors.ts'
import { packagesText, stanza } from '../support/packages.ts'

const index = (text: string) => indexPackages(Buffer.from(text), 'Packages')

describe('indexPackages()', () => {
  test('finds records by name, several of one name in file order', () => {
    const packages = index(
      packagesText([stanza('a 1'), stanza('b 1'), stanza('a 3'), stanza('a 2')]),
    )
    expect(packages.size).toBe(4)
    expect(packages.find('a').map((number) => packages.record(number).version)).toEqual([
      '1',
      '3',
      '2',
    ])
    expect(packages.find('c')).toEqual([])
    expect([...packages.names()]).toEqual(['a', 'b'])
  })

  test('finds providers, versioned and qualified ones too, each once', () => {
    const packages = index(
      packagesText([
        stanza('a', { Provides: 'x, y (= 2), z:any (= 3), x' }),
        stanza('b', { Depends: 'x', Provides: 'xx,\n x' }),
        stanza('x'),
      ]),
    )
    expect(packages.providersOf('x')).toEqual([0, 1])
    expect(packages.providersOf('y')).toEqual([0])
    expect(packages.providersOf('z')).toEqual([0])
    expect(packages.providersOf('a')).toEqual([])
    expect([...packages.providedNames()].toSorted()).toEqual(['x', 'xx', 'y', 'z'])
  })

  test('takes neither an empty Provides nor the field after it for a name', () => {
    const packages = index('Package: a\nProvides:\nDepends: b\n\nPackage: c\nProvides: \n\n')
    expect([...packages.providedNames()]).toEqual([])
    expect(packages.size).toBe(2)
  })

  test('reads upper case in a package name as lower case, as dpkg does', () => {
    const packages = index('Package: LibFoo\nProvides: Bar\n')
    expect(packages.find('libfoo')).toEqual([0])
    expect(packages.find('LibFoo')).toEqual([])
    expect([...packages.names()]).toEqual(['libfoo'])
    expect(packages.providersOf('Bar')).toEqual([0])
    expect(packages.providersOf('bar')).toEqual([])
  })

  test('tells names of one hash apart', () => {
    const names = Array.from({ length: 5000 }, (_, i) => `p${i}`)
    const packages = index(names.map((name) => `Package: ${name}\n`).join('\n'))
    expect(names.map((name) => packages.find(name))).toEqual(names.map((_, i) => [i]))
    expect([...packages.names()]).toEqual(names)
  })

  test('finds the essential and those of a priority', () => {
    const packages = index(
      packagesText([
        stanza('a', { Essential: 'yes', Priority: 'required' }),
        stanza('b', { Essential: 'no', Priority: 'required' }),
        stanza('c', { Priority: 'optional' }),
      ]),
    )
    expect(packages.essential()).toEqual([0])
    expect(packages.withPriority('required')).toEqual([0, 1])
    expect(packages.withPriority('standard')).toEqual([])
  })

  test('reads a record', () => {
    const text = packagesText([
      stanza('libfoo1 2:1.0-1+b1', {
        Source: 'foo (2:1.0-1)',
        'Multi-Arch': 'same',
        Protected: 'yes',
        Priority: 'important',
        Section: 'libs',
        'Installed-Size': '42',
        Depends: 'libc6 (>= 2.36)',
        Description: 'a library\n with more to say',
      }),
      stanza('next'),
    ])
    const record = index(text).record(0)
    expect(record).toMatchObject({
      name: 'libfoo1',
      version: '2:1.0-1+b1',
      architecture: 'amd64',
      multiArch: 'same',
      essential: false,
      protected: true,
      priority: 'important',
      section: 'libs',
      source: { name: 'foo', version: '2:1.0-1' },
      installedSize: 42,
      size: 100,
      filename: 'pool/libfoo1_2:1.0-1+b1_amd64.deb',
    })
    expect(record.sha256).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(record.relations('Depends')).toEqual([
      [{ name: 'libc6', operator: '>=', version: '2.36' }],
    ])
    expect(record.relations('Breaks')).toEqual([])
    expect(record.stanza()).toBe(text.slice(0, text.indexOf('\n\n')))
  })

  test('takes fields in any order and case, blank lines anywhere, no line end at the end', () => {
    const rest = packagesText([stanza('a')])
      .replace('Package: a\n', '')
      .trimEnd()
    const packages = index(
      `\n\n\n${rest}\nPackage: A\n\n\n\n${rest.replace('SHA256', 'sha256')}\nPackage: b`,
    )
    expect(packages.size).toBe(2)
    expect(packages.record(packages.find('a')[0] ?? -1).version).toBe('1')
    expect(packages.record(packages.find('b')[0] ?? -1).name).toBe('b')
  })

  test('knows defaults, and takes what no Debian tool would write for the least of its kind', () => {
    const packages = index(
      packagesText([
        stanza('a', {
          Architecture: 'all',
          'Multi-Arch': 'same',
          Priority: 'urgent',
          Important: 'yes',
        }),
        stanza('b', { Priority: 'Required' }),
      ]),
    )
    expect(packages.record(0)).toMatchObject({
      multiArch: 'no',
      priority: 'extra',
      protected: true,
    })
    expect(packages.record(0).source).toEqual({ name: 'a', version: '1' })
    expect(packages.record(1).priority).toBe('required')
  })

  test('an empty file is an empty index', () => {
    expect(index('').size).toBe(0)
    expect(index('\n\n').size).toBe(0)
  })
})

describe('a broken stanza is INDEX_INVALID with its file and line', () => {
  const good = packagesText([stanza('good')])
  const lines = good.split('\n').length

  test.each([
    ['no name', good.replace('Package: good', 'Pakcage: good'), 0],
    ['no version', good.replace('Version: 1\n', ''), 0],
    ['no architecture', good.replace('Architecture: amd64\n', ''), 0],
    ['no digest', good.replace(/SHA256: .*\n/, ''), 0],
    ['a digest that is none', good.replace(/SHA256: ../, 'SHA256: xy'), 0],
    ['no file name', good.replace(/Filename: .*\n/, ''), 0],
    ['a size that is no number', good.replace('Size: 100', 'Size: 1e3'), 0],
    ['a name with a slash', good.replace('Package: good', 'Package: ../good'), 0],
    ['a version with a blank', good.replace('Version: 1', 'Version: 1 2'), 0],
    ['a line that is no field', good.replace('Version: 1', 'Version: 1\nrubbish'), 2],
    ['a field given twice', good.replace('Version: 1', 'Version: 1\nversion: 2'), 2],
  ])('%s', (_, broken, offset) => {
    const read = (): unknown => {
      const packages = index(`${good}\n${broken}`)
      return packages.record(1)
    }
    const error = failure(read)
    expect(error).toMatchObject({
      code: 'INDEX_INVALID',
      facts: { file: 'Packages', line: lines + 1 + offset },
    })
  })

  test('a relation shows when it is asked for', () => {
    const record = index(packagesText([stanza('a', { Depends: 'b (>= )' })])).record(0)
    expect(failure(() => record.relations('Depends'))).toMatchObject({ code: 'INDEX_INVALID' })
  })
})

function failure(act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    return isPlinthError(error) ? error : new Error('another error', { cause: error })
  }
}
