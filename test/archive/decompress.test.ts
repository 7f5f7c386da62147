import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { unbzip2 } from '../../src/archive/bzip2.ts'
import { compressionOf, decompress, type Compression } from '../../src/archive/decompress.ts'
import { unxzWasm } from '../../src/archive/xz-wasm.ts'
import { unxz } from '../../src/archive/xz.ts'
import { unzstd } from '../../src/archive/zstd.ts'
import { PlinthError } from '../../src/errors.ts'
import { compressBytes, storedZstd } from '../support/deb.ts'
import { needs } from '../support/needs.ts'
import { random } from '../support/random.ts'
import { chunked, codeOf, gathered, scattered } from '../support/streams.ts'

const mib = 1024 * 1024
const limit = { name: 'x', maxSize: 64 * mib }
/** neither all noise nor all one byte */
const sample = Buffer.concat([
  random(1).bytes(40_000),
  Buffer.alloc(300_000, 'plinth '),
  random(2).bytes(1000),
])

type Decode = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>
const decoders: readonly { name: string; compression: Compression; decode: Decode }[] = [
  ...(['none', 'gzip', 'xz', 'zstd', 'bzip2'] as const).map((compression) => ({
    name: compression,
    compression,
    decode: (chunks: AsyncIterable<Uint8Array>) => decompress(compression, chunks, limit),
  })),
  // both decoders of each, whichever this machine would use
  { name: 'xz by the binding or what stands in for it', compression: 'xz', decode: unxz },
  { name: 'xz by WebAssembly', compression: 'xz', decode: unxzWasm },
  { name: 'zstd in JavaScript', compression: 'zstd', decode: unzstd },
  { name: 'bzip2 in JavaScript', compression: 'bzip2', decode: unbzip2 },
]
const tools = needs('bzip2', 'xz', 'zstd')

describe.skipIf(!tools.available).each(decoders)('$name', ({ name, compression, decode }) => {
  test('gives back what was compressed, however it comes in', async () => {
    const packed = await compressBytes(sample, compression)
    for (const chunks of [
      chunked(packed, 1 << 20),
      scattered(packed, random(3)),
      scattered(packed, random(4)),
    ]) {
      expect((await gathered(decode(chunks))).equals(sample)).toBe(true)
    }
  })

  test('takes several streams after one another for one', async () => {
    const parts = [sample.subarray(0, 1000), sample.subarray(1000, 1000), sample.subarray(1000)]
    const packed = await Promise.all(parts.map((part) => compressBytes(part, compression)))
    const together = Buffer.concat(packed)
    expect((await gathered(decode(chunked(together, 777)))).equals(sample)).toBe(true)
  })

  test.skipIf(compression === 'none')('refuses every truncation', async () => {
    const packed = await compressBytes(sample.subarray(39_900, 40_600), compression)
    for (let length = 0; length < packed.length; length++) {
      const cut = decode(chunked(packed.subarray(0, length), 50))
      // the bare decoders throw their own errors, and leave an empty input to decompress()
      const outcome = await gathered(cut).then(
        () => 'accepted',
        (error: unknown) => (error instanceof PlinthError ? error.code : 'refused'),
      )
      const bare = name !== compression
      if (bare && length === 0) continue
      expect({ length, outcome }).toEqual({ length, outcome: bare ? 'refused' : 'ARCHIVE_INVALID' })
    }
  })

  test('never crashes over flipped bits', async () => {
    const packed = await compressBytes(sample.subarray(39_000, 42_000), compression)
    const dice = random(5)
    for (let round = 0; round < 40; round++) {
      const damaged = Buffer.from(packed)
      damaged[dice.int(damaged.length)]! ^= 1 << dice.int(8)
      await codeOf(gathered(decompress(compression, chunked(damaged, 500), limit)))
    }
  })

  test('lets go of its input when the reader stops', async () => {
    const packed = await compressBytes(random(6).bytes(400_000), compression)
    let closed = false
    const input = (async function* () {
      try {
        yield* chunked(packed, 1000)
      } finally {
        closed = true
      }
    })()
    for await (const _ of decode(input)) break
    expect(closed).toBe(true)
  })

  test('passes on what its input throws', async () => {
    const packed = await compressBytes(random(6).bytes(400_000), compression)
    const failure = new PlinthError('STORE_CORRUPT', 'the blob changed')
    const input = (async function* () {
      yield packed.subarray(0, 1000)
      throw failure
    })()
    await expect(gathered(decompress(compression, input, limit))).rejects.toBe(failure)
  })
})

