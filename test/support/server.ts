import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHash } from 'node:crypto'

/** How a server misbehaves on one request. */
export type Fault =
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
    }
  /** breaks the connection after that many bytes of the body */
  | { readonly kind: 'cut'; readonly after: number }
  /** sends nothing more after that many bytes, without closing; -1: not even a head */
  | { readonly kind: 'stall'; readonly after: number }
  /** announces another length than it sends; `close` ends the connection then */
  | { readonly kind: 'length'; readonly announce: number }
  /** an unannounced body that never ends */
  | { readonly kind: 'endless' }
  /** no length announced, and the body ends in good form after that many bytes */
  | { readonly kind: 'short'; readonly after: number }
  /** serves these bytes instead */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** answers a range with everything */
  | { readonly kind: 'no-range' }
  /** answers a range with another part */
  | { readonly kind: 'wrong-range' }
  /** answers a range with one that starts a little earlier */
  | { readonly kind: 'early-range' }
  | { readonly kind: 'redirect'; readonly to: string }
  /** takes its time between pieces */
  | { readonly kind: 'drip'; readonly chunk: number; readonly every: number }

export interface Seen {
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

/** A server on the loopback interface that serves files, knows ranges and validators, and fails on demand. */
export interface FaultServer extends AsyncDisposable {
  readonly url: string
  /** path (no leading `/`) → bytes */
  readonly files: Map<string, Uint8Array>
  /** requests so far, in order */
  readonly seen: Seen[]
  /** faults for the next requests of a path, one each; a path ending in `*` means every path below */
  fail(path: string, ...faults: readonly Fault[]): void
  /** a fault for every request of a path from now on */
  always(path: string, fault: Fault): void
  /** Ends it at once: connections are refused from then on. */
  stop(): Promise<void>
}

export async function startServer(
  files: Iterable<readonly [string, Uint8Array]> = [],
): Promise<FaultServer> {
  const served = new Map(files)
  const queued = new Map<string, Fault[]>()
  const constant = new Map<string, Fault>()
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    // a proxy is asked for whole addresses
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://any').pathname.slice(1))
    seen.push({
      path: request.url?.startsWith('http') ? request.url : path,
      headers: request.headers,
    })
    const fault = match(queued, path)?.shift() ?? match(constant, path)
    answer(request, response, served.get(path), fault)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return {
    url: `http://127.0.0.1:${port}`,
    files: served,
    seen,
    fail: (path, ...faults) => void queued.set(path, [...(queued.get(path) ?? []), ...faults]),
    always: (path, fault) => void constant.set(path, fault),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** The entry of a path, or of a `*` pattern it falls under. */
function match<T>(table: Map<string, T>, path: string): T | undefined {
  const pattern = [...table].find(([key]) => key.endsWith('*') && path.startsWith(key.slice(0, -1)))
  return table.get(path) ?? pattern?.[1]
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  file: Uint8Array | undefined,
  fault: Fault | undefined,
): void {
  if (fault?.kind === 'status')
    return void response.writeHead(fault.status, fault.headers).end('no')
  if (fault?.kind === 'redirect') return void response.writeHead(302, { location: fault.to }).end()
  if (fault?.kind === 'endless') {
    endless(response)
    return
  }
  if (fault?.kind === 'stall' && fault.after < 0) return
  const bytes = fault?.kind === 'bytes' ? fault.bytes : file
  if (bytes === undefined) return void response.writeHead(404).end('not here')

  const etag = `"${createHash('md5').update(bytes).digest('hex')}"`
  if (request.headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end()
  const from = rangeOf(request, etag, fault)
  if (from >= bytes.length && from > 0) {
    return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end()
  }
  const body = bytes.subarray(from)
  response.setHeader('etag', etag)
  if (from > 0)
    response.setHeader('content-range', `bytes ${from}-${bytes.length - 1}/${bytes.length}`)
  if (fault?.kind === 'length') response.setHeader('content-length', fault.announce)
  else if (fault?.kind !== 'short') response.setHeader('content-length', body.length)
  response.writeHead(from > 0 ? 206 : 200)
  send(response, body, fault)
}

function rangeOf(request: IncomingMessage, etag: string, fault: Fault | undefined): number {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const ifRange = request.headers['if-range']
  if (fault?.kind === 'no-range' || (ifRange !== undefined && ifRange !== etag)) return 0
  if (fault?.kind === 'early-range') return Math.max(1, from - 1000)
  return fault?.kind === 'wrong-range' ? from + 1 : from
}

function send(response: ServerResponse, body: Uint8Array, fault: Fault | undefined): void {
  if (fault === undefined) return void response.end(body)
  switch (fault.kind) {
    case 'cut':
      response.write(body.subarray(0, fault.after), () => setTimeout(() => response.destroy(), 20))
      return
    case 'stall':
      response.write(body.subarray(0, fault.after))
      return
    case 'short':
      response.end(body.subarray(0, fault.after))
      return
    case 'length':
      response.on('error', () => {})
      response.write(body)
      // a socket that ends before what was announced is how a liar looks
      setTimeout(() => response.socket?.end(), 20)
      return
    case 'drip':
      drip(response, body, fault)
      return
    // the others have answered already, or only say what the body is
    case 'status':
    case 'redirect':
    case 'endless':
    case 'bytes':
    case 'no-range':
    case 'wrong-range':
    case 'early-range':
      response.end(body)
  }
}

function drip(
  response: ServerResponse,
  body: Uint8Array,
  { chunk, every }: { chunk: number; every: number },
): void {
  let at = 0
  const timer = setInterval(() => {
    response.write(body.subarray(at, at + chunk))
    at += chunk
    if (at >= body.length) {
      clearInterval(timer)
      response.end()
    }
  }, every)
  response.on('close', () => clearInterval(timer))
}

function endless(response: ServerResponse): void {
  const chunk = Buffer.alloc(64 * 1024, 0x61)
  response.writeHead(200)
  const push = (): void => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', push)
  push()
}
