import { StringDecoder } from 'node:string_decoder'
import type { Readable } from 'node:stream'

/**
 * Calls `onLine` for every line of `stream` as it comes, the unfinished last one at its end. Characters
 * are whole, `\r` before the line end is dropped, a line is cut where it grows beyond 64 KiB.
 */
export function eachLine(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const take = (text: string): void => {
    rest += text
    let start = 0
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
      onLine(rest.slice(start, rest[end - 1] === '\r' && end > start ? end - 1 : end))
      start = end + 1
    }
    rest = rest.slice(start)
    for (; rest.length > longest; rest = rest.slice(longest)) onLine(rest.slice(0, longest))
  }
  return new Promise((resolve) => {
    stream.on('data', (chunk: Buffer) => take(decoder.write(chunk)))
    const finish = (): void => {
      take(decoder.end())
      if (rest !== '') onLine(rest)
      rest = ''
      resolve()
    }
    stream.once('end', finish)
    // a stream that was destroyed has no end
    stream.once('close', finish)
    stream.on('error', () => {})
  })
}

const longest = 64 * 1024

/** Lines asked for one at a time. */
export interface LineSource {
  /** the next line, or undefined when there are no more */
  next(): Promise<string | undefined>
}

/** The lines of a stream, kept until they are asked for. */
export function lineSource(stream: Readable): LineSource {
  const lines: string[] = []
  const waiting: ((line: string | undefined) => void)[] = []
  let ended = false
  const read = async (): Promise<void> => {
    await eachLine(stream, (line) => {
      const wait = waiting.shift()
      if (wait) wait(line)
      else lines.push(line)
    })
    ended = true
    for (const wait of waiting.splice(0)) wait(undefined)
  }
  void read()
  return {
    next: () => {
      const line = lines.shift()
      if (line !== undefined || ended) return Promise.resolve(line)
      return new Promise((resolve) => waiting.push(resolve))
    },
  }
}
