import type { Digest } from '../digest.ts'
import { isPlinthError, PlinthError } from '../errors.ts'
import { displayUrl, type Http, type HttpResponse } from './http.ts'
import { openPartial, type Partial } from './partial.ts'
import { attempts, statusError, type RetryDeps } from './retry.ts'

/** A file that is known before it is fetched, its size included. */
export interface TransferItem {
  /** for messages: `hello 2.10-3`, `Packages.xz of trixie/main` */
  readonly name: string
  /** where it is, best first */
  readonly urls: readonly string[]
  readonly size: number
  /** tells it from all other files: the digest of its content, or of what else it is known by */
  readonly key: Digest
}

export interface TransferDeps extends RetryDeps {
  readonly http: Http
  /** where beginnings of large downloads are kept for another run */
  readonly partials?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Below this, starting over costs less than keeping. */
const worthKeeping = 4 * 1024 * 1024

/**
 * The file's bytes, each exactly once and `size` of them, however often the connection breaks: it goes on
 * where it was, from the same or the next address, and with what an earlier run left. Whether they are
 * the right ones is for the reader to check. `SIZE_MISMATCH` for more or fewer bytes than announced, else as `attempts`.
 */
export async function* transfer(
  item: TransferItem,
  deps: TransferDeps,
): AsyncGenerator<Uint8Array> {
  const partial = await partialOf(item, deps)
  let done = 0
  let keep = false
  try {
    if (partial !== undefined) {
      for await (const chunk of partial.read()) {
        done += chunk.length
        yield chunk
      }
    }
    // an empty file needs no server
    if (done === item.size) return
    const validators = new Map<string, string>()
    for await (const attempt of attempts(item.urls, deps)) {
      const start = done
      try {
        for await (const chunk of rest(item, attempt.url, { done, validators }, deps)) {
          done += chunk.length
          await partial?.append(chunk)
          yield chunk
        }
        return
      } catch (error) {
        keep = true
        attempt.failed(error, done - start >= 256 * 1024)
        keep = false
      }
    }
  } catch (error) {
    keep = !isPlinthError(error, 'SIZE_MISMATCH')
    throw error
  } finally {
    // leaving early (a reader that failed, an abort) keeps it; reaching the end does not
    await partial?.end(keep || done < item.size)
  }
}

async function partialOf(item: TransferItem, deps: TransferDeps): Promise<Partial | undefined> {
  if (deps.partials === undefined || item.size < worthKeeping) return undefined
  // only a convenience: a folder that cannot be written is not a reason to fail
  const partial = await openPartial(deps.partials, item.key).catch(() => undefined)
  if (partial === undefined || partial.size <= item.size) return partial
  await partial.end(false)
  return undefined
}

/** What is missing of the file, from one address. */
async function* rest(
  item: TransferItem,
  url: string,
  { done, validators }: { done: number; validators: Map<string, string> },
  { http, signal, retry, headers }: TransferDeps,
): AsyncGenerator<Uint8Array> {
  const response = await http.get(url, {
    signal,
    from: done,
    ifRange: validators.get(url),
    headers,
  })
  try {
    let skip = startOf(response, item, done, retry.now())
    const validator = strongValidator(response)
    if (validator !== undefined) validators.set(url, validator)
    let missing = item.size - done
    for await (const chunk of response.body) {
      // a server that ignores ranges sends what we have again
      const fresh = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.length))
      skip -= chunk.length - fresh.length
      if (fresh.length > missing) throw wrongSize(item, url, `more than ${item.size} bytes`)
      missing -= fresh.length
      if (fresh.length > 0) yield fresh
    }
    if (missing > 0) {
      throw new PlinthError(
        'TRANSFER_INCOMPLETE',
        `the transfer of ${displayUrl(url)} ended ${missing} of ${item.size} bytes early`,
        {
          hint: 'try again, or use another mirror',
          facts: { missing, size: item.size },
        },
      )
    }
  } finally {
    response.discard()
  }
}

/** How many bytes of the body are known already; throws for an answer that is not the file. */
function startOf(response: HttpResponse, item: TransferItem, done: number, now: Date): number {
  if (response.status === 206) {
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.header('content-range') ?? '')
    if (range === null || Number(range[1]) > done || done === 0) {
      throw new PlinthError(
        'TRANSFER_INCOMPLETE',
        `cannot go on with ${displayUrl(response.url)}: the server sent another part than asked for`,
        {
          hint: 'use another mirror',
        },
      )
    }
    if (range[3] !== '*' && Number(range[3]) !== item.size)
      throw wrongSize(item, response.url, `${range[3]} bytes`)
    return done - Number(range[1])
  }
  if (response.status === 416) throw wrongSize(item, response.url, `no more than ${done} bytes`)
  if (response.status !== 200) throw statusError(response, now)
  const length = response.header('content-length')
  if (length !== undefined && Number(length) !== item.size)
    throw wrongSize(item, response.url, `${length} bytes`)
  return done
}

function wrongSize(item: TransferItem, url: string, is: string): PlinthError {
  return new PlinthError(
    'SIZE_MISMATCH',
    `cannot use ${item.name}: ${displayUrl(url)} has ${is}, its index says ${item.size}`,
    {
      hint: 'the mirror may be just changing or damaged: try again later, or use another mirror',
      facts: { size: item.size, url: displayUrl(url) },
    },
  )
}

/** What `If-Range` may carry: a weak ETag may not, a date is as strong as mirrors get. */
function strongValidator(response: HttpResponse): string | undefined {
  const etag = response.header('etag')
  return etag !== undefined && !etag.startsWith('W/') ? etag : response.header('last-modified')
}
