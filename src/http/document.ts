import { PlinthError } from '../errors.ts'
import { displayUrl, type Http, type HttpResponse } from './http.ts'
import { attempts, statusError, type RetryDeps } from './retry.ts'

/** What a server said a version of a document is called. */
export interface Validators {
  readonly etag?: string | undefined
  readonly lastModified?: string | undefined
}

/** A document as it was served now, or the news that the version we know is current. */
export type Document =
  | { readonly unchanged: true; readonly url: string }
  | {
      readonly unchanged: false
      readonly url: string
      readonly bytes: Uint8Array
      readonly validators: Validators
    }

export interface DocumentRequest {
  readonly urls: readonly string[]
  /** more bytes than this are refused with `SIZE_MISMATCH` */
  readonly maxSize: number
  /** the version we have, by address */
  readonly known?: ReadonlyMap<string, Validators> | undefined
  /** past every cache on the way */
  readonly fresh?: boolean | undefined
}

/**
 * Fetches a small document of unknown size and digest (an `InRelease`) from the first address that has it.
 * Undefined when all of them say that there is none (404, 410).
 */
export async function fetchDocument(
  request: DocumentRequest,
  deps: RetryDeps & { readonly http: Http },
): Promise<Document | undefined> {
  const { urls, maxSize, known, fresh } = request
  let missing = 0
  try {
    for await (const attempt of attempts(urls, deps)) {
      try {
        const headers = {
          ...conditions(known?.get(attempt.url)),
          ...(fresh && { 'cache-control': 'no-cache' }),
        }
        const response = await deps.http.get(attempt.url, { signal: deps.signal, headers })
        try {
          if (response.status === 304) return { unchanged: true, url: attempt.url }
          if (response.status !== 200) throw statusError(response, deps.retry.now())
          return {
            unchanged: false,
            url: attempt.url,
            bytes: await collect(response, maxSize),
            validators: {
              etag: response.header('etag'),
              lastModified: response.header('last-modified'),
            },
          }
        } finally {
          response.discard()
        }
      } catch (error) {
        if (isMissing(error)) missing++
        attempt.failed(error)
      }
    }
  } catch (error) {
    if (missing === urls.length && isMissing(error)) return undefined
    throw error
  }
  return undefined
}

async function collect(response: HttpResponse, maxSize: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxSize) {
      throw new PlinthError(
        'SIZE_MISMATCH',
        `cannot use ${displayUrl(response.url)}: it has more than ${maxSize} bytes`,
        {
          hint: 'this is not what such a file looks like: check the address',
        },
      )
    }
  }
  return Buffer.concat(chunks)
}

function conditions(known: Validators | undefined): Record<string, string> {
  return {
    ...(known?.etag !== undefined && { 'if-none-match': known.etag }),
    ...(known?.lastModified !== undefined && { 'if-modified-since': known.lastModified }),
  }
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof PlinthError &&
    error.code === 'HTTP_STATUS' &&
    [404, 410].includes(Number(error.facts?.['status']))
  )
}
