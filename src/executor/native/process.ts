import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

/** How a host program ended and what it said. */
export interface Finished {
  readonly code: number
  readonly stderr: string
  /** where it is kept, else empty */
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

/**
 * Runs a host program to its end in a session of its own (a Ctrl-C is plinth's to handle), without input; what it
 * writes to standard output is returned.
 */
export async function runTool(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Finished> {
  const child = spawn(argv[0]!, argv.slice(1), {
    env: { ...env },
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const end = closed(child)
  const stderr = tailOf(child.stderr)
  const stdout: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  return { code: await end, stderr: stderr(), stdout: Buffer.concat(stdout) }
}