/** A stream of zeros, compressed by the real tool. */
const zeros = (size: string, command: string): Buffer =>
  spawnSync('sh', ['-c', `head -c ${size} /dev/zero | ${command}`], { maxBuffer: 64 * mib }).stdout

/** Drops what comes, so that the test itself holds nothing. */
async function* counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const _ of chunks);
  yield Buffer.alloc(0)
}

describe.skipIf(!tools.available)('decompression bombs', () => {
  test.each([
    { compression: 'gzip', bytes: () => zeros('512M', 'gzip -1') },
    { compression: 'xz', bytes: () => zeros('256M', 'xz -0 -T1') },
    { compression: 'zstd', bytes: () => zeros('1G', 'zstd -q -1 -c') },
    { compression: 'bzip2', bytes: () => zeros('200M', 'bzip2 -9') },
  ] as const)('$compression is cut off at the limit', async ({ compression, bytes }) => {
    const packed = bytes()
    const before = process.memoryUsage().rss
    const started = performance.now()
    const input = chunked(packed, 512 * 1024)
    expect(await codeOf(gathered(counted(decompress(compression, input, limit))))).toBe(
      'DECOMPRESSION_BOMB',
    )
    expect(performance.now() - started).toBeLessThan(15_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(500 * mib)
  })

  test.each([
    { name: 'the wasm decoder of xz', decode: unxzWasm, bytes: () => zeros('256M', 'xz -0 -T1') },
    {
      name: 'the JavaScript decoder of zstd',
      decode: unzstd,
      bytes: () => zeros('1G', 'zstd -q -1 -c'),
    },
    { name: 'the decoder of bzip2', decode: unbzip2, bytes: () => zeros('200M', 'bzip2 -9') },
  ])('$name gives small pieces', async ({ decode, bytes }) => {
    let total = 0
    let largest = 0
    for await (const chunk of decode(chunked(bytes(), 512 * 1024))) {
      largest = Math.max(largest, chunk.length)
      if ((total += chunk.length) > 100 * mib) break
    }
    expect(total).toBeGreaterThan(100 * mib)
    expect(largest).toBeLessThan(64 * mib)
  })

  test.each([
    { name: 'xz', decode: (c: AsyncIterable<Uint8Array>) => decompress('xz', c, limit) },
    { name: 'zstd', decode: (c: AsyncIterable<Uint8Array>) => decompress('zstd', c, limit) },
  ])('$name with a huge dictionary', async ({ name, decode }) => {
    // the window is what the frame's second header byte says: 2^(10 + 21)
    const huge =
      name === 'xz'
        ? zeros('100', 'xz --lzma2=dict=1536MiB')
        : Buffer.concat([
            Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3]),
            storedZstd(sample).subarray(6),
          ])
    expect(await codeOf(gathered(decode(chunked(huge))))).toBe('DECOMPRESSION_BOMB')
  })
})

test('unzstd() skips skippable frames', async () => {
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  const input = Buffer.concat([skippable, storedZstd(sample), skippable])
  expect((await gathered(unzstd(chunked(input, 1000)))).equals(sample)).toBe(true)
})

test.skipIf(!tools.available)('unxzWasm() takes padding between streams', async () => {
  const packed = await compressBytes(sample, 'xz')
  const input = Buffer.concat([packed, Buffer.alloc(8), packed, Buffer.alloc(4)])
  const output = await gathered(unxzWasm(chunked(input, 1000)))
  expect(output.equals(Buffer.concat([sample, sample]))).toBe(true)
})

test('compressionOf() knows what deb(5) lists', async () => {
  expect(['', '.gz', '.xz', '.zst', '.bz2'].map((e) => compressionOf(e, 'x'))).toEqual([
    'none',
    'gzip',
    'xz',
    'zstd',
    'bzip2',
  ])
  expect(await codeOf(() => compressionOf('.lzo', 'x'))).toBe('COMPRESSION_UNKNOWN')
})
