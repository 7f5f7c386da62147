import { spawn, spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { createServer, Socket, type AddressInfo } from 'node:net'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostArch } from '../support/alpine.ts'
import { buildApkRepository } from '../support/apk-repository.ts'
import { testSigner, type ApkSpec } from '../support/apk.ts'
import { bench, digestOf, type Bench, type RunOptions } from '../support/builds.ts'
import { startDockerd, type PrivateDockerd } from '../support/dockerd.ts'
import { staticBusybox } from '../support/dockerfiles/base.ts'
import { startFrozenMirror, type FrozenMirror } from '../support/frozen-mirror.ts'
import { localApkRecipe } from '../support/local-recipe.ts'
import { readMinirootfs } from '../support/minirootfs.ts'
import { needs } from '../support/needs.ts'
import { builtPlinth } from '../support/plinth.ts'
import { startServer, type FaultServer } from '../support/server.ts'
import { testUser } from '../support/unprivileged.ts'

const wanted = [
  'linux',
  'root',
  'user-namespaces',
  'newuidmap',
  'docker',
  'dockerd',
  'busybox',
] as const

/** What apt writes that says when it ran. */
const traces =
  '/var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache /var/cache/apt/*.bin'

/** The contexts, by name. */
const dockerfiles: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  hello: {
    Dockerfile: `FROM scratch
ADD echo /
CMD ["/echo", "hello"]
`,
  },
  redis: {
    Dockerfile: `FROM debian:trixie
RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf ${traces}
ENV PORT=6379
EXPOSE 6379
USER redis
WORKDIR /var/lib/redis
CMD redis-server --port $PORT --save "" --daemonize no
`,
  },
  web: {
    Dockerfile: `FROM debian:trixie
WORKDIR /app
RUN apt-get update \\
 && apt-get install -y --no-install-recommends python3-flask \\
 && rm -rf ${traces}
COPY requirements.txt app.py ./
COPY --chown=www-data templates templates/
ENV PORT=8000 PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
USER www-data
CMD ["python3", "app.py"]
`,
    'requirements.txt': 'flask\n',
    'app.py': `import os
from flask import Flask, render_template
app = Flask(__name__)

@app.route('/<name>')
def hello(name):
    return render_template('hello.txt', name=name, user=os.getuid())

app.run(host='127.0.0.1', port=int(os.environ['PORT']))
`,
    'templates/hello.txt': 'hello {{ name }} from user {{ user }}\n',
    '.dockerignore': '.git\n*.pyc\n',
  },
  compiled: {
    Dockerfile: `FROM debian:trixie AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY hello.c .
RUN gcc -O2 -static -o /hello hello.c

FROM scratch
COPY --from=build /hello /hello
ENTRYPOINT ["/hello"]
CMD ["world"]
`,
    'hello.c': `#include <stdio.h>
int main(int argc, char **argv) { return printf("hello %s\\n", argv[1]) < 0; }
`,
  },
}

const { available } = needs(...wanted, 'apt-mirror')

