import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestHex } from '../../src/digest.ts'
import type { Event } from '../../src/events.ts'
import type { Image } from '../../src/image.ts'
import { imageDigest } from '../../src/oci/encode-image.ts'
import { archive } from '../../src/output/archive.ts'
import { dockerLoad } from '../../src/output/docker-load.ts'
import { parseEndpoint } from '../../src/output/engine-endpoint.ts'
import { engineMessages } from '../../src/output/engine-messages.ts'
import type { OutputDeps, Store } from '../../src/ports.ts'
import { parseImageName } from '../../src/reference.ts'
import { openStore } from '../../src/store/store.ts'
import { exampleImage } from '../contract/output.ts'
import { file, makeImage } from '../support/layer.ts'

type Load = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

describe('dockerLoad()', () => {
  let work: string
  let socket: string
  let store: Store
  let image: Image
  let events: Event[]
  let deps: OutputDeps
  const servers: Server[] = []

  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'load-'))
    socket = join(work, 's')
    image = await exampleImage(await openStore(join(work, 'store')))
    store = await openStore(join(work, 'store'))
    events = []
    deps = {
      store,
      names: [parseImageName('a:1')],
      emit: (event) => events.push(event),
      signal: new AbortController().signal,
    }
  })
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
    await rm(work, { recursive: true, force: true })
  })

  /** An engine that answers pings, and loads as told. */
  async function engine(load: Load, listen: string | number = socket): Promise<Server> {
    const server = createServer((request, response) => {
      if (request.url === '/_ping') response.end('OK')
      else if (request.method === 'POST' && request.url === '/images/load?quiet=1')
        void load(request, response)
      else response.writeHead(404).end()
    })
    servers.push(server)
    await new Promise<void>((resolve) =>
      server
        .listen(listen, typeof listen === 'number' ? undefined : resolve)
        .once('listening', resolve),
    )
    return server
  }
  const load = (...endpoints: string[]) =>
    dockerLoad({ endpoints: endpoints as [string, ...string[]] }).write(image, deps)

  test('sends what archive() writes, over tcp as well, and shows what the engine says', async () => {
    let received: Buffer | undefined
    const server = await engine(async (request, response) => {
      expect(request.headers['content-type']).toBe('application/x-tar')
      received = await buffer(request)
      response.end('{"status":"Loading layer"}\n{"stream":"Loaded image: a:1\\n"}\n')
    }, 0)
    const written = await load(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`)
    await archive(join(work, 'x.tar')).write(image, { ...deps, emit: () => {} })
    expect(received).toEqual(await readFile(join(work, 'x.tar')))
    expect(written.size).toBe(received?.length)
    const last = events.findLast((event) => event.type === 'step-progress')
    expect(last).toMatchObject({ done: written.size })
    expect(events.flatMap((event) => (event.type === 'output' ? [event.line] : []))).toEqual([
      'Loading layer',
      'Loaded image: a:1',
    ])
  })

  test('takes the first engine that answers', async () => {
    await engine((request, response) => void request.resume().on('end', () => response.end('{}')))
    await expect(load(join(work, 'none'), socket)).resolves.toMatchObject({
      digest: imageDigest(image),
    })
  })

  test('no engine: says where it looked, and why not there', async () => {
    await writeFile(join(work, 'file'), '')
    await expect(load(`unix://${join(work, 'none')}`, join(work, 'file'))).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      message: expect.stringMatching(/none \(no such socket\), .*file \(connection refused\)/),
      hint: expect.stringContaining('-o image.tar'),
    })
  })

  const refusals: { name: string; load: Load; message: RegExp }[] = [
    {
      name: 'an error status',
      load: (request, response) =>
        void request
          .resume()
          .on('end', () => response.writeHead(500).end('{"message":"no space left"}')),
      message: /no space left/,
    },
    {
      name: 'an error in the stream',
      load: (request, response) =>
        void request
          .resume()
          .on('end', () =>
            response.end(
              '{"stream":"x"}\n{"errorDetail":{"message":"invalid tar header"},"error":"e"}',
            ),
          ),
      message: /invalid tar header/,
    },
    {
      name: 'an error before it has read everything',
      load: (_, response) =>
        void response.writeHead(403, { Connection: 'close' }).end('{"message":"not authorized"}'),
      message: /not authorized/,
    },
    {
      name: 'an answer without a word',
      load: (request, response) =>
        void request.resume().on('end', () => response.writeHead(502).end()),
      message: /HTTP 502/,
    },
    {
      name: 'an answer that is no JSON',
      load: (request, response) => void request.resume().on('end', () => response.end('<html>')),
      message: /cannot understand/,
    },
  ]
  test.each(refusals)(
    'ENGINE_REFUSED for $name, with what was said',
    async ({ load: answer, message }) => {
      await engine(answer)
      await expect(load(socket)).rejects.toMatchObject({
        code: 'ENGINE_REFUSED',
        message: expect.stringMatching(message),
      })
      expect(events.at(-1)).toMatchObject({ type: 'step-failed' })
    },
  )

  test('an engine that hangs up is ENGINE_UNREACHABLE', async () => {
    await engine((request) => void request.socket.destroy())
    await expect(load(socket)).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })
  })

  test('a damaged layer ends the request, and the engine sees it cut off', async () => {
    // large enough that the archive is on its way when the damage is found
    image = await makeImage(store, [file('noise', randomBytes(4 << 20))])
    deps = { ...deps, store: await openStore(join(work, 'store')) }
    const blob = join(work, 'store', 'blobs', 'sha256', digestHex(image.layers[0]!.digest))
    const bytes = await readFile(blob)
    bytes[100]! ^= 1
    await writeFile(blob, bytes)
    const complete = new Promise<boolean>((resolve, reject) => {
      engine((request) => {
        request.on('error', () => {})
        request.on('close', () => resolve(request.complete)).resume()
      }).catch(reject)
    })
    await expect(load(socket)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    expect(await complete).toBe(false)
  })

  test('an interruption ends it', async () => {
    const controller = new AbortController()
    await engine(() => controller.abort())
    deps = { ...deps, signal: controller.signal }
    await expect(load(socket)).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })
})

