import { describe, expect, test } from 'vitest'
import { readTar } from '../../src/archive/tar-read.ts'
import { random } from '../support/random.ts'
import { chunked, codeOf, gathered, scattered } from '../support/streams.ts'
import { pax, rawTar, type RawMember } from '../support/tar.ts'

/** Every member in a line, as `tar -tv` would. */
async function listing(
  archive: Buffer,
  chunks: AsyncIterable<Uint8Array> = chunked(archive, 1000),
): Promise<string[]> {
  const lines: string[] = []
  for await (const member of readTar(chunks, 'x.tar', { end: 'required' })) {
    const body = await gathered(member.body())
    expect(body.length).toBe(member.size)
    const { type, name, linkname, mode, uid, gid, mtime } = member
    const more = [
      ...(linkname === '' ? [] : [`-> ${linkname}`]),
      ...(body.length === 0 ? [] : [JSON.stringify(body.toString('latin1'))]),
      ...(type === 'character' || type === 'block' ? [`${member.major},${member.minor}`] : []),
      ...[...(member.xattrs ?? [])].map(
        ([key, value]) => `${key}=${Buffer.from(value).toString('hex')}`,
      ),
    ]
    lines.push([type, mode.toString(8), `${uid}:${gid}`, mtime, name, ...more].join(' '))
  }
  return lines
}

const t = 1_700_000_000
const long = `${'d'.repeat(60)}/${'e'.repeat(60)}/${'f'.repeat(180)}`
const cases: readonly { name: string; members: readonly RawMember[]; expected: string[] }[] = [
  { name: 'nothing', members: [], expected: [] },
  {
    name: 'every type',
    members: [
      { name: './' },
      { name: './f', body: 'hello', mode: 0o4755, uid: 1, gid: 42 },
      { name: './h', type: '1', linkname: './f' },
      { name: './s', type: '2', linkname: '../x', mode: 0o777 },
      { name: './c', type: '3', major: 1, minor: 3 },
      { name: './b', type: '4', major: 8, minor: 1 },
      { name: './d/', type: '5' },
      { name: './p', type: '6' },
      { name: './g', type: '7', body: 'x' },
    ],
    expected: [
      `directory 755 0:0 ${t} ./`,
      `file 4755 1:42 ${t} ./f "hello"`,
      `hardlink 644 0:0 ${t} ./h -> ./f`,
      `symlink 777 0:0 ${t} ./s -> ../x`,
      `character 644 0:0 ${t} ./c 1,3`,
      `block 644 0:0 ${t} ./b 8,1`,
      `directory 755 0:0 ${t} ./d/`,
      `fifo 644 0:0 ${t} ./p`,
      `file 644 0:0 ${t} ./g "x"`,
    ],
  },
  {
    name: 'v7: no magic, NUL as type, directories by name',
    members: [
      { name: 'f', type: '\0', body: 'v7', format: 'v7' },
      { name: 'd/', type: '\0', format: 'v7', mode: 0o755 },
    ],
    expected: [`file 644 0:0 ${t} f "v7"`, `directory 755 0:0 ${t} d/`],
  },
  {
    name: 'the prefix of ustar, but not of others',
    members: [
      { name: 'f', prefix: 'some/where', format: 'ustar' },
      { name: 'g', prefix: 'some/where', format: 'gnu' },
    ],
    expected: [`file 644 0:0 ${t} some/where/f`, `file 644 0:0 ${t} g`],
  },
  {
    name: 'long names of GNU',
    members: [
      { name: long, body: 'x' },
      { name: 's', type: '2', linkname: long },
      { name: 'after' },
    ],
    expected: [
      `file 644 0:0 ${t} ${long} "x"`,
      `symlink 644 0:0 ${t} s -> ${long}`,
      `file 644 0:0 ${t} after`,
    ],
  },
  {
    name: 'base-256 numbers and negative times',
    members: [{ name: 'f', uid: 4_000_000_000, gid: 3_000_000, mtime: -2 }],
    expected: ['file 644 4000000000:3000000 -2 f'],
  },
  {
    name: 'PAX records for one member',
    members: [
      pax({ path: 'ünï', uid: '70000000', mtime: '1.75', 'SCHILY.xattr.user.k': '\0=\n' }),
      { name: 'short', body: 'x' },
      { name: 'next' },
    ],
    expected: [`file 644 70000000:0 1 ünï "x" user.k=003d0a`, `file 644 0:0 ${t} next`],
  },
  {
    name: 'a PAX size over the header',
    members: [pax({ size: '3' }), { name: 'f', body: 'abc', size: 0 }, { name: 'g' }],
    expected: [`file 644 0:0 ${t} f "abc"`, `file 644 0:0 ${t} g`],
  },
  {
    name: 'global PAX records, overridden and taken back',
    members: [
      pax({ mtime: '7', comment: 'x' }, 'g'),
      { name: 'f' },
      pax({ mtime: '8' }),
      { name: 'g' },
      pax({ mtime: '' }),
      { name: 'h' },
    ],
    expected: ['file 644 0:0 7 f', 'file 644 0:0 8 g', `file 644 0:0 ${t} h`],
  },
  {
    name: 'xattr names as GNU tar writes them',
    members: [pax({ 'SCHILY.xattr.user.a%3Db%25': 'v' }), { name: 'f' }],
    expected: [`file 644 0:0 ${t} f user.a=b%=76`],
  },
  {
    name: 'sizes in headers that have no body',
    members: [
      { name: 'f', body: 'abc' },
      { name: 'h', type: '1', linkname: 'f', size: 3 },
      { name: 'd/', size: 4096 },
      { name: 'g' },
    ],
    expected: [
      `file 644 0:0 ${t} f "abc"`,
      `hardlink 644 0:0 ${t} h -> f`,
      `directory 755 0:0 ${t} d/`,
      `file 644 0:0 ${t} g`,
    ],
  },
  {
    name: 'blank and space-padded numbers',
    members: [{ name: 'f', touch: (h) => (h.write('   755 \0', 100), h.fill(0, 108, 124)) }],
    expected: [`file 755 0:0 ${t} f`],
  },
  {
    name: 'checksums that sum signed bytes',
    members: [
      {
        name: 'é',
        spoil: (h) => {
          const sum = h.reduce(
            (n, b, at) => n + (at >= 148 && at < 156 ? 32 : b > 127 ? b - 256 : b),
            0,
          )
          h.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
        },
      },
    ],
    expected: [`file 644 0:0 ${t} é`],
  },
]

