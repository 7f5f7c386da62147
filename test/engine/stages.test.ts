import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Change } from '../../src/entry.ts'
import type { RunRequest } from '../../src/ports.ts'
import { codeOf } from '../support/streams.ts'
import { contextDirectory, tryDockerfile } from '../support/dockerfile-build.ts'
import { tree } from '../support/tree.ts'

const history = (built: Awaited<ReturnType<typeof tryDockerfile>>): readonly unknown[] =>
  built.image.config.history.map((entry) =>
    entry.empty_layer ? entry.created_by : [entry.created_by],
  )

describe('an image says what its Dockerfile says', () => {
  it('its configuration and history in the shape of BuildKit', async () => {
    const built = await tryDockerfile(`FROM scratch
MAINTAINER me
ARG V=1
ENV A=1 B="x y"
ENV A=2
LABEL l=1 m="2 3"
EXPOSE 80 53/udp
VOLUME /v /w
STOPSIGNAL SIGINT
HEALTHCHECK --interval=90s --retries=3 CMD true
SHELL ["/bin/ash", "-c"]
ENTRYPOINT run "me"
CMD ["a", "b c"]
USER 7
WORKDIR d
RUN make
ONBUILD RUN x
`)
    expect(built.image.config).toMatchObject({
      author: 'me',
      created: '1970-01-01T00:00:00Z',
      config: {
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=2', 'B=x y'],
        Labels: { l: '1', m: '2 3' },
        ExposedPorts: { '80/tcp': {}, '53/udp': {} },
        Volumes: { '/v': {}, '/w': {} },
        StopSignal: 'SIGINT',
        Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 90e9, Retries: 3 },
        Shell: ['/bin/ash', '-c'],
        Entrypoint: ['/bin/ash', '-c', 'run "me"'],
        Cmd: ['a', 'b c'],
        User: '7',
        WorkingDir: '/d',
        OnBuild: ['RUN x'],
      },
    })
    expect(history(built)).toEqual([
      'MAINTAINER me',
      'ARG V=1',
      'ENV A=1 B=x y',
      'ENV A=2',
      'LABEL l=1 m=2 3',
      'EXPOSE [53/udp 80/tcp]',
      'VOLUME [/v /w]',
      'STOPSIGNAL SIGINT',
      `HEALTHCHECK &{["CMD-SHELL" "true"] "1m30s" "0s" "0s" "0s" '\\x03'}`,
      'SHELL [/bin/ash -c]',
      'ENTRYPOINT ["/bin/ash" "-c" "run \\"me\\""]',
      'CMD ["a" "b c"]',
      'USER 7',
      ['WORKDIR /d'],
      ['RUN |1 V=1 /bin/ash -c make # buildkit'],
    ])
    expect(await built.listing(0)).toEqual({ '/d': 'directory 0755 7:0' })
  })

  it('a new ENTRYPOINT drops the CMD of the base, not its own', async () => {
    const text =
      'FROM scratch AS a\nCMD ["x"]\nFROM a AS b\nENTRYPOINT ["y"]\nFROM a AS c\nCMD ["z"]\nENTRYPOINT ["y"]\n'
    const dropped = await tryDockerfile(text, { target: 'b' })
    expect(dropped.image.config.config.Cmd).toBeUndefined()
    const kept = await tryDockerfile(text, { target: 'c' })
    expect(kept.image.config.config.Cmd).toEqual(['z'])
  })

  it('triggers of the base are carried out first, and are gone', async () => {
    const base = await tryDockerfile('FROM scratch\nONBUILD COPY a /a\nONBUILD ENV X=1\n')
    const context = contextDirectory({ a: 'a' })
    const built = await tryDockerfile('FROM base\nENV Y=$X\n', {
      context,
      store: base.store,
      images: { base: base.image },
    })
    expect(await built.listing()).toEqual({ '/a': 'file 0644 0:0 a' })
    expect(built.image.config.config).toMatchObject({ Env: expect.arrayContaining(['X=1', 'Y=1']) })
    expect(built.image.config.config.OnBuild).toBeUndefined()
  })

  it('its time is that of the newest image it is made from', async () => {
    const old = await tryDockerfile('FROM scratch\n', { epoch: 1_000 })
    const young = await tryDockerfile('FROM scratch\nCOPY <<EOF /x\nEOF\n', { epoch: 2_000 })
    const images = { old: old.image, young: young.image }
    const text = 'FROM old\nCOPY --from=young /x /y\n'
    const built = await tryDockerfile(text, { images, store: young.store })
    expect(built.image.config.created).toBe('1970-01-01T00:33:20Z')
  })
})

