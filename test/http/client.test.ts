import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createHttp } from '../../src/http/client.ts'
import { fetchDocument } from '../../src/http/document.ts'
import { displayUrl, type Http } from '../../src/http/http.ts'
import { redirectTarget } from '../../src/http/redirect.ts'
import { isBypassed } from '../../src/http/proxy.ts'
import { testRetry } from '../support/network.ts'
import { startServer, type FaultServer } from '../support/server.ts'

let server: FaultServer
let http: Http
const signal = new AbortController().signal

beforeEach(async () => {
  server = await startServer([['a', Buffer.from('hello')]])
  http = createHttp({ stall: 150 })
})
afterEach(async () => {
  http.close()
  await server.stop()
})

async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('createHttp()', () => {
  test('gets, and takes bytes as they are served', async () => {
    const response = await http.get(`${server.url}/a`, { signal })
    expect(response.status).toBe(200)
    expect(await text(response.body)).toBe('hello')
    expect(server.seen[0]?.headers).toMatchObject({
      'accept-encoding': 'identity',
      'user-agent': 'plinth',
    })
  })

  test('uses connections again', async () => {
    const ports = new Set<number | undefined>()
    const counting = createServer((request, response) => {
      ports.add(request.socket.remotePort)
      response.end('x')
    })
    await new Promise<void>((resolve) => counting.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(counting.address() as AddressInfo).port}/`
    for (let i = 0; i < 5; i++) await text((await http.get(url, { signal })).body)
    expect(ports.size).toBe(1)
    http.close()
    await new Promise((resolve) => counting.close(resolve))
  })

  test.each([
    { name: 'an address that is none', url: 'nonsense' },
    { name: 'another protocol', url: 'ftp://a.example/x' },
  ])('refuses $name', async ({ url }) => {
    await expect(http.get(url, { signal })).rejects.toMatchObject({ code: 'USAGE' })
  })

  test('does not go on once aborted', async () => {
    await expect(
      http.get(`${server.url}/a`, { signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough')
    expect(server.seen).toHaveLength(0)
  })

  test('a host that does not exist is UNREACHABLE', async () => {
    await expect(http.get('http://nowhere.invalid/', { signal })).rejects.toMatchObject({
      code: 'UNREACHABLE',
    })
  })

  test('asks a proxy for http addresses, except for hosts that are asked directly', async () => {
    const proxied = createHttp({
      proxies: { http: server.url.replace('//', '//user:p%40ss@'), bypass: ['direct.invalid'] },
    })
    server.files.set('x', Buffer.from('by proxy'))
    const response = await proxied.get('http://somewhere.invalid:8080/x', { signal })
    expect(await text(response.body)).toBe('by proxy')
    expect(server.seen[0]?.path).toBe('http://somewhere.invalid:8080/x')
    expect(server.seen[0]?.headers['host']).toBe('somewhere.invalid:8080')
    expect(server.seen[0]?.headers['proxy-authorization']).toBe(
      `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    )
    await expect(proxied.get('http://direct.invalid/x', { signal })).rejects.toMatchObject({
      code: 'UNREACHABLE',
    })
    proxied.close()
  })

  test('tunnels https through a proxy, and reports its refusal', async () => {
    const asked: (string | undefined)[] = []
    const proxy = createServer()
    proxy.on('connect', (request, socket) => {
      asked.push(request.url)
      if (request.url?.startsWith('forbidden'))
        return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
      const { port } = new URL(server.url)
      const upstream = connect(Number(port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        socket.pipe(upstream).pipe(socket)
      })
      upstream.on('error', () => socket.destroy())
      socket.on('error', () => upstream.destroy())
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const proxied = createHttp({ proxies: { https: url }, stall: 1000 })
    // the other end speaks no TLS: that the handshake was tried there is what shows the tunnel
    await expect(proxied.get('https://somewhere.invalid/x', { signal })).rejects.toMatchObject({
      code: 'UNREACHABLE',
    })
    await expect(proxied.get('https://forbidden.invalid/x', { signal })).rejects.toThrow('403')
    expect(asked).toEqual(['somewhere.invalid:443', 'forbidden.invalid:443'])
    proxied.close()
    await new Promise((resolve) => proxy.close(resolve))
  })
})

test.each([
  { host: 'http://a.example.org/', bypass: ['example.org'], expected: true },
  { host: 'http://a.example.org/', bypass: ['.example.org'], expected: true },
  { host: 'http://a.example.org/', bypass: ['*.example.org'], expected: true },
  { host: 'http://notexample.org/', bypass: ['example.org'], expected: false },
  { host: 'http://a.example.org:8080/', bypass: ['example.org:8080'], expected: true },
  { host: 'http://a.example.org/', bypass: ['example.org:8080'], expected: false },
  { host: 'http://127.0.0.1/', bypass: ['localhost', '127.0.0.1'], expected: true },
  { host: 'http://a/', bypass: ['*'], expected: true },
  { host: 'http://a/', bypass: [''], expected: false },
])('isBypassed() of $host with $bypass', ({ host, bypass, expected }) => {
  expect(isBypassed(new URL(host), bypass)).toBe(expected)
})

describe('redirectTarget()', () => {
  const from = new URL('https://a.example/x/y')
  test.each([
    { location: 'z', expected: 'https://a.example/x/z' },
    { location: '/z', expected: 'https://a.example/z' },
    { location: '//b.example/z', expected: 'https://b.example/z' },
    { location: 'https://b.example/z', expected: 'https://b.example/z' },
  ])('follows $location', ({ location, expected }) => {
    expect(redirectTarget(from, location, { status: 302, hops: 0 }).href).toBe(expected)
  })
  test.each(['http://a.example/x', 'file:///etc/passwd', 'ftp://a.example/', 'https://['])(
    'refuses %s from https',
    (location) => {
      expect(() => redirectTarget(from, location, { status: 302, hops: 0 })).toThrow(
        expect.objectContaining({ code: 'HTTP_STATUS' }),
      )
    },
  )
})

test('displayUrl() shows no credentials', () => {
  expect(displayUrl('http://me:secret@a.example/x')).toBe('http://a.example/x')
})

const fetching = (request: object = {}) =>
  fetchDocument(
    { urls: [`${server.url}/a`], maxSize: 100, ...request },
    { http, retry: testRetry(), signal },
  )

describe('fetchDocument()', () => {
  test('gives bytes and what the version is called', async () => {
    const document = await fetching()
    expect(document).toMatchObject({
      unchanged: false,
      bytes: Buffer.from('hello'),
      validators: { etag: expect.any(String) },
    })
  })

  test('learns that nothing changed', async () => {
    const first = await fetching()
    const validators = first?.unchanged === false ? first.validators : {}
    const known = new Map([[`${server.url}/a`, validators]])
    expect(await fetching({ known })).toMatchObject({ unchanged: true })
    server.files.set('a', Buffer.from('other'))
    expect(await fetching({ known })).toMatchObject({
      unchanged: false,
      bytes: Buffer.from('other'),
    })
  })

  test('undefined when no address has it; an error when one could not be asked', async () => {
    expect(
      await fetching({ urls: [`${server.url}/none`, `${server.url}/neither`] }),
    ).toBeUndefined()
    server.always('broken', { kind: 'status', status: 500 })
    await expect(
      fetching({ urls: [`${server.url}/none`, `${server.url}/broken`] }),
    ).rejects.toMatchObject({ code: 'HTTP_STATUS' })
  })

  test('takes the second address when the first has it not', async () => {
    expect(await fetching({ urls: [`${server.url}/none`, `${server.url}/a`] })).toMatchObject({
      url: `${server.url}/a`,
    })
  })

  test.each([
    { name: 'more than it may have', fault: { kind: 'endless' }, code: 'SIZE_MISMATCH' },
    {
      name: 'a body that breaks off',
      fault: { kind: 'cut', after: 2 },
      code: 'TRANSFER_INCOMPLETE',
    },
    { name: 'a body that stops', fault: { kind: 'stall', after: 2 }, code: 'TRANSFER_TIMEOUT' },
  ] as const)('refuses $name', async ({ fault, code }) => {
    server.always('a', fault)
    await expect(fetching()).rejects.toMatchObject({ code })
  })
})
