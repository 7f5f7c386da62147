import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exitCodes, type ErrorCode } from '../../src/errors.ts'
import {
  bench,
  codeOf,
  digestOf,
  unfinished,
  wrongBlobs,
  type Bench,
  type Run,
} from '../support/builds.ts'
import { arArchive, buildDeb, controlText } from '../support/deb.ts'
import { startFrozenMirror, type FrozenMirror } from '../support/frozen-mirror.ts'
import { makeKey, type TestKey } from '../support/keys.ts'
import { localRecipe } from '../support/local-recipe.ts'
import { needs } from '../support/needs.ts'
import { buildRepository, type PublishedDeb } from '../support/repository.ts'
import { startServer, type FaultServer } from '../support/server.ts'
import { rawTar } from '../support/tar.ts'

const { available } = needs('linux', 'root', 'user-namespaces', 'apt-mirror', 'xz')

const debFile = 'pool/main/demo_1.0_all.deb'

/** A package whose data.tar has these members after its root. */
const withData = (...data: NonNullable<PublishedDeb['data']>): PublishedDeb => ({
  data: [{ name: './' }, ...data],
})

interface Case {
  readonly name: string
  readonly code: ErrorCode
  readonly says: readonly (string | RegExp)[]
  readonly deb?: () => PublishedDeb | Promise<PublishedDeb>
  readonly serve?: (server: FaultServer) => void
}

const good = (): Promise<Buffer> => buildDeb({ files: { 'usr/share/demo': 'x'.repeat(5000) } })

const cases: readonly Case[] = [
  {
    name: 'that is not there (404)',
    code: 'HTTP_STATUS',
    says: ['404', 'demo'],
    serve: (server) => void server.files.delete(debFile),
  },
  {
    name: 'that was changed on its way',
    code: 'DIGEST_MISMATCH',
    says: ['demo', 'hint:'],
    serve: ({ files }) => {
      const bytes = Buffer.from(files.get(debFile)!)
      bytes[200]! ^= 1
      files.set(debFile, bytes)
    },
  },
  {
    name: 'that ends early',
    code: 'SIZE_MISMATCH',
    says: ['demo', 'hint:'],
    serve: ({ files }) => void files.set(debFile, files.get(debFile)!.subarray(0, -30)),
  },
  {
    name: 'that is longer than listed',
    code: 'SIZE_MISMATCH',
    says: ['demo', 'hint:'],
    serve: ({ files }) =>
      void files.set(debFile, Buffer.concat([files.get(debFile)!, Buffer.alloc(9)])),
  },
  {
    name: 'that breaks off, each time',
    code: 'TRANSFER_INCOMPLETE',
    says: ['demo', 'hint:'],
    serve: (server) => server.always(debFile, { kind: 'cut', after: 100 }),
  },
  {
    name: 'that is no ar archive',
    code: 'ARCHIVE_INVALID',
    says: ['demo'],
    deb: () => ({ file: Buffer.from('<html>not found</html>') }),
  },
  {
    name: 'whose ar member says it is larger than the file',
    code: 'ARCHIVE_INVALID',
    says: ['demo'],
    deb: () => ({
      file: arArchive([
        { name: 'debian-binary', body: '2.0\n' },
        { name: 'control.tar', body: 'x', size: 99_999_999 },
      ]),
    }),
  },
  {
    name: 'without a data.tar',
    code: 'ARCHIVE_INVALID',
    says: ['demo', 'data.tar'],
    deb: () => ({
      file: arArchive([
        { name: 'debian-binary', body: '2.0\n' },
        { name: 'control.tar', body: rawTar([{ name: './control', body: controlText({}) }]) },
      ]),
    }),
  },
  {
    name: 'whose data.tar.gz is cut off',
    code: 'ARCHIVE_INVALID',
    says: ['demo'],
    deb: async () => ({ file: cutData(await good()) }),
  },
  {
    name: 'with a tar header whose checksum is wrong',
    code: 'ARCHIVE_INVALID',
    says: ['demo'],
    deb: () => withData({ name: './a', body: 'a', spoil: (header) => void (header[0]! ^= 1) }),
  },
  {
    name: 'with a tar member longer than its archive',
    code: 'ARCHIVE_INVALID',
    says: ['demo'],
    deb: () => withData({ name: './a', body: 'a', size: 5_000_000 }),
  },
  {
    name: 'without a control file',
    code: 'CONTROL_INVALID',
    says: ['demo', 'control'],
    deb: () => ({ file: debOf(rawTar([{ name: './other', body: 'x' }])) }),
  },
  {
    name: 'whose control file is no control file',
    code: 'CONTROL_INVALID',
    says: ['demo'],
    deb: () => ({ file: debOf(rawTar([{ name: './control', body: 'what is this?\n' }])) }),
  },
  {
    name: 'that is another package than listed',
    code: 'CONTROL_INVALID',
    says: ['demo', 'other'],
    deb: async () => ({ file: await buildDeb({ name: 'other' }) }),
  },
  {
    name: 'with a compression nobody knows',
    code: 'COMPRESSION_UNKNOWN',
    says: ['demo', '.lz4'],
    deb: () => ({
      file: arArchive([
        { name: 'debian-binary', body: '2.0\n' },
        { name: 'control.tar.lz4', body: 'x' },
        { name: 'data.tar.lz4', body: 'x' },
      ]),
    }),
  },
  {
    name: 'with a path that climbs out',
    code: 'PATH_UNSAFE',
    says: ['demo', '../../plinth-was-here'],
    deb: () => withData({ name: './../../plinth-was-here', body: 'x' }),
  },
  {
    name: 'with an absolute path',
    code: 'PATH_UNSAFE',
    says: ['demo', '/plinth-was-here'],
    deb: () => withData({ name: '/plinth-was-here', body: 'x' }),
  },
  {
    name: 'with a file behind its own symlink to the outside',
    code: 'PATH_UNSAFE',
    says: ['demo', 'out'],
    deb: () =>
      withData(
        { name: './out', type: '2', linkname: '/' },
        { name: './out/plinth-was-here', body: 'x' },
      ),
  },
  {
    name: 'with a hardlink to the outside',
    code: 'PATH_UNSAFE',
    says: ['demo', 'etc/passwd'],
    deb: () => withData({ name: './mine', type: '1', linkname: '../../etc/passwd' }),
  },
  {
    name: 'with a hardlink to a file it does not have',
    code: 'PATH_UNSAFE',
    says: ['demo', 'etc/passwd'],
    deb: () => withData({ name: './mine', type: '1', linkname: './etc/passwd' }),
  },
  {
    name: 'with a device',
    code: 'ENTRY_UNSUPPORTED',
    says: ['demo', 'dev/sda'],
    deb: () => withData({ name: './dev/sda', type: '4', major: 8, minor: 0 }),
  },
  {
    name: 'that is a decompression bomb',
    code: 'DECOMPRESSION_BOMB',
    says: ['demo'],
    deb: () => ({ file: zstdBomb() }),
  },
]