describe('RUN', () => {
  const made = (files: Parameters<typeof tree>[0]): readonly Change[] => tree(files)

  it('sees variables, the user and the directory; what it changes is a layer', async () => {
    const requests: RunRequest[] = []
    const built = await tryDockerfile(
      `FROM scratch
COPY <<EOF /etc/passwd
app:x:5:6::/home/app:/bin/sh
EOF
ARG V=1
ENV E=\${V}2
USER app
WORKDIR /w
RUN --network=host one two
`,
      {
        run: (request) => {
          requests.push(request)
          return [...made({ 'w/new': 'x' }), { type: 'whiteout', path: 'etc/passwd' }]
        },
      },
    )
    expect(requests).toMatchObject([
      {
        argv: ['/bin/sh', '-c', 'one two'],
        env: { V: '1', E: '12', HOME: '/home/app' },
        cwd: '/w',
        user: { uid: 5, gid: 6 },
        network: 'host',
      },
    ])
    expect(await built.listing(2)).toMatchObject({
      '/etc': 'directory 0755 0:0',
      '/etc/passwd': 'whiteout',
      '/w/new': 'file 0644 0:0 x',
    })
    expect(Object.keys(await built.listing())).toEqual(['/etc', '/w', '/w/new'])
  })

  it('that changes nothing is an empty layer', async () => {
    const built = await tryDockerfile('FROM scratch\nRUN true\n')
    expect(built.image.layers).toHaveLength(1)
    expect(await built.listing(0)).toEqual({})
  })

  it("a cache begins with a stage's files once, and with others when they change", async () => {
    const text = (content: string): string => `FROM scratch AS start
COPY <<EOF /start/d/s
${content}
EOF
FROM scratch
RUN --mount=type=cache,target=/c,from=start,source=/start see
`
    const seen: string[] = []
    const run = ({ mounts }: RunRequest): readonly Change[] => {
      const [mount] = mounts!
      if (mount?.type !== 'directory') throw new Error('no cache')
      const file = path.join(mount.path, 'd/s')
      seen.push(readFileSync(file, 'utf8'))
      writeFileSync(file, 'written')
      return []
    }
    const { store } = await tryDockerfile(text('one'), { run })
    await tryDockerfile(text('one'), { run, store, noCache: true })
    await tryDockerfile(text('two'), { run, store })
    expect(seen).toEqual(['one\n', 'written', 'two\n'])
    const missing = text('one').replace('source=/start', 'source=/start/d/s')
    expect(await codeOf(tryDockerfile(missing, { run, store }))).toBe('COPY_SOURCE_MISSING')
  })

  it('makes the working directory again that an earlier one removed, and keeps it', async () => {
    const text = 'FROM scratch\nUSER 7\nWORKDIR /a/b\nRUN remove\nRUN see\n'
    const run = ({ argv }: RunRequest): readonly Change[] =>
      argv[2] === 'remove' ? [{ type: 'whiteout', path: 'a' }] : made({ see: 'x' })
    const built = await tryDockerfile(text, { run })
    expect(await built.listing(2)).toEqual({
      '/a': 'directory 0755 0:0',
      '/a/b': 'directory 0755 0:0',
      '/see': 'file 0644 0:0 x',
    })
  })

  it('is done once for what it sees, whatever labels the image has', async () => {
    let runs = 0
    const run = (): readonly Change[] => {
      runs++
      return made({ x: 'x' })
    }
    const first = await tryDockerfile('FROM scratch\nRUN a\n', { run })
    const { store } = first
    const labelled = await tryDockerfile('FROM scratch\nLABEL a=1\nRUN a\n', { run, store })
    expect([runs, labelled.cached]).toEqual([1, true])
    await tryDockerfile('FROM scratch\nENV a=1\nRUN a\n', { run, store })
    await tryDockerfile('FROM scratch\nWORKDIR /w\nRUN a\n', { run, store })
    await tryDockerfile('FROM scratch\nRUN b\n', { run, store })
    await tryDockerfile('FROM scratch\nRUN --network=host a\n', { run, store })
    expect(runs).toBe(5)
    const buildArgs = { HTTP_PROXY: 'http://proxy' }
    expect((await tryDockerfile('FROM scratch\nRUN a\n', { run, store, buildArgs })).cached).toBe(
      true,
    )
  })

  it('that fails ends the build with its place and its last lines, and leaves no layer', async () => {
    const failing = tryDockerfile('FROM scratch\n\nRUN false\n', {
      run: ({ onLine }) => {
        onLine?.('stderr', 'what went wrong')
        return 3
      },
    })
    await expect(failing).rejects.toMatchObject({
      code: 'RUN_FAILED',
      message: 'Dockerfile:3: the command failed: exit code 3\n  | what went wrong',
      facts: { code: 3, line: 3 },
    })
  })

  it('a here-document with a #! line is a file the shell calls; another text is run again', async () => {
    const requests: RunRequest[] = []
    const run = (request: RunRequest): readonly Change[] => (requests.push(request), [])
    const text = (said: string): string =>
      `FROM scratch\nSHELL ["/bin/ash", "-c"]\nRUN <<EOF\n#!/bin/awk -f\n${said}\nEOF\n`
    const built = await tryDockerfile(text('one'), { run })
    expect(requests).toMatchObject([
      {
        argv: ['/bin/ash', '-c', '/dev/pipes/EOF'],
        mounts: [
          {
            type: 'file',
            target: '/dev/pipes/EOF',
            content: Buffer.from('#!/bin/awk -f\none\n'),
            mode: 0o755,
          },
        ],
      },
    ])
    expect(history(built).at(-1)).toEqual(['RUN /bin/ash -c /dev/pipes/EOF # buildkit'])
    expect((await tryDockerfile(text('one'), { run, store: built.store })).cached).toBe(true)
    expect((await tryDockerfile(text('two'), { run, store: built.store })).cached).toBe(false)
  })

  it('secrets are a file or a variable, masked in what it says, and no part of the image', async () => {
    const requests: RunRequest[] = []
    const text = 'FROM scratch\nRUN --mount=type=secret,id=t --mount=type=secret,id=t,env=T cat\n'
    const built = await tryDockerfile(text, {
      secrets: { t: 'hunter2' },
      run: (request) => {
        requests.push(request)
        request.onLine?.('stdout', 'it is hunter2')
        return []
      },
    })
    expect(requests[0]).toMatchObject({
      env: { T: 'hunter2' },
      mounts: [{ type: 'file', target: '/run/secrets/t', mode: 0o400, uid: 0, gid: 0 }],
    })
    expect(built.events).toContainEqual(
      expect.objectContaining({ type: 'output', line: 'it is ***' }),
    )
    expect(JSON.stringify(built.image)).not.toContain('hunter2')
    const other = await tryDockerfile(text, { secrets: { t: 'changed' }, store: built.store })
    expect(other.cached).toBe(true)
  })

  it.each([
    ['RUN --mount=type=secret,id=t,required=true cat', 'SECRET_MISSING'],
    ['RUN --mount=type=ssh,required=true cat', 'SECRET_MISSING'],
    ['USER ghost\nRUN cat', 'USER_UNKNOWN'],
  ])('%j is %s', async (lines, code) => {
    expect(await codeOf(tryDockerfile(`FROM scratch\n${lines}\n`))).toBe(code)
  })
})

