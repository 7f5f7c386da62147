import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bench, digestOf, type Bench } from '../support/builds.ts'
import { startDockerd, type PrivateDockerd } from '../support/dockerd.ts'
import { acceptedByEveryEngine, run } from '../support/engines.ts'
import { startFrozenMirror, type FrozenMirror } from '../support/frozen-mirror.ts'
import { needs } from '../support/needs.ts'

const { available } = needs(
  'linux',
  'root',
  'user-namespaces',
  'apt-mirror',
  'docker',
  'dockerd',
  'skopeo',
  'umoci',
)

describe.skipIf(!available)('a real Debian image', () => {
  let frozen: FrozenMirror
  let here: Bench
  let dockerd: PrivateDockerd
  let digest: string
  let archive: string

  beforeAll(async () => {
    frozen = await startFrozenMirror()
    here = await bench(frozen.env)
    archive = path.join(here.home, 'debian.tar')
    dockerd = await startDockerd()
    const outputs = ['-o', archive, '-o', 'type=oci,dest=layout', '-o', 'type=dir,dest=rootfs']
    const built = await here.plinth(['build', 'debian', '-t', 'base:1', ...outputs])
    digest = digestOf(built)
  }, 180_000)
  afterAll(async () => {
    await dockerd?.[Symbol.asyncDispose]()
    await frozen?.[Symbol.asyncDispose]()
    here?.[Symbol.dispose]()
  }, 60_000)

  /** Runs a shell line in a container that has the host's network. */
  const inContainer = (line: string, image = 'base:1'): Promise<string> => {
    const proxy = process.env['http_proxy']
    const env = proxy ? ['-e', `http_proxy=${proxy}`] : []
    const options = ['--rm', '--network', 'host', ...env]
    return dockerd.docker('run', ...options, image, 'sh', '-euc', line)
  }

  test('is taken by skopeo, umoci and docker, under one digest', { timeout: 120_000 }, async () => {
    const verdicts = await acceptedByEveryEngine(archive, { dockerd })
    expect(verdicts.manifest).toEqual({
      ociArchive: digest,
      ociArchiveCopy: digest,
      ociCopy: digest,
      umoci: digest,
    })
    expect(new Set(Object.values(verdicts.imageId)).size).toBe(1)
    expect(verdicts.dockerTags).toEqual(['base:1'])
    const layout = JSON.parse(await run('skopeo', 'inspect', `oci:${here.home}/layout:1`)) as object
    expect(layout).toMatchObject({ Digest: digest, Os: 'linux', Layers: [expect.any(String)] })
  })

  test('installs a package with apt in a container', { timeout: 180_000 }, async () => {
    const said = await inContainer('apt-get update && apt-get install -y hello && hello')
    expect(said).toContain('Setting up hello')
    expect(said).toContain('Hello, world!')
    expect(said).not.toMatch(/^(W|E|Err):/m)
  })

  test('satisfies dpkg: nothing half done, nothing changed', async () => {
    expect(await inContainer('dpkg --audit')).toBe('')
    // no package brings anything that the clean-up takes away
    expect(await inContainer('dpkg --verify || true')).toBe('')
    const states = await inContainer("dpkg-query -W -f '${db:Status-Status}\\n' | sort -u")
    expect(states).toBe('installed')
    // apt knows what was asked for and what only came along, and would change nothing
    expect(
      await inContainer('apt-get check && apt-get -s autoremove | grep -c ^Remv || true'),
    ).toMatch(/\b0$/)
  })

  test('starts its command, with users, names and alternatives in place', async () => {
    const said = await dockerd.docker(
      'run',
      '--rm',
      '--network',
      'none',
      'base:1',
      'bash',
      '-c',
      [
        'id -un; getent passwd www-data; readlink -f /usr/bin/awk; locale charmap 2>/dev/null || :',
        'stat -c "%a %u:%g" /tmp /etc/shadow /usr/bin/passwd; cat /etc/machine-id | wc -c',
        'ls /var/lib/apt/lists /var/cache/apt/archives | xargs',
        'test -e /usr/sbin/policy-rc.d || echo no stub; readlink /usr/bin/sync || echo itself',
        '/usr/sbin/start-stop-daemon --version | head -1',
      ].join('; '),
    )
    expect(said.split('\n')).toEqual([
      'root',
      'www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin',
      '/usr/bin/mawk',
      'ANSI_X3.4-1968',
      '1777 0:0',
      '640 0:42',
      '4755 0:0',
      '0',
      '/var/cache/apt/archives: partial /var/lib/apt/lists: partial',
      'no stub',
      'itself',
      expect.stringMatching(/^start-stop-daemon .* for Debian$/),
    ])
  })

  test('goes straight into the engine with --load', { timeout: 60_000 }, async () => {
    const args = ['build', 'debian', '-t', 'loaded:2', '--load', '--progress', 'plain']
    const loaded = await here.plinth(args, { env: { DOCKER_HOST: dockerd.host } })
    expect(digestOf(loaded)).toBe(digest)
    expect(await inContainer('cat /etc/debian_version', 'loaded:2')).toMatch(/^13/)
  })

  test('is the same tree as a directory', () => {
    const root = path.join(here.home, 'rootfs')
    expect(readdirSync(root)).toEqual(expect.arrayContaining(['etc', 'usr', 'var']))
    expect(readlinkSync(path.join(root, 'bin'))).toBe('usr/bin')
    const shadow = statSync(path.join(root, 'etc/shadow'))
    expect([shadow.mode & 0o7777, shadow.uid, shadow.gid]).toEqual([0o640, 0, 42])
    expect(lstatSync(path.join(root, 'usr/bin/passwd')).mode & 0o7777).toBe(0o4755)
    // passwords count as changed on the day of the snapshot, not of the build
    const fields = readFileSync(path.join(root, 'etc/shadow'), 'utf8').split('\n')[0]!.split(':')
    const newest = Math.max(
      ...readdirSync(path.join(root, 'etc')).map((name) =>
        Math.floor(lstatSync(path.join(root, 'etc', name)).mtimeMs / 86_400_000),
      ),
    )
    expect(Number(fields[2])).toBe(newest)
  })
})
