import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { writeTar } from '../../src/archive/tar-write.ts'
import { sha256 } from '../../src/digest.ts'
import type { Http } from '../../src/http/http.ts'
import { contextDirectory, tryDockerfile } from '../support/dockerfile-build.ts'
import { scratchDirectory } from '../support/scratch.ts'
import { codeOf, gathered } from '../support/streams.ts'
import { tree, type TreeFile } from '../support/tree.ts'

async function tarOf(
  files: Readonly<Record<string, TreeFile>>,
  without: readonly string[] = [],
): Promise<Buffer> {
  const open = (content: { readonly kind: string; readonly bytes?: Uint8Array }) => content.bytes!
  const entries = tree(files).filter((entry) => !without.includes(entry.path))
  return Buffer.from(await gathered(writeTar(entries, { open: open as never })))
}

const inner = {
  'd/': { mode: 0o750, uid: 3, gid: 4 },
  'd/f': { content: 'f', uid: 3, gid: 4 },
  // one file with two names has the mode and owner that are said last
  'd/g': { hardlink: 'd/f', mode: 0o4755, uid: 5, gid: 6 },
  l: { symlink: 'd' },
}
const unpacked = {
  '/x': 'directory 0755 0:0',
  '/x/d': 'directory 0750 3:4',
  '/x/d/f': 'file 4755 5:6 f',
  '/x/d/g': 'hardlink 4755 5:6 -> x/d/f',
  '/x/l': 'symlink 0777 0:0 -> d',
}

describe('ADD of an archive of the context', () => {
  it.each([
    ['plain', (tar: Buffer) => tar],
    ['gzip', (tar: Buffer) => gzipSync(tar)],
    ['xz', (tar: Buffer) => execFileSync('xz', ['-c'], { input: tar })],
  ])('unpacks it, whatever it is called: %s', async (_, compress) => {
    const context = contextDirectory({})
    writeFileSync(path.join(context, 'blob'), compress(await tarOf(inner)))
    const built = await tryDockerfile('FROM scratch\nADD blob /x\n', { context })
    expect(await built.listing()).toEqual(unpacked)
  })
  it('copies what is none, and what is not to be unpacked', async () => {
    const context = contextDirectory({ 'a.tar': 'text' })
    writeFileSync(path.join(context, 'b'), await tarOf(inner))
    const text = 'FROM scratch\nADD a.tar /a\nADD --unpack=false b /b\nCOPY b /c\n'
    const built = await tryDockerfile(text, { context })
    expect(Object.keys(await built.listing())).toEqual(['/a', '/b', '/c'])
  })
  it('gives all that is in it the owner of --chown, and the directories it does not have root', async () => {
    const context = contextDirectory({})
    const files = { ...inner, 'e/f': { content: 'f', uid: 3, gid: 4 } }
    writeFileSync(path.join(context, 'tar'), await tarOf(files, ['e']))
    const built = await tryDockerfile('FROM scratch\nADD --chown=8:9 tar /x\n', { context })
    expect(await built.listing()).toEqual({
      '/x': 'directory 0755 8:9',
      '/x/d': 'directory 0750 8:9',
      '/x/d/f': 'file 4755 8:9 f',
      '/x/d/g': 'hardlink 4755 8:9 -> x/d/f',
      '/x/e': 'directory 0755 0:0',
      '/x/e/f': 'file 0644 8:9 f',
      '/x/l': 'symlink 0777 8:9 -> d',
    })
  })
  it('refuses one that climbs out or is damaged', async () => {
    const context = contextDirectory({})
    const tar = await tarOf({ aaaaaaaaaa: 'x' })
    const header = Buffer.from(tar)
    header.write('../aaaaaaa', 0)
    header.fill(' ', 148, 156)
    const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    writeFileSync(path.join(context, 'out'), header)
    expect(await codeOf(tryDockerfile('FROM scratch\nADD out /x\n', { context }))).toBe(
      'PATH_UNSAFE',
    )
    const cut = gzipSync(await tarOf({ a: Buffer.alloc(100_000, 'abc'), b: 'b' }))
    writeFileSync(path.join(context, 'cut'), cut.subarray(0, cut.length - 20))
    expect(await codeOf(tryDockerfile('FROM scratch\nADD cut /x\n', { context }))).toBe(
      'ARCHIVE_INVALID',
    )
  })
})

