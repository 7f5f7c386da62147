import type { IncomingMessage } from 'node:http'
import { PlinthError } from '../errors.ts'
import type { Output, OutputDeps } from '../ports.ts'
import { imageArchive } from './archive-stream.ts'
import { type EngineEndpoint, type EngineTls, parseEndpoint } from './engine-endpoint.ts'
import { engineMessages } from './engine-messages.ts'
import { askEngine } from './engine-request.ts'
import { throwIfAborted } from './failure.ts'
import { asStep, counted, readableSize } from './progress.ts'

/** Which engine. */
export interface DockerLoadOptions {
  /** `unix:///var/run/docker.sock`, `tcp://host:2375`; the first that answers is used */
  readonly endpoints: readonly [string, ...string[]]
  /** makes `tcp://` addresses TLS */
  readonly tls?: EngineTls | undefined
}

/**
 * Loads the image into a Docker or Podman engine through its API (`POST /images/load`), streaming the
 * same archive that `archive` writes. Throws `ENGINE_UNREACHABLE` when none of the endpoints answers,
 * `ENGINE_REFUSED` with what the engine said, `STORE_CORRUPT`, `OUTPUT_INVALID` for a malformed endpoint.
 */
export function dockerLoad({ endpoints, tls }: DockerLoadOptions): Output {
  const candidates = endpoints.map((address) => parseEndpoint(address, tls))
  const id = 'output:load'
  return {
    name: 'load',
    async write(image, deps) {
      const { encoded, size: total, chunks } = imageArchive(image, deps)
      const endpoint = await firstThatAnswers(candidates, deps.signal)
      return asStep(
        deps.emit,
        { id, title: `load into the engine at ${endpoint.address}`, total },
        async () => {
          await load(endpoint, counted(chunks(), deps.emit, id), { id, total }, deps)
          return { digest: encoded.manifest.descriptor.digest, size: total }
        },
        ({ size }) => readableSize(size),
      )
    },
  }
}

/** The address of the engine that would be used. Throws as `dockerLoad` does when there is none. */
export async function findEngine(
  { endpoints, tls }: DockerLoadOptions,
  signal: AbortSignal,
): Promise<string> {
  const candidates = endpoints.map((address) => parseEndpoint(address, tls))
  return (await firstThatAnswers(candidates, signal)).address
}

async function firstThatAnswers(
  candidates: readonly EngineEndpoint[],
  signal: AbortSignal,
): Promise<EngineEndpoint> {
  const failures: unknown[] = []
  for (const endpoint of candidates) {
    try {
      await askEngine(
        endpoint,
        { method: 'GET', path: '/_ping' },
        { signal: patience(signal), read: skip },
      )
      return endpoint
    } catch (error) {
      throwIfAborted(signal)
      failures.push(error)
    }
  }
  const reasons = candidates.map(({ address }, i) => `${address} (${reason(failures[i])})`)
  throw new PlinthError(
    'ENGINE_UNREACHABLE',
    `cannot load the image: no engine answers at ${reasons.join(', ')}`,
    {
      cause: failures[0],
      hint: failures.some((error) => (error as NodeJS.ErrnoException).code === 'EACCES')
        ? 'you may not use that socket: join the group that owns it (often docker), or write an archive with -o image.tar'
        : 'start Docker or Podman, set DOCKER_HOST, or write an archive with -o image.tar and load that',
    },
  )
}

async function load(
  endpoint: EngineEndpoint,
  chunks: AsyncIterable<Uint8Array>,
  archive: { readonly id: string; readonly total: number },
  { emit, signal }: OutputDeps,
): Promise<void> {
  const headers = { 'Content-Type': 'application/x-tar', 'Content-Length': archive.total }
  try {
    await askEngine(
      endpoint,
      { method: 'POST', path: '/images/load?quiet=1', headers, body: chunks },
      {
        signal,
        read: async (response) => {
          let refusal: string | undefined
          for await (const { stream, status, error } of engineMessages(response)) {
            refusal ??= error
            const line = (stream ?? status ?? '').trim()
            if (line !== '') emit({ type: 'output', id: archive.id, stream: 'stdout', line })
          }
          const failed = (response.statusCode ?? 500) >= 300
          if (refusal !== undefined || failed) {
            throw refused(endpoint, refusal ?? `HTTP ${response.statusCode}`)
          }
        },
      },
    )
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof PlinthError) throw error
    throw new PlinthError(
      'ENGINE_UNREACHABLE',
      `cannot load the image: ${endpoint.address} hung up (${reason(error)})`,
      {
        cause: error,
        hint: 'look at the log of the engine',
      },
    )
  }
}

/** How long an engine may take to say that it is there. */
const pingTimeout = 10_000

function patience(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(pingTimeout)])
}

async function skip(response: IncomingMessage): Promise<void> {
  for await (const _ of response);
}

function refused({ address }: EngineEndpoint, why: string): PlinthError {
  return new PlinthError(
    'ENGINE_REFUSED',
    `the engine at ${address} did not take the image: ${why.trim()}`,
    {
      hint: 'look at the log of the engine; an archive written with -o image.tar can be tried elsewhere',
    },
  )
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const known: Record<string, string> = {
    ENOENT: 'no such socket',
    ECONNREFUSED: 'connection refused',
    EACCES: 'permission denied',
    ECONNRESET: 'connection closed',
  }
  return known[code ?? ''] ?? message
}
