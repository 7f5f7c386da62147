import { describe, expect, it, test } from 'vitest'
import { interruptible, type Forwarded } from '../../src/cli/interrupt.ts'
import { run } from '../../src/cli/run.ts'
import type { BuildRequest, StageDeps, Stages } from '../../src/cli/stages.ts'
import { engineOptions, storePath } from '../../src/cli/surroundings.ts'
import { sha256 } from '../../src/digest.ts'
import { PlinthError } from '../../src/errors.ts'
import type { Plan } from '../../src/plan.ts'
import { parsePlatform } from '../../src/platform.ts'
import { fakeIo, type FakeIo } from '../support/terminal.ts'

const plan: Plan = {
  recipe: 'debian',
  platform: parsePlatform('linux/amd64'),
  distribution: 'deb',
  variant: 'minbase',
  architecture: 'amd64',
  sources: [],
  packages: [
    planned('libc6', 2_900_000, [
      { kind: 'dependency', of: 'bash', field: 'Pre-Depends', relation: 'libc6 (>= 2.38)' },
    ]),
    planned('bash', 1_500_000, [
      { kind: 'dependency', of: 'base-files', field: 'Depends', relation: 'bash' },
      { kind: 'essential' },
    ]),
    planned('curl', 300_000, [{ kind: 'asked', request: 'curl' }]),
  ],
  epoch: 0,
  skipped: [],
  files: {},
}

const notAsked = (): never => {
  throw new Error('nothing asked for this stage')
}

interface Ended {
  readonly io: FakeIo
  readonly code: number
  readonly asked: { readonly request?: BuildRequest; readonly deps?: StageDeps }
}

async function plinth(
  argv: readonly string[],
  stages: Partial<Stages> = {},
  io = fakeIo(),
): Promise<Ended> {
  const asked: { request?: BuildRequest; deps?: StageDeps } = {}
  const code = await run(argv, {
    io,
    signal: new AbortController().signal,
    onForcedExit() {},
    forward: notAsked,
    stages: () =>
      Promise.resolve({
        plan: () => Promise.resolve(plan),
        build(request, deps) {
          Object.assign(asked, { request, deps })
          return Promise.resolve({ digest: sha256(''), size: 5, cached: false })
        },
        import: notAsked,
        run: notAsked,
        buildDockerfile: () => Promise.reject(new Error('a recipe is no Dockerfile')),
        ...stages,
      }),
  })
  return { io, code, asked }
}

describe('usage', () => {
  it.each([
    { argv: [], says: 'no command is given' },
    { argv: ['bild', 'debian'], says: "unknown command 'bild'", hint: 'did you mean build?' },
    { argv: ['build', 'debian', '--tga', 'x'], says: '--tga', hint: 'did you mean --tag?' },
    { argv: ['build'], says: "missing required argument 'recipe'" },
    { argv: ['build', 'debian', 'ubuntu'], says: 'too many arguments' },
    { argv: ['build', 'debian', '--progress', 'fancy'], says: 'auto, tty, plain, json' },
    {
      argv: ['build', 'debian', '--skip', 'check/valid-untill'],
      says: 'check/valid-untill',
      hint: 'check/valid-until?',
    },
    { argv: ['build', 'debian', '-o', '-', '--json'], says: 'both the image and --json' },
    { argv: ['build', 'debian', '-o', '-', '-o', '-'], says: 'one output only' },
    { argv: ['build', 'debina'], says: 'no recipe is called debina', hint: 'did you mean debian?' },
    { argv: ['build', 'debian', '-p', 'suite=potato'], says: 'suite: expected one of' },
    { argv: ['build', 'debian', '--platform', 'win/x'], says: "'win/x' is not a platform" },
    { argv: ['build', 'debian', '-t', 'No Name'], says: 'No Name' },
    { argv: ['help', 'bild'], says: "no command 'bild'", hint: 'did you mean build?' },
  ])('$argv exits with 64 and says so on standard error', async ({ argv, says, hint = '' }) => {
    const { io, code, asked } = await plinth(argv)
    expect(io.stderr.text).toContain(says)
    expect(io.stderr.text).toContain(hint)
    expect({ code, stdout: io.stdout.text, asked }).toEqual({ code: 64, stdout: '', asked: {} })
  })

  it.each([['--help'], ['help'], ['build', '--help'], ['help', 'build']])(
    '%s %s explains on standard output',
    async (...argv) => {
      const { io, code } = await plinth(argv)
      expect(code).toBe(0)
      expect(io.stdout.text).toContain('Usage: plinth')
      expect(io.stderr.text).toBe('')
    },
  )
})