describe('parseEndpoint()', () => {
  test.each([
    {
      address: 'unix:///run/x.sock',
      secure: false,
      options: { socketPath: '/run/x.sock', host: 'localhost' },
    },
    {
      address: '/run/x.sock',
      secure: false,
      options: { socketPath: '/run/x.sock', host: 'localhost' },
    },
    { address: 'tcp://10.0.0.1', secure: false, options: { host: '10.0.0.1', port: 2375 } },
    { address: 'tcp://[::1]:99', secure: false, options: { host: '::1', port: 99 } },
    { address: 'http://h:1/', secure: false, options: { host: 'h', port: 1 } },
    { address: 'https://h', secure: true, options: { host: 'h', port: 2376 } },
  ])('reads $address', ({ address, ...expected }) => {
    expect(parseEndpoint(address)).toEqual({ address, ...expected })
  })
  test('tcp with certificates is TLS', () => {
    expect(parseEndpoint('tcp://h', { ca: 'c' })).toMatchObject({
      secure: true,
      options: { port: 2376, ca: 'c' },
    })
  })
  test.each(['ssh://h', 'npipe:////./pipe/docker', 'h:2375', '', 'tcp://', 'tcp://h/path'])(
    'refuses %s',
    (address) => {
      expect(() => parseEndpoint(address)).toThrow(
        expect.objectContaining({ code: 'OUTPUT_INVALID' }),
      )
    },
  )
})

test('engineMessages() joins what the network cut', async () => {
  const text = Buffer.from('{"stream":"ü1"}\r\n{"stream":"2"}\n\n{"error":"3"}')
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (const byte of text) yield Uint8Array.of(byte)
  }
  const messages: unknown[] = []
  for await (const message of engineMessages(pieces())) messages.push(message)
  expect(messages).toEqual([{ stream: 'ü1' }, { stream: '2' }, { error: '3' }])
})
