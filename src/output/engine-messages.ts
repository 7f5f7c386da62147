import { PlinthError } from '../errors.ts'

/** One line of an engine's answer to a load (Docker Engine API, `POST /images/load`). */
export interface EngineMessage {
  /** what it says to people */
  readonly stream?: string | undefined
  readonly status?: string | undefined
  readonly error?: string | undefined
}

/** The messages in an engine's answer: JSON objects one after the other, cut anywhere by the network. */
export async function* engineMessages(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<EngineMessage> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield parseMessage(line)
  }
  if (rest.trim() !== '') yield parseMessage(rest)
}

function parseMessage(line: string): EngineMessage {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    json = undefined
  }
  if (json === null || typeof json !== 'object') {
    throw new PlinthError(
      'ENGINE_REFUSED',
      `cannot understand the engine's answer: ${line.slice(0, 200)}`,
    )
  }
  const { stream, status, error, message, errorDetail } = json as Record<string, unknown>
  const detail = (errorDetail as { message?: unknown } | undefined)?.message
  const failure = detail ?? error ?? message
  return {
    ...(typeof stream === 'string' && { stream }),
    ...(typeof status === 'string' && { status }),
    ...(typeof failure === 'string' && { error: failure }),
  }
}