describe('readTar() reads', () => {
  test.each(cases)('$name', async ({ members, expected }) => {
    const archive = rawTar(members)
    expect(await listing(archive)).toEqual(expected)
    for (const seed of [1, 2, 3])
      expect(await listing(archive, scattered(archive, random(seed)))).toEqual(expected)
  })
})

const file = (more: Partial<RawMember>): Buffer => rawTar([{ name: 'f', ...more }])

describe('readTar() refuses', () => {
  test.each([
    ['a bad checksum', file({ spoil: (h) => h.write('x', 0) }), 'ARCHIVE_INVALID'],
    ['a number that is none', file({ touch: (h) => h.write('12x', 124) }), 'ARCHIVE_INVALID'],
    ['a negative size', file({ touch: (h) => h.fill(0xff, 124, 136) }), 'ARCHIVE_INVALID'],
    [
      'a size beyond all numbers',
      file({ touch: (h) => h.fill(0x7f, 125, 136).fill(0x80, 124, 125) }),
      'ARCHIVE_INVALID',
    ],
    ['a negative owner', file({ touch: (h) => h.fill(0xff, 108, 116) }), 'ARCHIVE_INVALID'],
    ['a size that lies upwards', file({ body: 'abc', size: 5000 }), 'ARCHIVE_INVALID'],
    ['a size that lies downwards', file({ body: 'x'.repeat(2000), size: 3 }), 'ARCHIVE_INVALID'],
    [
      'an extension header that is too large',
      file({ type: 'x', size: 2 ** 30 }),
      'ARCHIVE_INVALID',
    ],
    ['PAX records that are none', file({ type: 'x', body: '9 path=\n' }), 'ARCHIVE_INVALID'],
    ['a PAX length in other digits', file({ type: 'x', body: '0xb path=ab\n' }), 'ARCHIVE_INVALID'],
    ['a PAX number that is none', rawTar([pax({ uid: '12x' }), { name: 'f' }]), 'ARCHIVE_INVALID'],
    [
      'a PAX size that is negative',
      rawTar([pax({ size: '-3' }), { name: 'f' }]),
      'ARCHIVE_INVALID',
    ],
    ['an extension header without its member', rawTar([pax({ path: 'f' })]), 'ARCHIVE_INVALID'],
    [
      'ever more global records',
      rawTar(
        Array.from({ length: 60 }, (_, i) =>
          pax(Object.fromEntries(Array.from({ length: 20 }, (__, j) => [`k${i}.${j}`, 'v'])), 'g'),
        ),
      ),
      'ARCHIVE_INVALID',
    ],
    ['sparse files of GNU', file({ type: 'S' }), 'ENTRY_UNSUPPORTED'],
    [
      'sparse files of PAX',
      rawTar([pax({ 'GNU.sparse.major': '1' }), { name: 'f' }]),
      'ENTRY_UNSUPPORTED',
    ],
    ['parts of volumes', file({ type: 'M' }), 'ENTRY_UNSUPPORTED'],
    ['types nobody knows', file({ type: 'Z' }), 'ENTRY_UNSUPPORTED'],
  ] as const)('%s', async (_, archive, code) => {
    expect(await codeOf(listing(archive))).toBe(code)
  })

  test('every truncation', async () => {
    const members = [
      { name: long, body: 'x'.repeat(600) },
      pax({ path: 'p' }),
      { name: 'f', body: 'y' },
    ]
    const archive = rawTar(members, { end: 1 })
    for (let length = 0; length < archive.length; length++) {
      const code = await codeOf(listing(archive.subarray(0, length)))
      expect({ length, code }).toEqual({ length, code: 'ARCHIVE_INVALID' })
    }
    expect(await codeOf(listing(archive))).toBe(undefined)
  })
})