describe('plinth build', () => {
  it('hands the pipeline what was asked and prints the digest alone', async () => {
    const io = fakeIo({ env: { PLINTH_STORE: '/data/store', http_proxy: 'http://proxy:3128' } })
    const argv =
      'build debian -p suite=sid -p include=a,b -t base:1 -t base:2 -o out.tar --no-cache --skip check/valid-until --platform arm64'
    const { code, asked } = await plinth(argv.split(' '), {}, io)
    expect({ code, stdout: io.stdout.text }).toEqual({ code: 0, stdout: `${sha256('')}\n` })
    expect(asked.request).toMatchObject({
      recipe: { name: 'debian' },
      params: { suite: 'sid', include: ['a', 'b'] },
      names: ['docker.io/library/base:1', 'docker.io/library/base:2'],
      outputs: [{ name: 'archive' }],
      platform: 'linux/arm64',
      skip: ['check/valid-until'],
      compression: 'gzip',
      noCache: true,
    })
    expect(asked.deps).toMatchObject({ store: '/data/store', uid: 1000, env: io.env })
  })

  it.each([
    { outputs: [], compression: 'gzip' },
    { outputs: ['-o', 'type=rootfs,dest=a.tar'], compression: 'none' },
    { outputs: ['-o', 'type=dir,dest=a', '-o', 'type=rootfs,dest=a.tar'], compression: 'none' },
    { outputs: ['-o', 'type=rootfs,dest=a.tar.gz'], compression: 'gzip' },
    { outputs: ['-o', 'type=dir,dest=a', '-o', 'a.tar'], compression: 'gzip' },
    { outputs: ['-o', 'type=dir,dest=a', '--load'], compression: 'gzip' },
  ])(
    'compresses only what some output holds compressed: $outputs',
    async ({ outputs, compression }) => {
      const { asked } = await plinth(['build', 'debian', ...outputs])
      expect(asked.request?.compression).toBe(compression)
    },
  )

  it('prints JSON with --json and nothing when the image itself goes to standard output', async () => {
    const json = await plinth(['build', 'debian', '-t', 'base:1', '--json'])
    expect(JSON.parse(json.io.stdout.text)).toMatchObject({ digest: sha256(''), names: ['base:1'] })
    const piped = await plinth(['build', 'debian', '-o', '-'])
    expect(piped.io.stdout.text).toBe('')
  })

  it('renders progress on standard error and a failure after it', async () => {
    const { io, code } = await plinth(['build', 'debian', '--progress', 'plain'], {
      build(_, { emit }) {
        emit({ type: 'step-started', id: 'a', title: 'fetch' })
        emit({ type: 'step-failed', id: 'a' })
        throw new PlinthError('UNREACHABLE', 'cannot get it', { hint: 'wait' })
      },
    })
    expect(code).toBe(69)
    expect(io.stderr.text).toBe(
      'fetch ...\nfetch: failed after 0.0 s\nplinth: cannot get it (UNREACHABLE)\n  hint: wait\n',
    )
  })

  it('tells failures as JSON where progress is JSON', async () => {
    const { io } = await plinth(['build', 'debian', '--progress', 'json'], {
      build: () =>
        Promise.reject(new PlinthError('UNREACHABLE', 'cannot', { facts: { url: 'u' } })),
    })
    expect(JSON.parse(io.stderr.text)).toMatchObject({
      type: 'error',
      code: 'UNREACHABLE',
      exitCode: 69,
      message: 'cannot',
      facts: { url: 'u' },
    })
  })

  it('shows a stack only with PLINTH_DEBUG', async () => {
    const stages = { build: () => Promise.reject(new TypeError('x')) }
    const quiet = await plinth(['build', 'debian'], stages)
    expect(quiet.io.stderr.text).not.toContain('at ')
    const debug = await plinth(['build', 'debian'], stages, fakeIo({ env: { PLINTH_DEBUG: '1' } }))
    expect(debug.io.stderr.text).toMatch(/TypeError: x\n +at /)
  })

  it('is interrupted whatever the abort looked like where it struck', async () => {
    const io = fakeIo()
    const controller = new AbortController()
    const reason = new PlinthError('INTERRUPTED', 'interrupted by SIGINT')
    const code = await run(['build', 'debian'], {
      io,
      signal: controller.signal,
      onForcedExit() {},
      forward: notAsked,
      stages: () =>
        Promise.resolve({
          plan: () => Promise.resolve(plan),
          build() {
            controller.abort(reason)
            throw new Error('premature close')
          },
          import: notAsked,
          run: notAsked,
          buildDockerfile: () => Promise.reject(new Error('a recipe is no Dockerfile')),
        }),
    })
    expect({ code, stderr: io.stderr.text }).toEqual({
      code: 130,
      stderr: 'plinth: interrupted by SIGINT (INTERRUPTED)\n',
    })
  })
})

