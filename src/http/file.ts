import { open, type FileHandle } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { PlinthError } from '../errors.ts'
import type { HttpRequest, HttpResponse } from './http.ts'

/** Answers for a `file:` address as a server would: 200, 206 for a range, 404 when it is not there. */
export async function getFile(url: string, request: HttpRequest): Promise<HttpResponse> {
  let file: FileHandle
  try {
    file = await open(fileURLToPath(url), 'r')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return response(url, 404, {}, empty())
    throw unreadable(url, error)
  }
  const stat = await file.stat()
  if (!stat.isFile()) {
    await file.close()
    return response(url, 404, {}, empty())
  }
  const modified = stat.mtime.toUTCString()
  if (request.headers?.['if-modified-since'] === modified) {
    await file.close()
    return response(url, 304, { 'last-modified': modified }, empty())
  }
  const from = request.from ?? 0
  const partial = from > 0 && from < stat.size
  const headers: Record<string, string> = {
    'content-length': String(stat.size - (partial ? from : 0)),
    'last-modified': modified,
    ...(partial && { 'content-range': `bytes ${from}-${stat.size - 1}/${stat.size}` }),
  }
  return response(
    url,
    partial ? 206 : 200,
    headers,
    read(file, partial ? from : 0, url, request.signal),
    () => void file.close(),
  )
}

async function* read(
  file: FileHandle,
  start: number,
  url: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for (let at = start; ;) {
      signal.throwIfAborted()
      const { bytesRead, buffer } = await file.read(
        Buffer.allocUnsafe(256 * 1024),
        0,
        undefined,
        at,
      )
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } catch (error) {
    if (signal.aborted) throw error
    throw unreadable(url, error)
  } finally {
    await file.close()
  }
}

async function* empty(): AsyncGenerator<Uint8Array> {}

function response(
  url: string,
  status: number,
  headers: Record<string, string>,
  body: AsyncIterable<Uint8Array>,
  discard: () => void = () => {},
): HttpResponse {
  return { url, status, header: (name) => headers[name], body, discard }
}

function unreadable(url: string, cause: unknown): PlinthError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new PlinthError('UNREACHABLE', `cannot read ${url}: ${why}`, {
    cause,
    hint: 'check the path and its permissions',
  })
}