describe.skipIf(!available)('the Dockerfiles that people meet first', () => {
  let frozen: FrozenMirror
  let here: Bench
  let dockerd: PrivateDockerd
  let binary: string
  let proxy: readonly string[]

  beforeAll(async () => {
    frozen = await startFrozenMirror()
    here = await bench(frozen.env)
    binary = await builtPlinth()
    proxy = ['--build-arg', `http_proxy=${frozen.env['http_proxy']}`]
    const base = ['build', 'debian', '-t', 'debian:trixie', '-o', 'debian.tar']
    digestOf(await here.plinth([...base, '--progress', 'plain']))
    dockerd = await startDockerd()
    for (const [name, files] of Object.entries(dockerfiles))
      for (const [file, content] of Object.entries(files)) here.file(`${name}/${file}`, content)
    cpSync(staticBusybox(), path.join(here.home, 'hello', 'echo'))
  }, 240_000)
  afterAll(async () => {
    await dockerd?.[Symbol.asyncDispose]()
    await frozen?.[Symbol.asyncDispose]()
    here?.[Symbol.dispose]()
  }, 60_000)

  const build = async (name: string, options: RunOptions = {}, ...more: readonly string[]) =>
    digestOf(
      await here.plinth(
        ['build', `./${name}`, '-t', name, ...proxy, '--progress', 'plain', ...more],
        options,
      ),
    )

  /** Builds it and gives the image to Docker, too; once for all tests. */
  const prepared = new Map<string, Promise<string>>()
  const prepare = (name: string): Promise<string> => {
    const known = prepared.get(name) ?? buildAndLoad(name)
    prepared.set(name, known)
    return known
  }
  const buildAndLoad = async (name: string): Promise<string> => {
    const archive = path.join(here.home, `${name}.tar`)
    const digest = await build(name, {}, '-o', archive)
    await dockerd.docker('load', '-i', archive)
    return digest
  }

  /** The commands that run an image on the host's network, by who runs it. */
  const runners = (image: string, port: number): Readonly<Record<string, readonly string[]>> => ({
    plinth: [process.execPath, binary, 'run', '--network', 'host', '-e', `PORT=${port}`, image],
    docker: [
      'docker',
      '-H',
      dockerd.host,
      'run',
      '--rm',
      '--name',
      image,
      '--network',
      'host',
      '-e',
      `PORT=${port}`,
      image,
    ],
  })

  /** Runs a server until `ask` gets an answer from it. */
  const answers = async <Answer>(
    runner: 'plinth' | 'docker',
    image: string,
    ask: (port: number) => Promise<Answer>,
  ): Promise<Answer> => {
    const port = await freePort()
    const [command = '', ...argv] = runners(image, port)[runner]!
    const env = { ...process.env, PLINTH_STORE: here.store, TMPDIR: here.temporary }
    const child = spawn(command, argv, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    child.stdout.on('data', (text: Buffer) => (said += text.toString()))
    child.stderr.on('data', (text: Buffer) => (said += text.toString()))
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    try {
      for (let tries = 0; ; tries++) {
        try {
          return await ask(port)
        } catch (error) {
          if (tries >= 200 || child.exitCode !== null) throw new Error(said, { cause: error })
          await sleep(100)
        }
      }
    } finally {
      // process 1 of a container ignores what it has no handler for
      if (runner === 'docker') await dockerd.docker('kill', image).catch(() => {})
      child.kill('SIGTERM')
      await ended
    }
  }

  test('FROM scratch, ADD a static program, CMD', { timeout: 60_000 }, async () => {
    await prepare('hello')
    const run = await here.plinth(['run', 'hello'])
    expect([run.code, run.stdout]).toEqual([0, 'hello\n'])
    expect(await dockerd.docker('run', '--rm', '--network', 'none', 'hello')).toBe('hello')
  })

  test('debian and apt-get install: redis answers', { timeout: 240_000 }, async () => {
    await prepare('redis')
    for (const runner of ['plinth', 'docker'] as const)
      expect([runner, await answers(runner, 'redis', ping)]).toEqual([runner, '+PONG\r\n'])
  })

  test('a Python web application answers', { timeout: 240_000 }, async () => {
    await prepare('web')
    const get = async (port: number): Promise<string> =>
      (await fetch(`http://127.0.0.1:${port}/you`)).text()
    for (const runner of ['plinth', 'docker'] as const)
      expect([runner, await answers(runner, 'web', get)]).toEqual([
        runner,
        'hello you from user 33',
      ])
  })

  test('a C program, compiled in a stage, alone on scratch', { timeout: 300_000 }, async () => {
    await prepare('compiled')
    const run = await here.plinth(['run', 'compiled', 'you'])
    expect([run.code, run.stdout]).toEqual([0, 'hello you\n'])
    expect(await dockerd.docker('run', '--rm', '--network', 'none', 'compiled')).toBe('hello world')
  })

  test('each is the same image again, for another user', { timeout: 600_000 }, async () => {
    const user = testUser()
    const store = path.join(here.home, 'his-store')
    const first: [string, string][] = []
    for (const name of Object.keys(dockerfiles)) first.push([name, await prepare(name)])
    spawnSync('cp', ['-a', here.store, store])
    here.giveTo(user)
    const again: [string, string][] = []
    for (const [name] of first)
      again.push([
        name,
        await build(name, { user, store }, '--no-cache', '-o', path.join(here.home, 'again.tar')),
      ])
    expect(again).toEqual(first)
  })
})

const alpine = needs(...wanted, 'alpine')

describe.skipIf(!alpine.available)('FROM alpine, apk add, CMD', { timeout: 120_000 }, () => {
  const key = testSigner('first@example.org-1.rsa.pub')
  const greeting: ApkSpec = {
    name: 'greeting',
    arch: 'noarch',
    fields: { depend: '/bin/sh' },
    scripts: { 'post-install': '#!/bin/sh\necho installed >/usr/share/greeting\n' },
    files: {
      'usr/bin/greet': {
        content: '#!/bin/sh\necho "greetings, $1"; cat /usr/share/greeting\n',
        mode: 0o755,
      },
    },
  }
  let server: FaultServer
  let here: Bench
  let dockerd: PrivateDockerd
  beforeAll(async () => {
    const official = await readMinirootfs(hostArch!)
    const specs = official.packages.map(({ spec }) => spec)
    const arch = hostArch!
    server = await startServer(
      buildApkRepository({ packages: [...specs, greeting], signers: [key], arch }),
    )
    here = await bench()
    const packages = ['alpine-baselayout', 'alpine-keys', 'apk-tools', 'busybox', 'libc-utils']
    const spec = { repositories: [server.url], keys: [key], packages, scripts: 'run' } as const
    const recipe = here.file('alpine.ts', localApkRecipe(spec))
    digestOf(await here.plinth(['build', recipe, '-t', 'alpine:3.20']))
    here.file(
      'app/Dockerfile',
      'FROM alpine:3.20\nRUN apk add --no-cache greeting\nENTRYPOINT ["greet"]\nCMD ["stranger"]\n',
    )
    dockerd = await startDockerd()
  }, 180_000)
  afterAll(async () => {
    await dockerd?.[Symbol.asyncDispose]()
    await server?.stop()
    here?.[Symbol.dispose]()
  }, 60_000)

  test('works under plinth run and in Docker, and is the same for every user', async () => {
    const args = [
      'build',
      './app',
      '-t',
      'app',
      '--progress',
      'plain',
      '--no-cache',
      '-o',
      'app.tar',
    ]
    const digest = digestOf(await here.plinth(args))
    const run = await here.plinth(['run', 'app', 'friend'])
    expect([run.code, run.stdout]).toEqual([0, 'greetings, friend\ninstalled\n'])
    await dockerd.docker('load', '-i', path.join(here.home, 'app.tar'))
    const said = await dockerd.docker('run', '--rm', '--network', 'none', 'app')
    expect(said).toBe('greetings, stranger\ninstalled')
    const user = testUser()
    here.giveTo(user)
    expect(digestOf(await here.plinth(args, { user }))).toBe(digest)
  })
})

/** What a Redis server says to PING. */
function ping(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new Socket()
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString())
    })
    socket.connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
  })
}

/** A port of the loopback interface that nobody listens on just now. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
