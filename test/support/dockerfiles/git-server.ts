import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import path from 'node:path'
import process from 'node:process'
import { epoch } from '../layer.ts'

/** Who commits, and when: with it a commit has the same name wherever it is made. */
const identity = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Corpus',
  GIT_AUTHOR_EMAIL: 'corpus@example.org',
  GIT_AUTHOR_DATE: `${epoch} +0000`,
  GIT_COMMITTER_NAME: 'Corpus',
  GIT_COMMITTER_EMAIL: 'corpus@example.org',
  GIT_COMMITTER_DATE: `${epoch} +0000`,
}

/** Makes `repo.git` below a directory: a branch `main` with two commits, of which `v1` tags the first. */
export function makeRepository(directory: string): void {
  const work = path.join(directory, 'work')
  const git = (...argv: readonly string[]): void => {
    execFileSync('git', ['-C', work, ...argv], {
      stdio: 'ignore',
      env: { PATH: process.env['PATH'], HOME: directory, ...identity },
    })
  }
  mkdirSync(path.join(work, 'sub'), { recursive: true })
  execFileSync('git', ['init', '--quiet', '--initial-branch=main', work], { stdio: 'ignore' })
  const commit = (files: Readonly<Record<string, string>>, message: string): void => {
    for (const [name, content] of Object.entries(files))
      writeFileSync(path.join(work, name), content)
    writeFileSync(path.join(work, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
    git('add', '.')
    git('commit', '--quiet', '-m', message)
  }
  commit({ README: 'first\n', 'sub/file': 'below\n' }, 'first')
  git('tag', 'v1')
  commit({ README: 'second\n' }, 'second')
  git('clone', '--quiet', '--bare', '.', path.join(directory, 'repo.git'))
}

/** Answers a request below `/repo.git/` as git-http-backend(1) does. */
export function serveRepository(
  directory: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
  const backend = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: directory,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      HOME: directory,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
    },
  })
  request.pipe(backend.stdin)
  const chunks: Buffer[] = []
  backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  backend.once('close', () => {
    const answer = Buffer.concat(chunks)
    const end = answer.indexOf('\r\n\r\n')
    const headers = answer.subarray(0, end).toString('latin1').split('\r\n')
    for (const line of headers) {
      const [name = '', value = ''] = line.split(/: (.*)/)
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10)
      else if (name !== '') response.setHeader(name, value)
    }
    response.end(answer.subarray(end + 4))
  })
}
