import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDockerd, type PrivateDockerd } from '../support/dockerd.ts'
import { device, dir, file, link, tarOf } from '../support/layer.ts'
import { needs } from '../support/needs.ts'
import { builtPlinth, plinth, type Ended } from '../support/plinth.ts'

const available = needs('linux', 'root', 'busybox', 'docker', 'dockerd', 'unshare').available

const changes = [
  'ENV A=b GREETING="hello there"',
  'ENV C=$A',
  'WORKDIR w/x',
  'USER alice',
  'VOLUME /data',
  'EXPOSE 80 53/udp',
  'LABEL a=b',
  'HEALTHCHECK --interval=5s CMD true',
  'ONBUILD RUN x',
  'CMD echo $GREETING',
]

describe.skipIf(!available)('a tar, imported and run', () => {
  let home: string
  let binary: string
  let dockerd: PrivateDockerd
  const store = (): string => path.join(home, 'store')
  const run = (...args: readonly string[]): Promise<Ended> =>
    plinth(['run', '--store', store(), ...args])

  beforeAll(async () => {
    binary = await builtPlinth()
    home = mkdtempSync(path.join(tmpdir(), 'plinth-run-'))
    const tar = await tarOf([
      dir('bin'),
      file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 }),
      ...['sh', 'cat', 'env', 'id', 'ls', 'sleep', 'pwd', 'hostname', 'stat', 'find'].map((name) =>
        link(`bin/${name}`, 'busybox'),
      ),
      dir('dev'),
      device('dev/null', 1, 3),
      dir('etc'),
      file('etc/passwd', 'root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n'),
      file('etc/group', 'root:x:0:\nalice:x:1000:\nextra:x:50:alice\n'),
      dir('home'),
      dir('home/alice', { uid: 1000, gid: 1000, mode: 0o700 }),
    ])
    writeFileSync(path.join(home, 'rootfs.tar'), tar)
    dockerd = await startDockerd()
    const args = [...changes.flatMap((change) => ['--change', change]), '--platform', 'linux/amd64']
    const output = ['-o', path.join(home, 'image.tar'), '--store', store()]
    const imported = await plinth(
      ['import', path.join(home, 'rootfs.tar'), 'tried:1', ...output].concat(args),
    )
    if (imported.code !== 0) throw new Error(imported.stderr)
    await dockerd.docker('import', ...args, path.join(home, 'rootfs.tar'), 'docker:1')
    await dockerd.docker('load', '-i', path.join(home, 'image.tar'))
  }, 120_000)
  afterAll(async () => {
    await dockerd?.[Symbol.asyncDispose]()
    rmSync(home, { recursive: true, force: true })
  })

  /** Fields that Docker fills with what a container of its own once was. */
  const configOf = async (name: string): Promise<unknown> => {
    const [found] = JSON.parse(await dockerd.docker('inspect', name)) as {
      Config: Record<string, unknown>
      Architecture: string
      Os: string
      Comment: string
    }[]
    const { Config, Architecture, Os, Comment } = found!
    const set = Object.entries(Config).filter(
      ([, value]) => value !== null && value !== '' && value !== false,
    )
    return { Config: Object.fromEntries(set), Architecture, Os, Comment }
  }

  test('docker import makes the same configuration and the same files', async () => {
    expect(await configOf('tried:1')).toEqual(await configOf('docker:1'))
    // what Docker makes in every container, and directories it so makes younger
    const made =
      /^\/(?:\.dockerenv|data|w|w\/x|etc\/(?:mtab|hosts|hostname|resolv\.conf))? |^\/(?:etc|dev|proc|sys) /
    const listing = async (name: string): Promise<readonly string[]> => {
      const script =
        'find / -xdev -exec stat -c "%n %f %u %g %Y %s" {} + ; find /bin /etc -xdev -type l -exec ls -l {} + '
      const argv = ['--rm', '--network', 'none', '--user', '0', name, '/bin/sh', '-c', script]
      const lines = (await dockerd.docker('run', ...argv)).split('\n')
      return lines.filter((line) => !made.test(line) && !line.includes('mtab')).toSorted()
    }
    const wanted = await listing('docker:1')
    expect(wanted.find((line) => line.startsWith('/home/alice '))).toContain(' 41c0 1000 1000 ')
    expect(await listing('tried:1')).toEqual(wanted)
  })

  test('starts as docker starts it', async () => {
    const own = await dockerd.docker('run', '--rm', '--network', 'none', 'docker:1')
    // the helper trims what docker wrote
    expect(await run('tried:1')).toEqual({
      code: 0,
      signal: null,
      stdout: `${own}
`,
      stderr: '',
    })
    const argv = ['--rm', '--network', 'none', '--hostname', 'h', 'docker:1', 'sh', '-c']
    const theirs = await dockerd.docker('run', ...argv, 'id; pwd; env')
    const ours = await run('--hostname', 'h', 'tried:1', 'sh', '-c', 'id; pwd; env')
    const lines = (text: string): string[] => text.trim().split('\n').toSorted()
    expect(lines(ours.stdout)).toEqual(lines(theirs))
  })

  test('an archive and a digest are run as well', async () => {
    expect((await run(path.join(home, 'image.tar'), 'pwd')).stdout).toBe('/w/x\n')
    const again = await plinth(['import', '--store', store(), path.join(home, 'rootfs.tar')])
    expect((await run(again.stdout.trim(), '/bin/pwd')).stdout).toBe('/\n')
  })

  test.each([
    { name: 'its exit code', args: ['tried:1', 'sh', '-c', 'exit 7'], code: 7 },
    { name: 'a signal', args: ['tried:1', 'sh', '-c', 'kill -9 $$'], code: 137 },
    { name: 'a program that is not there', args: ['tried:1', '/nothing'], code: 127 },
    { name: 'a name that is not there', args: ['nothing:1'], code: 65 },
    { name: 'an unknown user', args: ['-u', 'bob', 'tried:1'], code: 1 },
    { name: 'a terminal where there is none', args: ['-t', 'tried:1'], code: 64 },
    { name: 'a volume that is not there', args: ['-v', './no:/x', 'tried:1'], code: 64 },
  ])('exits with $code for $name', async ({ args, code }) => {
    expect(await run(...args)).toMatchObject({ code, stdout: '' })
  })

  test('options take the place of what the image says', async () => {
    const here = path.join(home, 'here')
    mkdirSync(here)
    writeFileSync(path.join(here, 'f'), 'content')
    const who = [
      '-u',
      '0:50',
      '-w',
      '/tmp/new',
      '-e',
      'A=c',
      '-e',
      'HOME',
      '--entrypoint',
      '/bin/sh',
    ]
    const where = [
      '-v',
      `${here}:/m`,
      '-v',
      `${here}/f:/one:ro`,
      '--network',
      'none',
      'tried:1',
      '-c',
    ]
    const script =
      'id -u; id -g; pwd; echo $A $HOME; cat /m/f /one; echo; echo new >/m/g; (echo x >/one) 2>/dev/null || echo ro'
    const ended = await run(...who, ...where, script)
    expect(ended.stdout).toBe(`0\n50\n/tmp/new\nc ${process.env['HOME']}\ncontentcontent\nro\n`)
    expect(readFileSync(path.join(here, 'g'), 'utf8')).toBe('new\n')
  })

  test('what it writes is gone, and bytes pass untouched', async () => {
    await run('-u', '0', 'tried:1', 'sh', '-c', 'echo x >/bin/new; echo y >/data/z')
    expect((await run('tried:1', 'ls', '/bin/new', '/data/z')).code).not.toBe(0)
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) & 255))
    const argv = [binary, 'run', '--store', store(), '-i', 'tried:1', 'cat']
    const piped = spawnSync(process.execPath, argv, { input: bytes })
    expect(piped.stdout.equals(bytes)).toBe(true)
    // without -i nothing is read
    const closed = spawnSync(
      process.execPath,
      argv.filter((word) => word !== '-i'),
      { input: bytes },
    )
    expect(closed).toMatchObject({ status: 0, stdout: Buffer.alloc(0) })
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const)(
    '%s goes to the program, which may live on',
    async (signal) => {
      const name = signal.slice(3)
      const script = `trap 'echo got; exit 3' ${name}; echo ready >&2; while :; do sleep 0.05; done`
      const argv = [binary, 'run', '--store', store(), 'tried:1', 'sh', '-c', script]
      const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
      let out = ''
      child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)))
      await once(child.stderr, 'data')
      child.kill(signal)
      const [code] = (await once(child, 'close')) as [number]
      expect({ code, out }).toEqual({ code: 3, out: 'got\n' })
    },
  )

  test('kill -9 of plinth ends the program, and leaves nothing', async () => {
    const script = 'echo ready; exec sleep 98765'
    const argv = [binary, 'run', '--store', store(), 'tried:1', 'sh', '-c', script]
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    const running = (): boolean => spawnSync('pgrep', ['-f', 'sleep 98765$']).status === 0
    expect(running()).toBe(true)
    child.kill('SIGKILL')
    const scratch = (): string[] => readdirSync(path.join(store(), 'scratch'))
    for (let i = 0; i < 100 && (running() || scratch().length > 0); i++) await sleep(100)
    expect({ running: running(), scratch: scratch() }).toEqual({ running: false, scratch: [] })
  }, 30_000)
})
