import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { readDataFiles } from '../../src/apk/data-files.ts'
import { installedDirectories } from '../../src/apk/installed-files.ts'
import { parseInstalled } from '../../src/apk/installed-read.ts'
import { formatInstalled, type InstalledPackage } from '../../src/apk/installed.ts'
import { openApk } from '../../src/apk/package-file.ts'
import { sha256 } from '../../src/digest.ts'
import { minirootfsFiles, realApk } from '../support/alpine.ts'
import { buildApk, testSigner, trusting, type ApkSpec } from '../support/apk.ts'
import { needs } from '../support/needs.ts'
import { chunked, codeOf } from '../support/streams.ts'

const parse = (text: string) => parseInstalled(text, 'lib/apk/db/installed')

const full = `C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:full
V:1.2.3_rc1-r4
A:x86_64
S:8515
I:315392
T:every field: there is
U:https://example.org/
L:GPL-2.0-only
o:origin
m:Ondřej <o@example.org>
t:1714981135
c:66187892e05b03a41d08e9acabd19b7576a1c875
k:100
D:a>=1 !b c~2
p:so:x.so.1=1.2 virtual
i:x y=1
r:other
q:1000
s:edge
f:fsx
F:
R:root-file
Z:Q1SLkS9hBidUbPwwrw+XR0Whv3ww8=
F:etc
R:shadow
a:0:42:640
Z:Q1vfk1apUWI4yLJGhhNRd0kJixfvY=
R:unsummed
F:tmp
M:0:0:1777
F:usr/bin
M:0:0:755:Q16AqMwgUbleH22mEzP1Sm6ENw86c=
R:ping
a:0:0:4755:Q1f1yKZJosFgxyx+87RWAeEZjQmjQ=
Z:Q1NWoZK3kTsExUV00Ywo1G5jlUKKs=

`
const least = 'C:Q1x\nP:least\nV:1\nS:1\nI:2\nT:\nU:\nL:\n\n'

test('parseInstalled() reads every field, and formatInstalled() writes the same', () => {
  const [one, ...others] = parse(full)
  expect(others).toEqual([])
  expect(one).toMatchObject({
    name: 'full',
    description: 'every field: there is',
    buildDate: 1714981135,
    depends: ['a>=1', '!b', 'c~2'],
    replacesPriority: 1000,
    repositoryTag: 'edge',
    broken: ['f', 's', 'x'],
  })
  expect(one!.directories.map(({ path: at, mode, files }) => [at, mode, files.length])).toEqual([
    ['', 0o755, 1],
    ['etc', 0o755, 2],
    ['tmp', 0o1777, 0],
    ['usr/bin', 0o755, 1],
  ])
  expect(one!.directories[1]!.files[0]).toEqual({
    name: 'shadow',
    uid: 0,
    gid: 42,
    mode: 0o640,
    xattrs: undefined,
    checksum: 'Q1vfk1apUWI4yLJGhhNRd0kJixfvY=',
  })
  expect(formatInstalled([one!])).toBe(full)
})

test('formatInstalled() leaves out what is unknown, and keeps what is empty', () => {
  expect(formatInstalled(parse(least))).toBe(least)
  const empty = least.replace('\n\n', '\no:\nm:\nc:\n\n').replace('S:', 'A:\nS:')
  expect(formatInstalled(parse(empty))).toBe(empty)
})

test('formatInstalled() sorts packages by name, whatever their case', () => {
  const named = (name: string) => parse(least.replace('least', name))[0]!
  const names = ['b', 'zlib', 'A', 'a1', 'B', 'ab', 'a-b', 'a_b', 'a0', '.x']
  const written = formatInstalled(names.map(named)).match(/(?<=^P:).*/gm)
  expect(written).toEqual(['.x', 'A', 'a-b', 'a0', 'a1', 'a_b', 'ab', 'B', 'b', 'zlib'])
})

test('parseInstalled() takes a database without a last blank line, and several between', () => {
  expect(parse(`${least}\n\n${full.trimEnd()}`).map(({ name }) => name)).toEqual(['least', 'full'])
  expect(parse('')).toEqual([])
})