describe('plinth plan', () => {
  it('prints packages in order with sizes, reasons and totals', async () => {
    const { io } = await plinth(['plan', 'debian'])
    expect(io.stdout.text).toMatchInlineSnapshot(`
      "#  PACKAGE  VERSION  ARCH   DOWNLOAD  INSTALLED  WHY
      1  libc6    1.0-1    amd64    2.9 MB    11.6 MB  Pre-Depends of bash: libc6 (>= 2.38)
      2  bash     1.0-1    amd64    1.5 MB     6.0 MB  essential (and 1 more)
      3  curl     1.0-1    amd64  300.0 kB     1.2 MB  asked for: curl

      3 packages, 4.7 MB to download, 18.8 MB installed
      "
    `)
  })

  it('prints the plan itself with --json', async () => {
    const { io } = await plinth(['plan', 'debian', '--json'])
    expect(JSON.parse(io.stdout.text)).toEqual(JSON.parse(JSON.stringify(plan)))
  })
})

describe('plinth recipes', () => {
  it('lists every bundled recipe with its params', async () => {
    const { io } = await plinth(['recipes'])
    expect(io.stdout.text).toContain('alpine: Alpine')
    expect(io.stdout.text).toContain('debian: Debian')
    expect(io.stdout.text).toContain('ubuntu: Ubuntu')
    expect(io.stdout.text).toMatch(/-p suite=bookworm\|trixie\|.*default trixie/)
  })
})

describe('interruptible()', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s aborts once, the second ends at once',
    (name) => {
      const listeners = new Map<string, (signal: typeof name) => void>()
      const exits: number[] = []
      const done: string[] = []
      const { signal, onForcedExit } = interruptible({
        on: (signalName, listener) => listeners.set(signalName, listener),
        off: (signalName) => listeners.delete(signalName),
        exit: (code) => exits.push(code),
      })
      onForcedExit(() => done.push('restored'))
      listeners.get(name)?.(name)
      expect(signal.reason).toMatchObject({ code: 'INTERRUPTED' })
      expect({ exits, done }).toEqual({ exits: [], done: [] })
      listeners.get(name)?.(name)
      expect({ exits, done }).toEqual({ exits: [130], done: ['restored'] })
    },
  )
})

test('forwarded signals stop nothing here, until they are no longer', () => {
  const listeners = new Map<string, Set<(signal: Forwarded) => void>>()
  const of = (name: string) => listeners.get(name) ?? new Set()
  const exits: number[] = []
  const { signal, forward } = interruptible({
    on: (name, listener) => listeners.set(name, of(name).add(listener)),
    off: (name, listener) => of(name).delete(listener),
    exit: (code) => exits.push(code),
  })
  const send = (name: Forwarded): void => of(name).forEach((listener) => listener(name))
  const got: string[] = []
  const stop = forward((name) => got.push(name))
  const all = ['SIGINT', 'SIGTERM', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const
  all.forEach(send)
  expect(got).toEqual(all)
  expect({ aborted: signal.aborted, exits }).toEqual({ aborted: false, exits: [] })
  stop()
  expect(of('SIGQUIT').size).toBe(0)
  send('SIGINT')
  expect(signal.aborted).toBe(true)
  expect(got).toHaveLength(all.length)
})

describe('surroundings', () => {
  it.each([
    { name: '--store', given: 'here', env: { PLINTH_STORE: '/p' }, expected: '/nowhere/here' },
    { name: 'PLINTH_STORE', env: { PLINTH_STORE: '/p', XDG_DATA_HOME: '/x' }, expected: '/p' },
    { name: 'XDG_DATA_HOME', env: { XDG_DATA_HOME: '/x' }, expected: '/x/plinth' },
    {
      name: 'a relative XDG_DATA_HOME',
      env: { XDG_DATA_HOME: 'x' },
      expected: '/home/someone/.local/share/plinth',
    },
    { name: 'nothing', env: {}, expected: '/home/someone/.local/share/plinth' },
  ])('the store is found by $name', ({ given, env, expected }) => {
    expect(storePath(given, fakeIo({ env }))).toBe(expected)
  })

  it('tries DOCKER_HOST alone, else the usual sockets', () => {
    const named = engineOptions(fakeIo({ env: { DOCKER_HOST: 'tcp://docker:2375' } }))
    expect(named.endpoints).toEqual(['tcp://docker:2375'])
    const usual = engineOptions(fakeIo({ env: { XDG_RUNTIME_DIR: '/run/user/7' } }))
    expect(usual.endpoints).toContain('unix:///var/run/docker.sock')
    expect(usual.endpoints).toContain('unix:///run/user/7/podman/podman.sock')
  })
})

function planned(name: string, size: number, reasons: Plan['packages'][number]['reasons']) {
  return {
    name,
    version: '1.0-1',
    architecture: 'amd64',
    digest: sha256(name),
    size,
    installedSize: size * 4,
    path: `pool/${name}.deb`,
    source: 0,
    automatic: false,
    core: true,
    configureFirst: [],
    reasons,
  }
}