test('readTar() takes an archive that just stops where its length is vouched for', async () => {
  const names: string[] = []
  for await (const { name } of readTar(chunked(rawTar([{ name: 'f' }], { end: 0 })), 'x'))
    names.push(name)
  expect(names).toEqual(['f'])
})

test('readTar() never crashes over flipped bits', async () => {
  const archive = rawTar(cases.flatMap(({ members }) => members))
  const dice = random(11)
  for (let round = 0; round < 300; round++) {
    const damaged = Buffer.from(archive)
    for (let n = dice.int(3); n >= 0; n--) damaged[dice.int(damaged.length)]! ^= 1 << dice.int(8)
    await codeOf(
      (async () => {
        for await (const member of readTar(chunked(damaged, 700), 'x'))
          if (dice.oneIn(2)) await gathered(member.body())
      })(),
    )
  }
})

test('readTar() reads its input to the end, past the end of the archive', async () => {
  let read = 0
  const input = (async function* () {
    for await (const chunk of chunked(rawTar([{ name: 'f' }], { end: 100 }), 512)) {
      read += chunk.length
      yield chunk
    }
  })()
  for await (const _ of readTar(input, 'x'));
  expect(read).toBe(512 * 101)
})

test('readTar() lets go of its input when the reader stops', async () => {
  let closed = false
  const input = (async function* () {
    try {
      yield* chunked(rawTar([{ name: 'a' }, { name: 'b' }]), 512)
    } finally {
      closed = true
    }
  })()
  for await (const _ of readTar(input, 'x')) break
  expect(closed).toBe(true)
})

test('a body can be skipped, left in the middle, but not read late or twice', async () => {
  const archive = rawTar([
    { name: 'a', body: 'x'.repeat(3000) },
    { name: 'b', body: 'x'.repeat(3000) },
    { name: 'c', body: 'end' },
  ])
  const bodies: string[] = []
  let first: AsyncGenerator<Buffer> | undefined
  for await (const member of readTar(chunked(archive, 100), 'x')) {
    first ??= member.body()
    if (member.name === 'b') for await (const _ of member.body()) break
    if (member.name === 'c') bodies.push((await gathered(member.body())).toString())
  }
  expect(bodies).toEqual(['end'])
  await expect(first!.next()).rejects.toThrow('once, in order')
})
