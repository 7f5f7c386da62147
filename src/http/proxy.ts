import { Agent as HttpAgent, request, type AgentOptions, type ClientRequest } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { connect } from 'node:tls'

/** Proxies by what they are for, as `http_proxy`, `https_proxy` and `no_proxy` name them. */
export interface Proxies {
  readonly http?: string | undefined
  readonly https?: string | undefined
  /** hosts and domains (`example.org` stands for what is below it too) that are asked directly; `*` for all */
  readonly bypass?: readonly string[] | undefined
}

/** Whether a host is asked directly although there is a proxy. */
export function isBypassed(url: URL, bypass: readonly string[]): boolean {
  const host = url.hostname.toLowerCase()
  return bypass.some((entry) => {
    const [name = '', port] = entry
      .trim()
      .toLowerCase()
      .replace(/^\*?\./, '')
      .split(':')
    if (name === '*') return true
    if (
      name === '' ||
      (port !== undefined && port !== (url.port || (url.protocol === 'https:' ? '443' : '80')))
    )
      return false
    return host === name || host.endsWith(`.${name}`)
  })
}

/** Asks a proxy for `http:` addresses: the request line carries the whole address (RFC 9112 §3.2.2). */
export class ForwardAgent extends HttpAgent {
  readonly #proxy: URL

  constructor(proxy: string, options: AgentOptions) {
    super(options)
    this.#proxy = new URL(proxy)
  }

  /** Called by Node for each request before its head is written; not in its type declarations. */
  addRequest(outgoing: ClientRequest, options: { host?: string; port?: number | string }): void {
    const { host = '', port = 80 } = options
    outgoing.path = `http://${host}${Number(port) === 80 ? '' : `:${port}`}${outgoing.path}`
    const authorization = basic(this.#proxy)
    if (authorization !== undefined) outgoing.setHeader('proxy-authorization', authorization)
    const parent = HttpAgent.prototype as unknown as Pick<ForwardAgent, 'addRequest'>
    parent.addRequest.call(this, outgoing, {
      ...options,
      host: this.#proxy.hostname,
      port: portOf(this.#proxy),
    })
  }
}

/** Reaches `https:` hosts through a proxy's `CONNECT`. */
export class TunnelAgent extends HttpsAgent {
  readonly #proxy: URL

  constructor(proxy: string, options: AgentOptions) {
    super(options)
    this.#proxy = new URL(proxy)
  }

  override createConnection(
    options: { host?: string; port?: number | string; servername?: string },
    done: (error: Error | null, socket?: unknown) => void,
  ): undefined {
    const target = `${options.host ?? ''}:${options.port ?? 443}`
    const authorization = basic(this.#proxy)
    const opening = request({
      method: 'CONNECT',
      host: this.#proxy.hostname,
      port: portOf(this.#proxy),
      path: target,
      headers: {
        host: target,
        ...(authorization !== undefined && { 'proxy-authorization': authorization }),
      },
      agent: false,
    })
    opening.once('error', (error) => done(error))
    opening.once('connect', (response, socket) => {
      if (response.statusCode === 200) {
        done(
          null,
          connect({ ...options, socket, servername: options.servername || options.host } as never),
        )
      } else {
        socket.destroy()
        done(new Error(`the proxy answered ${response.statusCode} to CONNECT ${target}`))
      }
    })
    opening.end()
    return undefined
  }
}

function portOf(proxy: URL): number {
  return Number(proxy.port) || (proxy.protocol === 'https:' ? 443 : 80)
}

function basic(proxy: URL): string | undefined {
  if (proxy.username === '') return undefined
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  return `Basic ${Buffer.from(credentials).toString('base64')}`
}