describe.skipIf(!available)('a bad package', () => {
  let key: TestKey
  let frozen: FrozenMirror
  let here: Bench

  beforeAll(async () => {
    key = await makeKey()
    frozen = await startFrozenMirror()
    here = await bench(frozen.env)
  })
  afterAll(async () => {
    await frozen?.[Symbol.asyncDispose]()
    here?.[Symbol.dispose]()
  })

  let count = 0
  /** Builds packages of a repository that holds `debs`; alone, or on top of Debian. */
  async function build(
    debs: readonly PublishedDeb[],
    options: {
      readonly debian?: string
      readonly serve?: ((server: FaultServer) => void) | undefined
      readonly args?: readonly string[]
    } = {},
  ): Promise<Run> {
    // without dpkg nothing would be unpacked at all; this one is never run
    const main = options.debian === undefined ? [{ name: 'dpkg' }, ...debs] : debs
    const files = await buildRepository({ keys: [key], components: { main } })
    await using server = await startServer(files)
    options.serve?.(server)
    const include = main.map(({ name = 'demo' }) => name)
    const { debian } = options
    const recipe = here.file(
      `recipe-${count++}.ts`,
      localRecipe({ mirrors: [server.url], keys: [key], include, ...(debian && { debian }) }),
    )
    const args = ['-o', `image-${count}.tar`, '--progress', 'plain', ...(options.args ?? [])]
    return await here.plinth(['build', recipe, ...args])
  }

  function expectRefused(run: Run, code: ErrorCode): void {
    expect(run).toSatisfy((r: Run) => codeOf(r) === code, run.stderr)
    expect(run.code).toBe(exitCodes[code])
    expect(run.stdout).toBe('')
    expect(run.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
    expect(run.left).toEqual([])
    expect(here.leftFiles()).toEqual([])
    expect(unfinished(here.store)).toEqual([])
    expect(existsSync('/plinth-was-here')).toBe(false)
  }

  test.each(cases)('$name: $code', async ({ code, says, deb, serve }) => {
    const run = await build([(await deb?.()) ?? { file: await good() }], { serve })
    expectRefused(run, code)
    expect(readdirSync(here.home)).not.toContain(`image-${count}.tar`)
    for (const said of says) expect(run.stderr).toMatch(said)
  })

  const scripts = [
    { script: 'postinst', says: /cannot configure demo: .*configure/ },
    { script: 'preinst', says: /cannot configure demo: .*unpack/ },
  ] as const
  test.each(scripts)(
    'whose $script fails: it is named and its output is shown',
    { timeout: 90_000 },
    async ({ script, says }) => {
      const failing = {
        control: { [script]: '#!/bin/sh\necho out of cheese >&2\necho "Error 7"\nexit 3\n' },
        files: { 'usr/share/demo': 'x' },
      }
      const run = await build([failing], { debian: 'trixie' })
      expectRefused(run, 'SCRIPT_FAILED')
      expect(run.stderr).toMatch(says)
      const [, failure = ''] = run.stderr.split('plinth: ')
      expect(failure).toContain('out of cheese')
      expect(failure).toContain('Error 7')
    },
  )

  test(
    'leaves the store as good as it was: the next build of a good one works, on Debian too',
    { timeout: 90_000 },
    async () => {
      const demo = { file: await buildDeb({ files: { 'usr/share/demo': 'good\n' } }) }
      const run = await build([demo], { debian: 'trixie' })
      expect(digestOf(run)).toMatch(/^sha256:/)
      const layer = await here.plinth(['inspect', `image-${count}.tar`, '--packages'])
      expect(layer.stdout).toMatch(/\bdemo\b.*\b1\.0\b/)
    },
  )

  const essential = ['debian', '-p', 'variant=essential', '--progress', 'plain']
  const buildEssential = (...more: readonly string[]): Promise<Run> =>
    here.plinth(['build', ...essential, '-o', 'essential.tar', ...more])
  const blobs = (): string => path.join(here.store, 'blobs', 'sha256')
  const flip = (name: string): void => {
    const bytes = readFileSync(path.join(blobs(), name))
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(path.join(blobs(), name), bytes)
  }

  test('changed or cut off in the store is fetched again', { timeout: 90_000 }, async () => {
    const digest = digestOf(await buildEssential())
    const plan = await here.plinth(['plan', ...essential, '--json'])
    const { packages } = JSON.parse(plan.stdout) as { packages: { digest: string }[] }
    const [first, second, third] = packages.map((found) => found.digest.slice(7))
    flip(first!)
    rmSync(path.join(blobs(), second!))
    writeFileSync(path.join(blobs(), third!), 'not a package')
    const asked = frozen.asked.length
    expect(digestOf(await buildEssential('--no-cache'))).toBe(digest)
    const fetched = frozen.asked.slice(asked).filter((url) => url.includes('/pool/'))
    expect(fetched).toHaveLength(3)
  })

  test(
    'what was made of it, changed in the store, is never used, and made anew in the same run',
    { timeout: 90_000 },
    async () => {
      const digest = digestOf(await buildEssential())
      const recovers = async (says: string, ...more: readonly string[]): Promise<void> => {
        const met = await buildEssential(...more)
        expect(digestOf(met)).toBe(digest)
        expect(met.stderr).toContain(says)
        expect(await wrongBlobs(here.store)).toEqual([])
      }
      flip(largestTar(blobs()))
      await recovers('was unpacked to is damaged', '--no-cache')
      const { stdout } = await here.plinth(['inspect', 'essential.tar', '--json'])
      const named = stdout.match(/(?<=sha256:)[0-9a-f]{64}/g)!
      const layer = named.find((name) => isGzip(path.join(blobs(), name)))
      flip(layer!)
      await recovers('the base layer is damaged')
      // of another size: seen at once, as if there were none
      writeFileSync(path.join(blobs(), layer!), 'not a layer')
      await recovers('configure packages')
    },
  )
})

function isGzip(file: string): boolean {
  return existsSync(file) && readFileSync(file).subarray(0, 2).toString('hex') === '1f8b'
}

/** Of the blobs that are tar archives: what the largest package was decompressed to. */
function largestTar(blobs: string): string {
  const isTar = (name: string): boolean =>
    readFileSync(path.join(blobs, name)).subarray(257, 262).toString() === 'ustar'
  const size = (name: string): number => statSync(path.join(blobs, name)).size
  const largest = readdirSync(blobs)
    .toSorted((a, b) => size(b) - size(a))
    .find(isTar)
  if (largest === undefined) throw new Error('no package was decompressed')
  return largest
}

function debOf(control: Uint8Array, data: Uint8Array = rawTar([{ name: './' }])): Buffer {
  return arArchive([
    { name: 'debian-binary', body: '2.0\n' },
    { name: 'control.tar', body: control },
    { name: 'data.tar', body: data },
  ])
}

/** The package with its last 100 bytes missing, and the ar header saying so. */
function cutData(deb: Buffer): Buffer {
  const at = deb.indexOf('data.tar.gz')
  const size = Number(deb.subarray(at + 48, at + 58).toString()) - 100
  const cut = Buffer.from(deb.subarray(0, at + 60 + size))
  cut.write(String(size).padEnd(10), at + 48, 'latin1')
  return cut
}

/** A zstd frame of blocks that each repeat one byte 128 KiB times (RFC 8878, 3.1.1.2): 1 GiB in 33 KB. */
function zstdBomb(): Buffer {
  const size = 2 ** 30
  const header = rawTar([{ name: './zeros', size }], { end: 0 })
  const raw = Buffer.alloc(3)
  raw.writeUIntLE(header.length << 3, 0, 3)
  const repeated = Buffer.alloc(4)
  repeated.writeUIntLE(((128 * 1024) << 3) | 2, 0, 3)
  const last = Buffer.from([1, 0, 0])
  const blocks = Array.from({ length: size / (128 * 1024) }, () => repeated)
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38])
  const control = rawTar([{ name: './control', body: controlText({}) }])
  return arArchive([
    { name: 'debian-binary', body: '2.0\n' },
    { name: 'control.tar', body: control },
    { name: 'data.tar.zst', body: Buffer.concat([frame, raw, header, ...blocks, last]) },
  ])
}
