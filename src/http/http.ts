/** What was asked of a server. */
export interface HttpRequest {
  readonly signal: AbortSignal
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** first byte wanted; the server may ignore it and answer 200 with everything */
  readonly from?: number | undefined
  /** a strong ETag or a Last-Modified: a range is only wanted of the same version (RFC 9110 §13.1.5) */
  readonly ifRange?: string | undefined
}

/** An answer whose body is still to come. Read the body or `discard` it. */
export interface HttpResponse {
  /** where it finally came from, after redirects */
  readonly url: string
  readonly status: number
  /** a header by its lower-case name */
  header(name: string): string | undefined
  /**
   * The body as it arrives. Fails with `TRANSFER_INCOMPLETE` when the connection breaks and with
   * `TRANSFER_TIMEOUT` when nothing arrives for too long.
   */
  readonly body: AsyncIterable<Uint8Array>
  discard(): void
}

/**
 * Gets things by address: `http:`, `https:` and `file:`. Any status is an answer; only what is no answer is
 * an error: `UNREACHABLE`, `TRANSFER_TIMEOUT`, or the signal's reason.
 */
export interface Http {
  get(url: string, request: HttpRequest): Promise<HttpResponse>
  /** Closes idle connections. */
  close(): void
}

/** A redacted address for messages: without user name and password. */
export function displayUrl(url: string): string {
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  parsed.username = ''
  parsed.password = ''
  return parsed.href
}
