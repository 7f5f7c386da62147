import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { setImmediate as turn } from 'node:timers/promises'
import type { EngineEndpoint } from './engine-endpoint.ts'

/** A request to an engine. */
export interface EngineRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD'
  readonly path: string
  readonly headers?: Readonly<Record<string, string | number>> | undefined
  readonly body?: AsyncIterable<Uint8Array> | undefined
}

/**
 * Sends a request and reads the answer with `read` while the body is still on its way: engines answer early,
 * with progress or with a refusal, and may then hang up. Rejects with the body's own error before any other,
 * then with `read`'s or the connection's.
 */
export async function askEngine<T>(
  endpoint: EngineEndpoint,
  { method, path, headers, body }: EngineRequest,
  deps: { readonly signal: AbortSignal; readonly read: (response: IncomingMessage) => Promise<T> },
): Promise<T> {
  const send = endpoint.secure ? httpsRequest : httpRequest
  const options = { ...endpoint.options, method, path, signal: deps.signal, agent: false as const }
  const request = send({ ...options, ...(headers && { headers }) })
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    // also after the answer, when nobody waits for it any more
    request.on('error', reject)
  })
  let answered = false
  const answer = response.then(deps.read).finally(() => {
    answered = true
  })
  // looked at below, once the body is sent or no longer wanted
  answer.catch(() => {})
  try {
    if (body !== undefined) await sendBody(request, body, { answer, isAnswered: () => answered })
    if (!answered) request.end()
    return await answer
  } finally {
    request.destroy()
  }
}

async function sendBody(
  request: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  { answer, isAnswered }: { readonly answer: Promise<unknown>; readonly isAnswered: () => boolean },
): Promise<void> {
  const over = answer.catch(() => undefined)
  for await (const chunk of body) {
    // what the engine has said is read before a write can find that it has hung up
    await turn()
    if (isAnswered() || request.destroyed) return
    if (request.write(chunk)) continue
    await Promise.race([over, new Promise((resolve) => request.once('drain', resolve))])
  }
}
