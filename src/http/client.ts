import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Readable } from 'node:stream'
import fetch, { type Response } from 'node-fetch'
import { PlinthError } from '../errors.ts'
import { getFile } from './file.ts'
import { displayUrl, type Http, type HttpRequest, type HttpResponse } from './http.ts'
import { redirectTarget } from './redirect.ts'
import { isBypassed, TunnelAgent, ForwardAgent, type Proxies } from './proxy.ts'

export interface HttpOptions {
  /** most connections to one host at once */
  readonly sockets?: number | undefined
  /** give up on a server that sends nothing for this long, in milliseconds */
  readonly stall?: number | undefined
  readonly proxies?: Proxies | undefined
  readonly userAgent?: string | undefined
}

/** The client for real networks: connections are kept and reused, `file:` is read from disk. */
export function createHttp(options: HttpOptions = {}): Http {
  const { sockets = 8, stall = 30_000, proxies = {}, userAgent = 'plinth' } = options
  // the connection used last is the one least likely to be closed by now
  const agentOptions = {
    keepAlive: true,
    maxSockets: sockets,
    maxFreeSockets: sockets,
    scheduling: 'lifo' as const,
  }
  const agents = {
    http: new HttpAgent(agentOptions),
    https: new HttpsAgent(agentOptions),
    httpByProxy:
      proxies.http === undefined ? undefined : new ForwardAgent(proxies.http, agentOptions),
    httpsByProxy:
      proxies.https === undefined ? undefined : new TunnelAgent(proxies.https, agentOptions),
  }
  const agentFor = (url: URL): HttpAgent => {
    const direct = isBypassed(url, proxies.bypass ?? [])
    if (url.protocol === 'https:') return (direct ? undefined : agents.httpsByProxy) ?? agents.https
    return (direct ? undefined : agents.httpByProxy) ?? agents.http
  }

  return {
    async get(url, request) {
      request.signal.throwIfAborted()
      if (url.startsWith('file:')) return getFile(url, request)
      let target = checkUrl(url)
      for (let hops = 0; ; hops++) {
        const watch = new Watch(request.signal, stall, target.href)
        const response = await watch.wait(() =>
          fetch(target, {
            agent: agentFor,
            redirect: 'manual',
            // what is fetched is verified as served; node-fetch would inflate it
            compress: false,
            headers: headersOf(request, userAgent),
            signal: watch.signal,
            highWaterMark: 256 * 1024,
          }),
        )
        const location = [301, 302, 303, 307, 308].includes(response.status)
          ? response.headers.get('location')
          : null
        if (location === null) return answer(response, target, watch)
        ;(response.body as Readable | null)?.destroy()
        watch.end()
        target = redirectTarget(target, location, { status: response.status, hops })
      }
    },
    close() {
      for (const agent of Object.values(agents)) agent?.destroy()
    },
  }
}

function headersOf(
  { headers, from, ifRange }: HttpRequest,
  userAgent: string,
): Record<string, string> {
  return {
    'user-agent': userAgent,
    'accept-encoding': 'identity',
    ...headers,
    ...(from !== undefined &&
      from > 0 && {
        range: `bytes=${from}-`,
        ...(ifRange !== undefined && { 'if-range': ifRange }),
      }),
  }
}

function answer(response: Response, url: URL, watch: Watch): HttpResponse {
  const body = response.body as Readable | null
  return {
    url: url.href,
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    body: body === null ? nothing(watch) : watch.read(body),
    discard() {
      body?.destroy()
      watch.end()
    },
  }
}

// oxlint-disable-next-line require-yield
async function* nothing(watch: Watch): AsyncGenerator<Uint8Array> {
  watch.end()
}

function checkUrl(url: string): URL {
  if (URL.canParse(url)) {
    const parsed = new URL(url)
    if (parsed.protocol === 'http:' || parsed.protocol === 'https:') return parsed
  }
  throw new PlinthError('USAGE', `cannot get '${url}': not an http, https or file address`, {
    hint: 'addresses start with http://, https:// or file://',
  })
}

/** Ends one request when the caller aborts or nothing arrives for too long, and says which it was. */
class Watch {
  readonly #controller = new AbortController()
  readonly #caller: AbortSignal
  readonly #stall: number
  readonly #url: string
  readonly #onAbort: () => void

  constructor(caller: AbortSignal, stall: number, url: string) {
    this.#caller = caller
    this.#stall = stall
    this.#url = displayUrl(url)
    this.#onAbort = () => this.#controller.abort(caller.reason)
    caller.addEventListener('abort', this.#onAbort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  end(): void {
    this.#caller.removeEventListener('abort', this.#onAbort)
  }

  /** Waits for the answer's head. */
  async wait<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await this.#limit(start())
    } catch (error) {
      this.end()
      throw this.#explain(error, 'UNREACHABLE')
    }
  }

  /** The body, with the time limit running only while we wait for the server, not for the reader. */
  async *read(body: Readable): AsyncGenerator<Uint8Array> {
    const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
    try {
      for (;;) {
        let step: IteratorResult<Uint8Array>
        try {
          step = await this.#limit(iterator.next())
        } catch (error) {
          throw this.#explain(error, 'TRANSFER_INCOMPLETE')
        }
        if (step.done) return
        yield step.value
      }
    } finally {
      this.end()
      body.destroy()
    }
  }

  async #limit<T>(waiting: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.#controller.abort(
        new PlinthError(
          'TRANSFER_TIMEOUT',
          `cannot get ${this.#url}: nothing came for ${this.#stall / 1000} s`,
          {
            hint: 'try again later, or another mirror',
          },
        ),
      )
    }, this.#stall)
    try {
      return await waiting
    } finally {
      clearTimeout(timer)
    }
  }

  #explain(error: unknown, code: 'UNREACHABLE' | 'TRANSFER_INCOMPLETE'): unknown {
    if (this.signal.aborted) return this.signal.reason
    if (error instanceof PlinthError) return error
    const system = (error as { code?: string; erroredSysCall?: string }).code
    const why =
      error instanceof Error
        ? error.message.replace(/^request to \S+ failed, reason: /, '')
        : String(error)
    return new PlinthError(
      code,
      code === 'UNREACHABLE'
        ? `cannot reach ${this.#url}: ${why || system}`
        : `the transfer of ${this.#url} broke off: ${why}`,
      {
        cause: error,
        hint: 'check the network and the address, or use another mirror',
        facts: { code: system },
      },
    )
  }
}
