import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { PlinthError } from '../../errors.ts'
import type { EngineEndpoint } from '../../output/engine-endpoint.ts'
import { askEngine, type EngineRequest } from '../../output/engine-request.ts'

/** What an engine answered. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** The part of the Docker Engine API an executor needs. */
export interface DockerApi {
  /** Asks and reads the whole answer. Other statuses than 2xx, 304 and those of `allow` are `ENGINE_REFUSED`. */
  ask(request: EngineRequest, allow?: readonly number[]): Promise<Answer>
  /** The same with an answer that is read as it comes. */
  read<T>(
    request: EngineRequest,
    work: (body: AsyncIterable<Buffer>) => Promise<T>,
    allow?: readonly number[],
  ): Promise<T | undefined>
  /** Sends and gets JSON. */
  post(path: string, value?: unknown): Promise<Record<string, unknown>>
  /** A connection to a container's streams (`attach`). */
  attach(path: string): Promise<Duplex>
}

/** The API at an endpoint; every request ends with `signal`. */
export function dockerApi(endpoint: EngineEndpoint, signal: AbortSignal): DockerApi {
  const failed = (request: EngineRequest, status: number, body: Buffer): PlinthError => {
    const text = body.toString()
    const said = /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text
    return new PlinthError(
      'ENGINE_REFUSED',
      `the engine at ${endpoint.address} refused ${request.method} ${request.path.split('?')[0]}: ${said.trim() || `HTTP ${status}`}`,
      { hint: 'look at the log of the engine', facts: { status } },
    )
  }
  const send = async <T>(
    request: EngineRequest,
    read: (response: IncomingMessage) => Promise<T>,
  ): Promise<T> => {
    try {
      return await askEngine(endpoint, request, { signal, read })
    } catch (error) {
      if (error instanceof PlinthError) throw error
      if (signal.aborted) {
        throw new PlinthError('INTERRUPTED', 'interrupted', { cause: signal.reason })
      }
      throw new PlinthError(
        'ENGINE_UNREACHABLE',
        `cannot reach the engine at ${endpoint.address}: ${(error as Error).message}`,
        { cause: error, hint: 'start Docker or set DOCKER_HOST' },
      )
    }
  }
  const good = (status: number, allow: readonly number[]): boolean =>
    (status >= 200 && status < 300) || status === 304 || allow.includes(status)
  const api: DockerApi = {
    ask: (request, allow = []) =>
      send(request, async (response) => {
        const body = await all(response)
        const status = response.statusCode ?? 500
        if (!good(status, allow)) throw failed(request, status, body)
        return { status, headers: response.headers, body }
      }),
    read: (request, work, allow = []) =>
      send(request, async (response) => {
        const status = response.statusCode ?? 500
        if (allow.includes(status)) return undefined
        if (!good(status, allow)) throw failed(request, status, await all(response))
        return work(response as AsyncIterable<Buffer>)
      }),
    async post(path, value) {
      const text = Buffer.from(value === undefined ? '' : JSON.stringify(value))
      const headers = { 'Content-Type': 'application/json', 'Content-Length': text.length }
      const { body } = await api.ask({ method: 'POST', path, headers, body: once(text) })
      return body.length === 0 ? {} : (JSON.parse(body.toString()) as Record<string, unknown>)
    },
    attach: (path) =>
      new Promise((resolve, reject) => {
        const start = endpoint.secure ? httpsRequest : httpRequest
        const headers = { Connection: 'Upgrade', Upgrade: 'tcp' }
        const request = start({ ...endpoint.options, method: 'POST', path, headers, agent: false })
        request.once('upgrade', (_, socket: Duplex, head: Buffer) => {
          if (head.length > 0) socket.unshift(head)
          resolve(socket)
        })
        request.once('response', (response) => {
          reject(failed({ method: 'POST', path }, response.statusCode ?? 500, Buffer.alloc(0)))
          request.destroy()
        })
        request.once('error', reject)
        request.end()
      }),
  }
  return api
}

async function all(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}
