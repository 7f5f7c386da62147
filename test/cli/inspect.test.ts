import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { parseOutput, openOutput } from '../../src/output/spec.ts'
import { parseImageName } from '../../src/reference.ts'
import { openStore } from '../../src/store/store.ts'
import { dir, file, makeImage, whiteout } from '../support/layer.ts'
import { fakeIo } from '../support/terminal.ts'

const status = `Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2-3
Installed-Size: 7000

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: base-files
Status: install ok installed
Architecture: all
Version: 13
Installed-Size: 300
Description: files
 with more lines
`

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'plinth-inspect-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const base = [
  dir('usr'),
  dir('usr/lib'),
  file('usr/lib/os-release', 'NAME="x"\nPRETTY_NAME="Sample Linux 1"\n'),
  dir('var'),
  dir('var/lib'),
  dir('var/lib/dpkg'),
  file('var/lib/dpkg/status', status),
]

/** Writes an image of layers where `-o` says and returns its digest. */
async function write(output: string, layers: Parameters<typeof makeImage>[1][]): Promise<string> {
  const store = await openStore(path.join(folder, 'store'))
  const image = await makeImage(store, ...layers)
  const written = await openOutput(parseOutput(output), { stdout: process.stdout }).write(image, {
    store,
    names: [parseImageName('sample:1'), parseImageName('sample:latest')],
    emit() {},
    signal: new AbortController().signal,
  })
  return written.digest
}

const stages = () => Promise.reject(new Error('no pipeline is needed'))

async function inspect(...argv: readonly string[]) {
  const io = fakeIo({ cwd: folder })
  const signal = new AbortController().signal
  const code = await run(['inspect', ...argv], {
    io,
    signal,
    onForcedExit() {},
    forward: () => () => {},
    stages,
  })
  return { code, stdout: io.stdout.text, stderr: io.stderr.text }
}

describe('plinth inspect', () => {
  it.each(['image.tar', 'layout/'])('tells what is in %s', async (name) => {
    const digest = await write(path.join(folder, name) + (name.endsWith('/') ? '/' : ''), [base])
    const { code, stdout } = await inspect(name, '--packages')
    expect(code).toBe(0)
    expect(stdout).toContain(`digest      ${digest}\n`)
    expect(stdout).toMatch(/^name +sample:1, sample:latest$/m)
    expect(stdout).toMatch(/^platform +linux\/amd64$/m)
    expect(stdout).toMatch(/^system +Sample Linux 1$/m)
    expect(stdout).toMatch(/^command +\["\/bin\/sh"\]$/m)
    expect(stdout).toMatch(/^packages +2, 7\.5 MB installed; largest: bash 7\.2 MB, base-files/m)
    expect(stdout).toMatch(/^bash +5\.2-3 +amd64 +7\.2 MB$/m)
    expect(stdout).not.toContain('gone')
  })

  it('judges by the last layer, whiteouts included', async () => {
    await write(path.join(folder, 'a.tar'), [base, [whiteout('var/lib/dpkg/status')]])
    expect((await inspect('a.tar')).stdout).toMatch(/^packages +none$/m)
  })

  it.each(['lib', 'usr/lib'])("reads apk's database in %s", async (place) => {
    const database = [
      'C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=',
      'P:musl',
      'V:1.2.5-r0',
      'A:x86_64',
      'S:1',
      'I:652960',
      'F:lib',
      'R:ld-musl-x86_64.so.1',
      'a:0:0:755',
      'Z:Q1W/kWpsS5TOEOjtUbyNbKRpnWqyg=',
      '',
      '',
    ]
    await write(path.join(folder, 'a.tar'), [
      [
        dir('usr'),
        dir('usr/lib'),
        dir('lib'),
        dir(`${place}/apk`),
        dir(`${place}/apk/db`),
        file(`${place}/apk/db/installed`, database.join('\n')),
      ],
    ])
    const { stdout } = await inspect('a.tar', '--packages')
    expect(stdout).toMatch(/^musl +1\.2\.5-r0 +x86_64 +653\.0 kB$/m)
  })

  it('prints JSON with --json', async () => {
    const digest = await write(path.join(folder, 'a.tar'), [base])
    const [found] = JSON.parse((await inspect('a.tar', '--json')).stdout) as unknown[]
    expect(found).toMatchObject({
      digest,
      system: 'Sample Linux 1',
      config: { architecture: 'amd64', config: { Cmd: ['/bin/sh'] } },
      packages: [{ name: 'base-files' }, { name: 'bash', version: '5.2-3' }],
    })
  })

  it('IO when there is no such file', async () => {
    const { code, stderr } = await inspect('nothing.tar')
    expect({ code, stderr }).toMatchObject({
      code: 74,
      stderr: expect.stringContaining('no such') as string,
    })
  })

  it('refuses what is no image', async () => {
    await writeFile(path.join(folder, 'x.tar'), Buffer.alloc(1024))
    expect((await inspect('x.tar')).stderr).toContain('IMAGE_INVALID')
    await writeFile(path.join(folder, 'y.tar'), 'not a tar archive'.repeat(100))
    expect((await inspect('y.tar')).stderr).toContain('ARCHIVE_INVALID')
    expect((await inspect('.')).stderr).toContain('IMAGE_INVALID')
  })

  it('refuses a forged manifest, a forged config and a cut-off archive', async () => {
    const archive = path.join(folder, 'a.tar')
    await write(archive, [base])
    const bytes = await readFile(archive)
    const forged = (from: string, to: string): Buffer => {
      const copy = Buffer.from(bytes)
      const place = copy.indexOf(from)
      expect(place).toBeGreaterThan(0)
      copy.write(to, place)
      return copy
    }
    for (const [from, to] of [
      // in the config, then in the manifest
      ['"/bin/sh"', '"/bin/no"'],
      ['"layers":[{', '"Layers":[{'],
    ] as const) {
      await writeFile(archive, forged(from, to))
      expect((await inspect('a.tar')).stderr).toContain('DIGEST_MISMATCH')
    }
    await writeFile(archive, bytes.subarray(0, 2000))
    expect((await inspect('a.tar')).stderr).toContain('ARCHIVE_INVALID')
  })
})
