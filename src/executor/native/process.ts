import { spawn, type ChildProcess } from 'node:child_process'
import fs, { closeSync, constants, openSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'

/** How a host program ended and what it said. */
export interface Finished {
  readonly code: number
  readonly stderr: string
  /** with output `keep`, else empty */
  readonly stdout: Buffer
}

/** What of a program's standard error is kept for messages. */
const keptOutput = 16 * 1024

/** Gathers the end of a stream as text. */
export function tailOf(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-keptOutput)
  })
  return () => text.trim()
}

/** The exit code of a child as a shell counts it; -1 when it could not be started. Resolves when its output ended. */
export function closed(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(-1))
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? -1 : 128)))
  })
}

/** A host program's input and what is done with its output. */
export interface RunOptions {
  readonly env: Readonly<Record<string, string>>
  /** default `/` */
  readonly cwd?: string | undefined
  readonly input?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined
  /**
   * A FIFO to give it through: written on the thread pool, where a child's own standard input, a socket,
   * would be filled on the main thread
   */
  readonly inputFifo?: string | undefined
  /** what reads standard output, or `keep` to have it returned; not given: it is thrown away */
  readonly output?: 'keep' | ((chunks: AsyncIterable<Buffer>) => Promise<void>) | undefined
}

/**
 * Runs a host program to its end in a session of its own (a Ctrl-C is plinth's to handle). An error of
 * `input` or `output` ends the program and is thrown; a program that stops reading early is no error
 * here: its exit code tells.
 */
export async function runTool(argv: readonly string[], options: RunOptions): Promise<Finished> {
  const fifo = options.input && options.inputFifo ? openFifo(options.inputFifo) : undefined
  const child = spawn(argv[0]!, argv.slice(1), {
    env: { ...options.env },
    cwd: options.cwd ?? '/',
    detached: true,
    stdio: [
      fifo?.read ?? (options.input ? 'pipe' : 'ignore'),
      options.output ? 'pipe' : 'ignore',
      'pipe',
    ],
  })
  // only the program reads it: writing must fail when that has ended
  if (fifo) closeSync(fifo.read)
  const end = closed(child)
  const stderr = tailOf(child.stderr!)
  const work: Promise<void>[] = []
  if (options.input) {
    work.push(
      (fifo
        ? writeFifo(fifo.write, options.input)
        : pipeline(Readable.from(options.input, { objectMode: false }), child.stdin!)
      ).catch((error: NodeJS.ErrnoException) => {
        if (
          error.code !== 'EPIPE' &&
          error.code !== 'ECONNRESET' &&
          error.code !== 'ERR_STREAM_PREMATURE_CLOSE'
        )
          throw error
      }),
    )
  }
  const kept: Buffer[] = []
  const keep = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) kept.push(chunk)
  }
  if (options.output) {
    const read = options.output === 'keep' ? keep : options.output
    work.push(read(child.stdout! as AsyncIterable<Buffer>))
  }
  try {
    await Promise.all(work)
  } catch (error) {
    // Node would send it to our own process group for one that could not be started: its process id is 0
    if (child.pid !== undefined) child.kill('SIGKILL')
    await end
    throw error
  }
  return { code: await end, stderr: stderr(), stdout: Buffer.concat(kept) }
}

/** Both ends of a FIFO, neither of them non-blocking. */
function openFifo(path: string): { readonly read: number; readonly write: number } {
  // opening one end waits for the other, unless asked not to
  const ready = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const write = openSync(path, constants.O_WRONLY)
  const read = openSync(path, constants.O_RDONLY)
  closeSync(ready)
  return { read, write }
}

const writeChunk = promisify(fs.write)

async function writeFifo(
  file: number,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const writeAll = async (chunk: Uint8Array): Promise<void> => {
    for (let offset = 0; offset < chunk.length;)
      offset += (await writeChunk(file, chunk, offset)).bytesWritten
  }
  // the next chunk is made while this one goes out
  let writing: Promise<void> = Promise.resolve()
  try {
    for await (const chunk of chunks) {
      await writing
      writing = writeAll(chunk)
      // thrown when its turn comes
      writing.catch(() => {})
    }
    await writing
  } finally {
    await writing.catch(() => {})
    closeSync(file)
  }
}
