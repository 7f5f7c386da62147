import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** A proxy that shows real mirrors as they were when they were first asked. */
export interface FrozenMirror extends AsyncDisposable {
  /** for the environment of what is to see it; loopback addresses are not proxied */
  readonly env: Readonly<Record<string, string>>
  /** addresses asked for so far */
  readonly asked: string[]
  /** Sends bodies in pieces of 64 KiB with so many milliseconds between them; 0: at once. */
  pace(milliseconds: number): void
}

/** Shared by suites and runs: what the pool and by-hash hold never changes, the rest ages. */
const cache = fileURLToPath(new URL('../../node_modules/.cache/frozen-mirror/', import.meta.url))
const maxAge = 2 * 3600 * 1000

interface Kept {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/**
 * Starts it. Two builds through one see the same archive, whatever the mirrors do meanwhile; suites that run
 * side by side and later runs share what was fetched.
 */
export async function startFrozenMirror(): Promise<FrozenMirror> {
  const known = new Map<string, Promise<Kept>>()
  const asked: string[] = []
  let pause = 0
  const server = createServer((request, response) => {
    const url = request.url ?? ''
    asked.push(url)
    if (!known.has(url)) {
      const kept = obtain(url)
      known.set(url, kept)
      kept.catch(() => known.delete(url))
    }
    known.get(url)!.then(
      (kept) => answer(request, response, kept, pause),
      (error: unknown) => response.writeHead(502).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    env: {
      http_proxy: `http://127.0.0.1:${port}`,
      no_proxy: '127.0.0.1',
      // in capitals, and for everything, they may be set where the tests run
      HTTP_PROXY: '',
      NO_PROXY: '',
      all_proxy: '',
      ALL_PROXY: '',
    },
    asked,
    pace: (milliseconds) => void (pause = milliseconds),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function obtain(url: string): Promise<Kept> {
  const file = path.join(cache, createHash('sha256').update(url).digest('hex'))
  const isForever = /\/pool\/|\/by-hash\//.test(url)
  const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  if (existsSync(`${file}.json`) && (isForever || age < maxAge)) {
    const head = JSON.parse(readFileSync(`${file}.json`, 'utf8')) as Omit<Kept, 'body'>
    return { ...head, body: await readFile(file) }
  }
  const kept = await fetchUpstream(url)
  if (kept.status !== 200) return kept
  await mkdir(cache, { recursive: true })
  const { body, ...head } = kept
  for (const [name, bytes] of [
    [file, body],
    [`${file}.json`, JSON.stringify(head)],
  ] as const) {
    await writeFile(`${name}.${process.pid}`, bytes)
    await rename(`${name}.${process.pid}`, name)
  }
  return kept
}

/** Directly, or through the proxy this machine has. */
async function fetchUpstream(url: string, hops = 0): Promise<Kept> {
  const target = new URL(url)
  const proxy = process.env['http_proxy'] ? new URL(process.env['http_proxy']) : undefined
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = httpRequest({
      host: proxy?.hostname ?? target.hostname,
      port: (proxy?.port ?? target.port) || 80,
      path: proxy ? url : `${target.pathname}${target.search}`,
      headers: { host: target.host },
      timeout: 30_000,
    })
    outgoing.on('response', resolve).on('error', reject)
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${url} does not answer`))).end()
  })
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const { location } = response.headers
  if ((response.statusCode ?? 0) >= 300 && location !== undefined && hops < 5)
    return fetchUpstream(new URL(location, url).href, hops + 1)
  const modified = response.headers['last-modified']
  return {
    status: response.statusCode ?? 502,
    headers: modified === undefined ? {} : { 'last-modified': modified },
    body: Buffer.concat(chunks),
  }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  kept: Kept,
  pause: number,
): void {
  const modified = kept.headers['last-modified']
  if (modified !== undefined && request.headers['if-modified-since'] === modified)
    return void response.writeHead(304).end()
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const partial = kept.status === 200 && from > 0 && from < kept.body.length
  const body = partial ? kept.body.subarray(from) : kept.body
  const range = `bytes ${from}-${kept.body.length - 1}/${kept.body.length}`
  response.writeHead(partial ? 206 : kept.status, {
    ...kept.headers,
    'content-length': body.length,
    ...(partial && { 'content-range': range }),
  })
  if (pause === 0) return void response.end(body)
  let at = 0
  const piece = 64 * 1024
  const timer = setInterval(() => {
    response.write(body.subarray(at, at + piece))
    at += piece
    if (at < body.length) return
    clearInterval(timer)
    response.end()
  }, pause)
  response.on('close', () => clearInterval(timer))
}
