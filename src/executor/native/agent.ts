import fs, { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { PlinthError } from '../../errors.ts'
import { lineSource } from './lines.ts'
import { tailOf, type Finished } from './process.ts'
import { openRequests } from './request.ts'

/** What a tool is given and what is done with what it writes. */
export interface ToolOptions {
  readonly input?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined
  /** what reads standard output, or `keep` to have it returned; not given: it is thrown away */
  readonly output?: 'keep' | ((chunks: AsyncIterable<Buffer>) => Promise<void>) | undefined
}

/** Something the agent does. */
export interface Job extends Disposable {
  readonly stdout: Readable
  readonly stderr: Readable
  /** its exit code, as a shell counts: 128 and its number for a signal */
  readonly code: Promise<number>
  /** Nothing will write any more: what is unread still comes, then both streams end. */
  finish(): void
}

/**
 * The shell on the host's side of a workspace (`superviseScript`), which does one thing after another. To start a
 * process takes it a fraction of what it takes Node, of whose memory the kernel would have to copy the tables.
 */
export interface Agent {
  /**
   * Runs a host program, or one of the shell's own functions, in a directory below the workspace's. An error of
   * `input` or `output` is thrown when it has ended; that it reads no more is none here: its exit code tells.
   */
  tool(argv: readonly string[], cwd: string, options?: ToolOptions): Promise<Finished>
  /** Starts words that lead to a process in the workspace, which reads `io/stdin` or nothing. */
  start(argv: readonly string[], stdin: 'file' | 'none'): Job
  /** What is under way comes to its end as soon as it can. */
  abandon(): void
  close(): void
}

/** What the agent is reached through. */
export interface AgentParts {
  /** the workspace's `io`, as this process sees it */
  readonly io: string
  /** takes a line for every request */
  readonly wake: Writable
  readonly replies: Readable
  /** why the workspace may have ended */
  readonly said: () => string
}

/** Begins to talk to the agent of a workspace. */
export function openAgent({ io, wake, replies, said }: AgentParts): Agent {
  const lines = lineSource(replies)
  const requests = openRequests(`${io}/request`)
  let abandoned = false

  const reply = async (): Promise<string> => {
    const line = await lines.next()
    if (line === undefined) throw endedByItself(said())
    return line
  }
  const ask = (request: readonly string[]): Pick<Job, 'stdout' | 'stderr' | 'finish'> => {
    const [stdout, stderr] = [pipe(`${io}/stdout`), pipe(`${io}/stderr`)]
    requests.write(request)
    wake.write('\n')
    const finish = () => {
      for (const end of [stdout, stderr]) end.close()
    }
    return { stdout: stdout.read, stderr: stderr.read, finish }
  }

  /** Gives a tool its input; resolves when it has all of it, or wants no more. */
  const feed = async (input: Chunks, fifo: Fifo): Promise<void> => {
    try {
      for await (const written of eachWritten(fifo.write, input)) if (abandoned || !written) break
    } finally {
      closeSync(fifo.write)
    }
  }

  return {
    async tool(argv, cwd, { input, output } = {}) {
      const fifo = input && openFifo(`${io}/input`)
      const { stdout, stderr, finish } = ask(['tool', fifo ? 'input' : 'none', cwd, ...argv])
      try {
        const complaint = tailOf(stderr)
        const kept: Buffer[] = []
        const reading = consume(stdout, output === 'keep' ? keepIn(kept) : output)
        const first = await reply().catch((error: unknown) => {
          for (const end of fifo ? [fifo.read, fifo.write] : []) closeSync(end)
          throw error
        })
        // only the tool reads it: writing must fail when that has ended
        if (fifo) closeSync(fifo.read)
        // its exit code comes first when it could not be started
        const started = fifo && first === 'ready'
        if (fifo && !started) closeSync(fifo.write)
        const feeding = started ? feed(input, fifo) : Promise.resolve()
        feeding.catch(() => {})
        const code = Number(started ? await reply() : first)
        finish()
        await Promise.all([feeding, reading, closed(stderr)])
        return { code, stderr: complaint(), stdout: Buffer.concat(kept) }
      } finally {
        finish()
        stdout.destroy()
        stderr.destroy()
      }
    },
    start(argv, stdin) {
      const job = ask(['run', stdin, ...argv])
      const dispose = () => {
        job.finish()
        job.stdout.destroy()
        job.stderr.destroy()
      }
      return { ...job, code: reply().then(Number), [Symbol.dispose]: dispose }
    },
    abandon() {
      abandoned = true
    },
    close() {
      requests.close()
    },
  }
}

/** The error for a workspace that is no more. */
export function endedByItself(said: string): PlinthError {
  return new PlinthError('IO', `the workspace ended by itself: ${said || 'it was killed'}`, {
    hint: 'look for the out-of-memory killer in the system log',
  })
}

type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

interface Fifo {
  readonly read: number
  readonly write: number
}

/** Both ends of a FIFO; opening one alone would wait for the other. */
function openFifo(path: string): Fifo {
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  return { read, write: openSync(path, constants.O_WRONLY) }
}

/** A FIFO that others write to; it ends when they all have and it was closed here. */
function pipe(path: string): { readonly read: Readable; close(): void } {
  const { read: fd, write } = openFifo(path)
  let open = true
  return {
    read: new Socket({ fd, readable: true, writable: false }),
    close() {
      if (open) closeSync(write)
      open = false
    },
  }
}

const writeChunk = promisify(fs.write)

/**
 * Writes chunks on the thread pool, each while the next one is made; yields whether somebody still reads. Throws
 * what the chunks do.
 */
async function* eachWritten(file: number, chunks: Chunks): AsyncGenerator<boolean> {
  const writeAll = async (chunk: Uint8Array): Promise<boolean> => {
    try {
      for (let offset = 0; offset < chunk.length;)
        offset += (await writeChunk(file, chunk, offset)).bytesWritten
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') return false
      throw error
    }
  }
  let writing: Promise<boolean> = Promise.resolve(true)
  try {
    for await (const chunk of chunks) {
      yield await writing
      writing = writeAll(chunk)
      // thrown when its turn comes
      writing.catch(() => {})
    }
    yield await writing
  } finally {
    await writing.catch(() => {})
  }
}

/** Reads a stream to its end; when whoever reads fails, so does writing to it. */
function consume(
  stream: Readable,
  read: ((chunks: AsyncIterable<Buffer>) => Promise<void>) | undefined,
): Promise<void> {
  if (read === undefined) {
    stream.resume()
    return closed(stream)
  }
  const reading = read(stream as AsyncIterable<Buffer>).finally(() => stream.destroy())
  // thrown when its turn comes
  reading.catch(() => {})
  return reading
}

function keepIn(kept: Buffer[]): (chunks: AsyncIterable<Buffer>) => Promise<void> {
  return async (chunks) => {
    for await (const chunk of chunks) kept.push(chunk)
  }
}

function closed(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve()
    else stream.once('close', () => resolve())
  })
}