/** A server of one file, which counts how often the whole of it was sent. */
function serverOf(file: { body: string }): Http & { sent: number } {
  const server = {
    sent: 0,
    get: (
      url: string,
      request: { readonly headers?: Readonly<Record<string, string>> | undefined },
    ) => {
      const etag = sha256(file.body)
      const isKnown = request.headers?.['if-none-match'] === etag
      if (!isKnown) server.sent++
      const headers: Record<string, string> = {
        etag,
        'last-modified': 'Thu, 01 Jan 1970 00:01:40 GMT',
      }
      return Promise.resolve({
        url,
        status: isKnown ? 304 : 200,
        header: (name: string) => headers[name],
        body: (async function* () {
          if (!isKnown) yield await Promise.resolve(Buffer.from(file.body))
        })(),
        discard() {},
      })
    },
    close() {},
  }
  return server
}

describe('ADD of a URL', () => {
  const text = 'FROM scratch\nADD http://host/dir/file.txt?x=1 /d/\n'
  it("is its owner's alone, and fetched again only when the server has another", async () => {
    const file = { body: 'one' }
    const http = serverOf(file)
    const first = await tryDockerfile(text, { http, epoch: 1000 })
    expect(await first.listing()).toMatchObject({ '/d/file.txt': 'file 0600 0:0 one' })
    const again = await tryDockerfile(text, { http, epoch: 1000, store: first.store })
    expect([http.sent, again.cached]).toEqual([1, true])
    file.body = 'two'
    const changed = await tryDockerfile(text, { http, epoch: 1000, store: first.store })
    expect(await changed.listing()).toMatchObject({ '/d/file.txt': 'file 0600 0:0 two' })
  })
  it('is checked against its checksum, and then not asked for again', async () => {
    const http = serverOf({ body: 'one' })
    const wrong = `FROM scratch\nADD --checksum=${sha256('two')} http://host/f /\n`
    expect(await codeOf(tryDockerfile(wrong, { http }))).toBe('DIGEST_MISMATCH')
    const right = `FROM scratch\nADD --checksum=${sha256('one')} http://host/f /\n`
    const first = await tryDockerfile(right, { http })
    const offline = await tryDockerfile(right, { store: first.store })
    expect(offline.cached).toBe(true)
  })
})

describe('ADD --checksum', () => {
  it.each(['a /', '<<a /'])('is refused for what is not fetched: %s', async (what) => {
    const context = contextDirectory({ a: 'a\n' })
    const end = what.startsWith('<<') ? 'a\na\n' : ''
    const text = `FROM scratch\nADD --checksum=${sha256('a\n')} ${what}\n${end}`
    expect(await codeOf(tryDockerfile(text, { context }))).toBe('DOCKERFILE_INVALID')
  })
})

describe('ADD of a git repository', () => {
  function repository(): { readonly url: string; readonly commit: string } {
    const place = path.join(scratchDirectory(), 'r.git')
    const git = (...args: readonly string[]): string =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
        encoding: 'utf8',
      }).trim()
    git('init', '-q', '-b', 'main', place)
    writeFileSync(path.join(place, 'README'), 'read me')
    execFileSync('mkdir', [path.join(place, 'sub')])
    writeFileSync(path.join(place, 'sub/file'), 'file')
    git('-C', place, 'add', '.')
    git('-C', place, 'commit', '-q', '-m', 'first')
    git('-C', place, 'tag', '-a', '-m', 'v1', 'v1')
    return { url: place, commit: git('-C', place, 'rev-parse', 'HEAD') }
  }
  it('takes a directory of a tag, and no .git', async () => {
    const { commit, url } = repository()
    const { gitPart } = await import('../../src/engine/local/git.ts')
    expect(readFileSync(path.join(url, 'README'), 'utf8')).toBe('read me')
    const add = { kind: 'add', sources: [], inline: [], destination: '/' } as const
    const built = await tryDockerfile('FROM scratch\n')
    const deps = {
      store: built.store,
      signal: new AbortController().signal,
      retry: { now: () => new Date() },
    } as never
    const part = await gitPart(`${url}#v1:sub`, add, deps)
    expect(part.key).toEqual(['git', url, commit, 'sub', false])
    const [selection] = await part.selections()
    expect(selection!.entries.map(({ below }) => below)).toEqual(['file'])
    const whole = await gitPart(url, add, deps)
    const names = (await whole.selections())[0]!.entries.map(({ below }) => below)
    expect(names).toEqual(['README', 'sub', 'sub/file'])
    const kept = await gitPart(url, { ...add, keepGitDir: true }, deps)
    expect((await kept.selections())[0]!.entries.map(({ below }) => below)).toContain('.git/HEAD')
    expect(await codeOf(gitPart(`${url}#v2`, add, deps))).toBe('UNREACHABLE')
    expect(await codeOf(gitPart(url, { ...add, checksum: 'abc' }, deps))).toBe('DIGEST_MISMATCH')
  })
})
