import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { DockerfileCase } from './corpus.ts'
import { contextTime, fixtures } from './fixtures.ts'
import { makeRepository, serveRepository } from './git-server.ts'

/**
 * Writes the context of a case as a directory. All of it was last changed at `contextTime`, so that what a build
 * keeps of it can be told from what it makes. `@URL@` in a file becomes `url`.
 */
export function writeContext(one: DockerfileCase, directory: string, url: string): void {
  mkdirSync(directory, { recursive: true })
  const modes: [string, number][] = []
  for (const [name, file] of one.files) {
    const at = path.join(directory, name)
    mkdirSync(path.dirname(at), { recursive: true })
    switch (file.type) {
      case 'file':
        writeFileSync(at, file.content.replaceAll('@URL@', url))
        break
      case 'fixture':
        writeFileSync(at, fixture(file.fixture))
        break
      case 'directory':
        mkdirSync(at, { recursive: true })
        break
      case 'symlink':
        symlinkSync(file.target, at)
        break
      case 'hardlink':
        linkSync(path.join(directory, file.target), at)
        break
      case 'fifo':
        execFileSync('mkfifo', [at])
        break
    }
    if ('mode' in file) modes.push([at, file.mode])
  }
  // last, and whatever the umask is: a directory without x would keep its files out
  for (const [at, mode] of modes.toReversed()) chmodSync(at, mode)
  setTimes(directory)
}

/** What answers at `@URL@`: a text and a tar, last changed when the fixtures were, and a git repository. */
export async function startFileServer(): Promise<AsyncDisposable & { readonly url: string }> {
  const served: Readonly<Record<string, Uint8Array>> = {
    '/file.txt': Buffer.from('from a URL\n'),
    '/a.tar.gz': fixture('tar.gz'),
    '/': Buffer.from('index\n'),
  }
  const modified = new Date(contextTime * 1000).toUTCString()
  const home = mkdtempSync(path.join(tmpdir(), 'served-'))
  makeRepository(home)
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/repo.git/')) return serveRepository(home, request, response)
    const bytes = served[new URL(request.url ?? '/', 'http://x').pathname]
    if (bytes === undefined) return void response.writeHead(404).end()
    response.writeHead(200, { 'last-modified': modified, 'content-length': bytes.length })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      rmSync(home, { recursive: true, force: true })
    },
  }
}

function fixture(name: string): Uint8Array {
  const make = fixtures[name]
  if (make === undefined) throw new Error(`no fixture is called ${name}`)
  return make()
}

function setTimes(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const at = path.join(directory, entry.name)
    if (entry.isDirectory()) setTimes(at)
    else lutimesSync(at, contextTime, contextTime)
  }
  lutimesSync(directory, contextTime, contextTime)
}
