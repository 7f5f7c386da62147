import { posix } from 'node:path'
import { digestHex, parseDigest, sha256, type Digest } from '../../digest.ts'
import { PlinthError } from '../../errors.ts'
import { displayUrl } from '../../http/http.ts'
import { attempts, statusError } from '../../http/retry.ts'
import type { Add } from '../../instruction.ts'
import { readRecord, writeRecord } from '../../store/record.ts'
import type { Part } from './part.ts'
import type { StepDeps } from './deps.ts'
import { unknownTime } from './file-tree.ts'

/** Whether a source of an ADD is none of the context's. */
export function isRemote(source: string): boolean {
  return /^(https?|git|ssh):\/\/|^git@[^/]+:/.test(source)
}

/** What an ADD gets from elsewhere: a repository of git, or the file of a URL. */
export async function addedPart(source: string, add: Add, deps: StepDeps): Promise<Part> {
  if (isRepository(source)) {
    const { gitPart } = await import('./git.ts')
    return gitPart(source, add, deps)
  }
  const checksum = add.checksum === undefined ? undefined : parseDigest(add.checksum)
  const fetched = await fetchedFile(source, checksum, deps)
  const entry = {
    type: 'file',
    path: fetched.name,
    // as Docker has it: a file of the network is its owner's alone
    mode: 0o600,
    uid: 0,
    gid: 0,
    mtime: fetched.modified ?? unknownTime,
    size: fetched.size,
    content: { kind: 'blob', digest: fetched.digest, offset: 0 },
  } as const
  return {
    key: ['url', fetched.name, fetched.digest, fetched.modified ?? null],
    selections: () =>
      Promise.resolve([
        { name: fetched.name, isDirectory: false, entries: [{ below: '', entry }] },
      ]),
    unpack: add.unpack === true,
  }
}

/** `https://host/name.git`, with or without `#ref:directory`, and what only git speaks. */
function isRepository(source: string): boolean {
  return /^(git|ssh):\/\/|^git@/.test(source) || /^https?:\/\/[^#?]+\.git(#|$)/.test(source)
}

interface Fetched {
  readonly name: string
  readonly digest: Digest
  readonly size: number
  /** seconds since 1970, from Last-Modified */
  readonly modified: number | undefined
  readonly etag?: string | undefined
  readonly lastModified?: string | undefined
}

/**
 * The file of a URL, in the store: as it was fetched before when the server says that it has not changed, and
 * without asking when its checksum is given.
 */
async function fetchedFile(
  url: string,
  checksum: Digest | undefined,
  deps: StepDeps,
): Promise<Fetched> {
  const { store } = deps
  const key = digestHex(sha256(url))
  const before = await readRecord<Fetched>(store, kind, key)
  const known =
    before !== undefined && (await store.has(before.digest)) === before.size ? before : undefined
  if (known !== undefined && known.digest === checksum) return known
  const conditions = {
    ...(known?.etag !== undefined && { 'if-none-match': known.etag }),
    ...(known?.lastModified !== undefined && { 'if-modified-since': known.lastModified }),
  }
  for await (const attempt of attempts([url], deps)) {
    try {
      const response = await deps.http.get(url, { signal: deps.signal, headers: conditions })
      try {
        if (response.status === 304 && known !== undefined) {
          if (checksum === undefined) return known
          throw wrong(url, checksum, known.digest)
        }
        if (response.status !== 200) throw statusError(response, deps.retry.now())
        const { digest, size } = await store.put(response.body)
        if (checksum !== undefined && digest !== checksum) {
          await store.delete(digest)
          throw wrong(url, checksum, digest)
        }
        const lastModified = response.header('last-modified')
        const time = Date.parse(lastModified ?? '')
        const fetched: Fetched = {
          name: nameOf(url),
          digest,
          size,
          modified: Number.isNaN(time) ? undefined : Math.max(0, Math.floor(time / 1000)),
          etag: response.header('etag'),
          lastModified,
        }
        await writeRecord(store, kind, key, fetched)
        return fetched
      } finally {
        response.discard()
      }
    } catch (error) {
      attempt.failed(error)
    }
  }
  throw new PlinthError('UNREACHABLE', `cannot fetch ${displayUrl(url)}`)
}

const kind = 'url'

/** The last part of the path: what the file is called in a directory. */
function nameOf(url: string): string {
  const name = posix.basename(decodeURIComponent(new URL(url).pathname))
  return name === '' || name === '.' || name === '..' ? '__unnamed__' : name
}

function wrong(url: string, expected: Digest, actual: Digest): PlinthError {
  return new PlinthError(
    'DIGEST_MISMATCH',
    `cannot use ${displayUrl(url)}: expected ${expected}, got ${actual}`,
    {
      hint: 'the file changed: look at it, and write its new checksum',
      facts: { expected, actual },
    },
  )
}
