import { createHash } from 'node:crypto'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { GzipMembers } from '../../src/apk/gzip-members.ts'
import { random } from '../support/random.ts'
import { chunked, codeOf, gathered, scattered } from '../support/streams.ts'

const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex').slice(0, 8)

/** Every member: digest of what it is compressed, digest of its content. */
async function members(chunks: AsyncIterable<Uint8Array>): Promise<string[]> {
  const gzip = new GzipMembers(chunks, 'x.apk')
  const found: string[] = []
  while (!(await gzip.atEnd())) {
    const compressed: Uint8Array[] = []
    const content = await gathered(gzip.next((bytes) => compressed.push(Buffer.from(bytes))))
    found.push(`${hash(Buffer.concat(compressed))} ${hash(content)}`)
  }
  return found
}

/** A member with every optional field of its header. */
function decorated(content: Uint8Array): Buffer {
  const plain = gzipSync(content)
  const header = Buffer.from([0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 1, 2, 3, 4, 0, 3])
  const fields = Buffer.concat([
    Buffer.from([3, 0, 1, 2, 3]),
    Buffer.from('name\0a comment\0'),
    Buffer.from([9, 9]),
  ])
  return Buffer.concat([header, fields, plain.subarray(10)])
}

const contents = [
  Buffer.from('a'),
  Buffer.alloc(0),
  Buffer.alloc(300_000, 'plinth '),
  random(7).bytes(70_000),
]
const parts = contents.map((content, index) =>
  index % 2 === 0 ? gzipSync(content) : decorated(content),
)
const file = Buffer.concat(parts)
const expected = contents.map((content, index) => `${hash(parts[index]!)} ${hash(content)}`)

test.each([1, 2, 3, 5, 8, 13, 21, 34])(
  'GzipMembers finds the bounds however the input is cut (seed %i)',
  async (seed) => {
    expect(await members(scattered(file, random(seed)))).toEqual(expected)
  },
)

test.each([1, 16 * 1024, 1024 * 1024])('GzipMembers takes chunks of %i bytes', async (size) => {
  const [bytes, wanted] = size === 1 ? [parts[1]!, expected.slice(1, 2)] : [file, expected]
  expect(await members(chunked(bytes, size))).toEqual(wanted)
})

test('GzipMembers takes chunks that end where a member does, or its compressed data', async () => {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const part of parts) {
      yield part.subarray(0, -8)
      yield part.subarray(-8)
    }
  }
  expect(await members(pieces())).toEqual(expected)
})

test('rest() gives what was not read, as it is', async () => {
  const gzip = new GzipMembers(chunked(file, 1000), 'x.apk')
  await gathered(gzip.next(() => {}))
  expect(hash(await gathered(gzip.rest()))).toBe(hash(file.subarray(parts[0]!.length)))
  expect(await gzip.atEnd()).toBe(true)
})

describe('GzipMembers refuses', () => {
  const whole = gzipSync('some content that is long enough')
  const altered = (at: number) => {
    const copy = Buffer.from(whole)
    copy[at]! ^= 0xff
    return copy
  }
  test.each([
    ['what is no gzip', Buffer.from('<html>404</html>')],
    ['what is no gzip after a member', Buffer.concat([whole, Buffer.from('garbage')])],
    ['zeros after a member', Buffer.concat([whole, Buffer.alloc(512)])],
    ['another method', altered(2)],
    ['unknown flags', altered(3)],
    ['damaged data', altered(15)],
    ['a wrong checksum', altered(whole.length - 8)],
    ['a wrong length', altered(whole.length - 1)],
    ['bare deflate', deflateRawSync('x')],
  ])('%s', async (_, bytes) => {
    expect(await codeOf(members(chunked(bytes)))).toBe('ARCHIVE_INVALID')
  })

  test('every truncation', async () => {
    const long = decorated(Buffer.from('content'))
    for (let length = 1; length < long.length; length++) {
      const code = await codeOf(members(chunked(long.subarray(0, length))))
      expect({ length, code }).toEqual({ length, code: 'ARCHIVE_INVALID' })
    }
  })

  test.each(['ADB.', 'ADBd', 'ADBc'])('%s, by the name of the format', async (magic) => {
    const bytes = Buffer.concat([Buffer.from(magic), Buffer.alloc(64)])
    await expect(members(chunked(bytes))).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringMatching(/ADB.*apk-tools 3/) as string,
      facts: { format: 'adb' },
    })
  })
})

test('what the input throws comes through', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield parts[2]!.subarray(0, 100)
    throw new Error('the disk is gone')
  }
  await expect(members(broken())).rejects.toThrow('the disk is gone')
})

test('a member that expands a thousandfold is not held', async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
  const gzip = new GzipMembers(chunked(bomb), 'x.apk')
  let most = 0
  const before = process.memoryUsage().rss
  for await (const part of gzip.next(() => {})) {
    expect(part.length).toBeLessThanOrEqual(64 * 1024)
    most = Math.max(most, process.memoryUsage().rss)
  }
  expect(most - before).toBeLessThan(60 * 1024 * 1024)
})