describe('stages', () => {
  it('only those the target needs are built', async () => {
    const ran: string[] = []
    await tryDockerfile(
      'FROM scratch AS a\nRUN a\nFROM scratch AS b\nRUN b\nFROM scratch\nCOPY --from=a / /\n',
      { run: ({ argv }) => (ran.push(argv[2]!), []) },
    )
    expect(ran).toEqual(['a'])
  })
  it('one built on another sees its ARGs, one that copies from it does not', async () => {
    const text =
      'FROM scratch AS one\nARG A=1\nFROM one AS two\nRUN on\nFROM scratch AS three\nCOPY --from=one / /\nRUN by\n'
    const on = await tryDockerfile(text, { target: 'two' })
    expect(history(on)).toEqual(['ARG A=1', ['RUN |1 A=1 /bin/sh -c on # buildkit']])
    const by = await tryDockerfile(text, { target: 'three' })
    expect(history(by).at(-1)).toEqual(['RUN /bin/sh -c by # buildkit'])
  })
  it('what one changes does not make another again when the files are the same', async () => {
    const context = contextDirectory({ a: 'a' })
    const text = (label: string): string =>
      `FROM scratch AS one\nENV X=${label}\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /b\n`
    const first = await tryDockerfile(text('1'), { context })
    const again = await tryDockerfile(text('2'), { context, store: first.store })
    expect(again.cached).toBe(true)
  })
})
