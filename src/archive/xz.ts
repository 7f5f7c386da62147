import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { unxzWasm } from './xz-wasm.ts'

/**
 * The part of liblzma's binding used here: one lzma_code() on Node's thread pool at a time. Its own stream class
 * holds all that a piece of input expands to, which for xz may be a seven-thousandfold.
 */
interface Coder {
  code(
    action: number,
    input: Buffer,
    inputOffset: number,
    inputLength: number,
    output: Buffer,
    outputOffset: number,
    done: (status: number, inputLeft: number, outputLeft: number) => void,
  ): void
  close(): void
}

interface Binding {
  readonly STREAM_DECODE: number
  readonly LZMA: new (mode: number, options: object) => Coder
}

/** What lzma_code() is asked for, and answers (lzma/base.h). */
const action = { run: 0, finish: 3 } as const
const status = { ok: 0, streamEnd: 1, memory: 5, memoryLimit: 6 } as const

/** xz's largest preset asks for 64 MiB; a stream that asks for more than this is not a package's. */
const maxDictionary = 512 * 1024 * 1024

const outputSize = 1024 * 1024

/**
 * Decompresses xz (all filters and checks, concatenated streams). liblzma's binding decodes on Node's
 * thread pool; where it has no build, a WebAssembly decoder does. No more is decoded than is asked for.
 */
export async function* unxz(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  native ??= load()
  const sane = dictionaryChecked(chunks)
  if (native === 'missing') {
    yield* unxzWasm(sane)
    return
  }
  const coder = native()
  try {
    yield* decoded(sane, coder)
  } finally {
    coder.close()
  }
}

/** Whether liblzma's binding is there; xz is read without it, too, but slower. */
export function isXzNative(): boolean {
  native ??= load()
  return native !== 'missing'
}

/** Whether `error` means that a stream asks for more memory than allowed. */
export function isXzMemoryError(error: unknown): boolean {
  return error instanceof XzError
    ? error.status === status.memory || error.status === status.memoryLimit
    : / error code [34]$/.test((error as Error).message)
}

class XzError extends Error {
  readonly status: number

  constructor(code: number) {
    super(`liblzma: error ${code}`)
    this.status = code
  }
}

let native: (() => Coder) | 'missing' | undefined

/**
 * The library's binding itself, as its stream class stands in the way: the prebuilt one, with liblzma 5.8; else
 * what an install script may have compiled against the machine's own, which often is older.
 */
function load(): (() => Coder) | 'missing' {
  const require = createRequire(import.meta.url)
  const options = { filters: [], preset: 6, mode: 2, threads: 1, check: 0 }
  for (const name of [
    `prebuilds/${process.platform}-${process.arch}/node-liblzma.node`,
    'build/Release/node_lzma.node',
  ]) {
    try {
      const library = path.dirname(path.dirname(require.resolve('node-liblzma')))
      const { LZMA, STREAM_DECODE } = require(path.join(library, name)) as Binding
      return () => new LZMA(STREAM_DECODE, options)
    } catch {
      // not for this platform, or not installed
    }
  }
  return 'missing'
}

async function* decoded(
  chunks: AsyncIterable<Uint8Array>,
  coder: Coder,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield* step(chunk, action.run, coder)
  yield* step(new Uint8Array(), action.finish, coder)
}

async function* step(
  chunk: Uint8Array,
  what: number,
  coder: Coder,
): AsyncGenerator<Uint8Array, void> {
  const input = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  let left = input.length
  for (let more = left > 0 || what === action.finish; more;) {
    const output = Buffer.allocUnsafeSlow(outputSize)
    const result = await new Promise<readonly [number, number, number]>((resolve) => {
      coder.code(what, input, input.length - left, left, output, 0, (...answer) => resolve(answer))
    })
    const [code, inputLeft, outputLeft] = result
    if (code !== status.ok && code !== status.streamEnd) throw new XzError(code)
    left = inputLeft
    if (outputLeft < outputSize) yield output.subarray(0, outputSize - outputLeft)
    // a full output may have more behind it
    more = code !== status.streamEnd && (left > 0 || outputLeft === 0 || what === action.finish)
  }
}

/**
 * Passes chunks on once the first block's dictionary is known to be of a sane size (xz file format, 3.1 and
 * 5.3.1). Later blocks go unasked: memory is touched only as output comes, and that is limited by the caller.
 */
async function* dictionaryChecked(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // stream header, and a block header of at most 1024 bytes
  const needed = 12 + 1024
  let head: Uint8Array | undefined = new Uint8Array()
  for await (const chunk of chunks) {
    if (head === undefined) yield chunk
    else {
      head = Buffer.concat([head, chunk])
      if (head.length < needed) continue
      check(head)
      yield head
      head = undefined
    }
  }
  if (head === undefined) return
  check(head)
  yield head
}

function check(head: Uint8Array): void {
  const bits = dictionaryBits(head)
  if (bits === undefined) return
  const size = (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11)
  if (size > maxDictionary) throw new XzError(status.memoryLimit)
}

/** The property byte of the first block's LZMA2 filter; undefined where there is none to be seen. */
function dictionaryBits(head: Uint8Array): number | undefined {
  let at = 12
  const next = (): number => head[at++] ?? 0
  const integer = (): number => {
    let value = 0
    for (let scale = 1; scale < 2 ** 56; scale *= 128) {
      const byte = next()
      value += (byte & 127) * scale
      if (byte < 128) break
    }
    return value
  }
  if (next() === 0) return undefined
  const flags = next()
  if (flags & 0x40) integer()
  if (flags & 0x80) integer()
  for (let filter = 0; filter <= (flags & 3); filter++) {
    const id = integer()
    const size = integer()
    if (id === lzma2) return head[at]
    at += size
  }
  return undefined
}

const lzma2 = 0x21
