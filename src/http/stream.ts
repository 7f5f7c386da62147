import type { Http } from './http.ts'
import { attempts, statusError, type RetryDeps } from './retry.ts'

/** Something of unknown size and content that is being fetched. */
export interface HttpStream {
  readonly chunks: AsyncIterable<Uint8Array>
  /** as the server says it */
  readonly size: number | undefined
}

/**
 * Begins to fetch an address, with patience until it answers; what breaks afterwards is `TRANSFER_INCOMPLETE`,
 * as nothing tells that another answer would go on with the same content. Errors else as `attempts`.
 */
export async function openStream(
  url: string,
  deps: RetryDeps & { readonly http: Http },
): Promise<HttpStream> {
  for await (const attempt of attempts([url], deps)) {
    try {
      const response = await deps.http.get(attempt.url, { signal: deps.signal })
      if (response.status === 200) {
        const length = response.header('content-length')
        const isPlain = response.header('content-encoding') === undefined
        const size = isPlain && /^[0-9]+$/.test(length ?? '') ? Number(length) : undefined
        return { chunks: response.body, size }
      }
      response.discard()
      throw statusError(response, deps.retry.now())
    } catch (error) {
      attempt.failed(error)
    }
  }
  // the loop ends with a stream or throws
  throw new Error('no attempt was made')
}
