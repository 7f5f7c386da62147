import { PassThrough, type Duplex } from 'node:stream'
import { eachLine } from '../lines.ts'

/**
 * Calls `onLine` for what a container without a terminal writes: frames of a stream's number, three zeros
 * and a length of four bytes (Docker Engine API, "Stream format"). Resolves when it has ended.
 */
export async function containerLines(
  socket: Duplex,
  onLine: (stream: 'stdout' | 'stderr', line: string) => void,
): Promise<void> {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() }
  const read = Promise.all([
    eachLine(streams.stdout, (line) => onLine('stdout', line)),
    eachLine(streams.stderr, (line) => onLine('stderr', line)),
  ])
  let rest = Buffer.alloc(0)
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32BE(4)) {
        const end = 8 + rest.readUInt32BE(4)
        streams[rest[0] === 2 ? 'stderr' : 'stdout'].write(rest.subarray(8, end))
        rest = rest.subarray(end)
      }
    }
  } finally {
    streams.stdout.end()
    streams.stderr.end()
    await read
  }
}