describe('parseInstalled() refuses', () => {
  test.each([
    ['a file before any directory', 'R:x'],
    ['access of no directory', 'M:0:0:755'],
    ['access of no file', 'F:d\na:0:0:644'],
    ['access of the file of another directory', 'F:d\nR:x\nF:e\na:0:0:644'],
    ['a checksum of no file', 'F:d\nZ:Q1x'],
    ['a mode that is not octal', 'F:d\nM:0:0:789'],
    ['a mode that is missing', 'F:d\nM:0:0'],
    ['an owner that is a name', 'F:d\nM:root:0:755'],
    ['too much access', 'F:d\nM:0:0:755:Q1x:more'],
    ['a field it does not know', 'X:1'],
    ['a field of a newer apk', 'g:tag'],
    ['a flag it does not know', 'f:S'],
    ['a field twice', 'P:again'],
    ['a size that is none', 'k:many'],
    ['a line that is no field', 'hello'],
    ['a line that is too short', 'P'],
  ])('%s', async (_, lines) => {
    expect(await codeOf(() => parse(least.replace('\n\n', `\n${lines}\n\n`)))).toBe('INDEX_INVALID')
  })

  test.each(['C', 'P', 'V'])('a package without %s', async (letter) => {
    const text = least.replace(new RegExp(`^${letter}:.*\n`, 'm'), '')
    expect(await codeOf(() => parse(text))).toBe('INDEX_INVALID')
  })

  test('and says which line it is', () => {
    expect(() => parse(`${least}P:x\nX:1\n`)).toThrow(/line 11/)
  })
})

const real = needs('alpine')

describe.skipIf(!real.available)('with real Alpine', () => {
  test.each(['x86_64', 'aarch64'] as const)(
    'the database of the official minirootfs comes out as it went in (%s)',
    async (arch) => {
      const at = 'lib/apk/db/installed'
      const text = (await minirootfsFiles(arch, (file) => file === at)).get(at)!.toString('utf8')
      const packages = parse(text)
      expect(packages).toHaveLength(14)
      expect(formatInstalled(packages.toReversed())).toBe(text)
    },
  )
})

const install = needs('alpine', 'root')

describe.skipIf(!install.available)('the real apk writes the same database', () => {
  const signer = testSigner('tests@example.org-1.rsa.pub')
  const specs: ApkSpec[] = [
    {
      name: 'zeta',
      fields: {
        origin: 'greek',
        maintainer: 'Ondřej <o@example.org>',
        commit: '',
        provider_priority: '10',
        replaces: ['foo', 'bar>1'],
        replaces_priority: '5',
        provides: ['p=1', 'so:x.so.1=1.2', 'v'],
        install_if: ['nothing'],
        pkgdesc: ' a "quoted" # text; ',
      },
      files: {
        'zz/b': { content: '1', mode: 0o4755, xattrs: { 'user.zz': 'value', 'user.aa': '\0' } },
        'aa/link': { symlink: '/zz/b' },
        'zz/a': { hardlink: 'zz/b', mode: 0o4755 },
        'root-file': 'x',
        'aa/sub/': { mode: 0o1777, uid: 3, gid: 4 },
        'aa/a': { content: 'y', mode: 0o640, gid: 42 },
        '.hidden': 'not installed',
        'aa/.dot': '',
      },
    },
    { name: 'Alpha', fields: { depend: ['zeta', '!beta'], builddate: '0', license: '' } },
    { name: 'alpha-two', files: { 'usr/bin/x': { content: 'x', mode: 0o755 } } },
  ]

  test('of packages as it is given them', async () => {
    const apk = await realApk([signer])
    const packages = specs.map((one) => {
      const bytes = buildApk({ ...one, signers: [signer] })
      return { bytes, file: apk.keep(`${one.name}.apk`, bytes) }
    })
    const root = apk.newRoot()
    for (const made of ['etc', 'tmp']) mkdirSync(path.join(root, made), { recursive: true })
    const added = apk.on(root, 'add', '--no-scripts', ...packages.map(({ file }) => file))
    expect(added).toMatchObject({ status: 0 })
    const database = readFileSync(path.join(root, 'lib/apk/db/installed'), 'utf8')
    const ours = await Promise.all(packages.map(async ({ bytes }) => installedOf(bytes)))
    expect(formatInstalled(ours)).toBe(database)
  })

  /** What apk remembers of a package that was installed from its file. */
  async function installedOf(bytes: Uint8Array): Promise<InstalledPackage> {
    const options = { name: 'x.apk', keys: trusting(signer), maxSize: 2 ** 20 }
    await using apk = await openApk(chunked(bytes), options)
    const files = (await readDataFiles(apk.data(), 'x.apk'))(sha256(''))
    return {
      ...apk.info,
      identity: apk.identity,
      size: bytes.length,
      broken: [],
      directories: installedDirectories(files),
    }
  }
})
