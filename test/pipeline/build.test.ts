import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { digestHex, sha256, type Digest } from '../../src/digest.ts'
import type { Event } from '../../src/events.ts'
import { archive } from '../../src/output/archive.ts'
import { directory } from '../../src/output/directory.ts'
import { ociLayout } from '../../src/output/oci-layout.ts'
import { rootfsTar } from '../../src/output/rootfs-tar.ts'
import { build, type BuildRequest, type BuildResult } from '../../src/pipeline/build.ts'
import type { DebPlan, PlannedDeb } from '../../src/plan.ts'
import type { Executor, Output, Store } from '../../src/ports.ts'
import { parsePlatform } from '../../src/platform.ts'
import { contentReader } from '../../src/store/content.ts'
import { writeRecord } from '../../src/store/record.ts'
import { openStore } from '../../src/store/store.ts'
import { buildDeb } from '../support/deb.ts'
import { random } from '../support/random.ts'
import { scratchDirectory } from '../support/scratch.ts'

/** Reads all that a workspace would be given; nothing runs in it, nothing changes. */
function readingExecutor(store: Store): Executor {
  return {
    name: 'reading',
    async open(base) {
      using contents = contentReader(store)
      for await (const entry of 'layers' in base ? [] : base)
        if (entry.type === 'file') await contents.bytes(entry.content, entry.size)
      return {
        run: async () => ({ code: 0 }),
        read: async () => undefined,
        present: async () => [],
        write: async () => {},
        changes: async () => [],
        [Symbol.asyncDispose]: async () => {},
      }
    },
  }
}

/** A plan of two packages whose files are in a store, and what to do with both. */
async function scene(tool: string | Buffer = 'y'.repeat(90_000)) {
  const home = scratchDirectory()
  const root = path.join(home, 'store')
  const store = await openStore(root)
  const planned = async (name: string, content: string | Buffer): Promise<PlannedDeb> => {
    const bytes = await buildDeb({ name, files: { [`usr/share/${name}`]: content } })
    const { digest, size } = await store.put([bytes])
    return {
      name,
      version: '1.0',
      architecture: 'all',
      digest,
      size,
      installedSize: content.length,
      path: `${name}.deb`,
      source: 0,
      automatic: false,
      core: true,
      configureFirst: [],
      reasons: [],
    }
  }
  const plan: DebPlan = {
    recipe: 'demo',
    platform: parsePlatform('linux/amd64'),
    distribution: 'deb',
    variant: 'custom',
    architecture: 'amd64',
    sources: [
      {
        uris: ['http://nowhere.invalid'],
        suite: 'demo',
        codename: undefined,
        component: 'main',
        architecture: 'amd64',
        digest: sha256(''),
        release: sha256(''),
        date: 0,
        signers: [],
      },
    ],
    packages: [await planned('dpkg', 'x'.repeat(3000)), await planned('tool', tool)],
    epoch: 1_700_000_000,
    skipped: [],
    files: {},
  }
  const file = (digest: Digest): string => path.join(root, 'blobs/sha256', digestHex(digest))
  return {
    home,
    plan,
    root,
    events: [] as Event[],
    /** Runs a build as another process would: nothing was verified before. */
    async build(more: Partial<BuildRequest> = {}): Promise<BuildResult> {
      this.events = []
      const fresh = await openStore(root)
      return build(
        { plan, instructions: [], names: [], outputs: [], ...more },
        {
          store: fresh,
          executor: readingExecutor(fresh),
          http: {
            get: () => Promise.reject(new Error('nothing is to be fetched')),
            close: () => {},
          },
          retry: { now: () => new Date(0), random: () => 0, sleep: async () => {} } as never,
          emit: (event) => this.events.push(event),
          signal: new AbortController().signal,
        },
      )
    },
    warnings(): readonly string[] {
      return this.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
    },
    flip(digest: Digest, at?: number): void {
      const bytes = readFileSync(file(digest))
      bytes[at ?? bytes.length >> 1]! ^= 1
      writeFileSync(file(digest), bytes)
    },
    /** Blobs that are not what they are called. */
    wrong: (): readonly string[] =>
      readdirSync(path.join(root, 'blobs/sha256')).filter(
        (name) => digestHex(sha256(readFileSync(path.join(root, 'blobs/sha256', name)))) !== name,
      ),
    /** What a package was unpacked to. */
    async unpacked(number: number): Promise<Digest> {
      const name = digestHex(plan.packages[number]!.digest)
      const record = readFileSync(path.join(root, 'cache/deb-2', name), 'utf8')
      return (JSON.parse(record.slice(record.indexOf('\n'))) as { data: Digest }).data
    },
  }
}

describe('build() with a damaged store', () => {
  test('unpacks again what a package was unpacked to, and says which', async () => {
    const here = await scene()
    const { digest } = await here.build()
    here.flip(await here.unpacked(1))
    const again = await here.build({ noCache: true })
    expect(again.digest).toBe(digest)
    expect(here.warnings()).toEqual([
      'what tool 1.0 was unpacked to is damaged in the store: unpacking it again',
    ])
    expect(here.wrong()).toEqual([])
    expect((await here.build({ noCache: true })).digest).toBe(digest)
    expect(here.warnings()).toEqual([])
  })

  test('names the package when what it was unpacked to cannot be had again', async () => {
    const here = await scene()
    const { digest } = await here.build()
    // a record of its own right that speaks of another content
    const name = digestHex(here.plan.packages[1]!.digest)
    const text = readFileSync(path.join(here.root, 'cache/deb-2', name), 'utf8')
    const record = JSON.parse(text.slice(text.indexOf('\n'))) as object
    const store = await openStore(here.root)
    const other = await store.put([Buffer.alloc(100_000, 'z')])
    await writeRecord(store, 'deb-2', name, { ...record, data: other.digest })
    here.flip(other.digest)
    await expect(here.build({ noCache: true })).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining('cannot use tool 1.0') as string,
    })
    expect((await here.build({ noCache: true })).digest).toBe(digest)
  })

  type Open = (place: string) => Output
  const outputs: readonly (readonly [name: string, Open, BuildRequest['compression']])[] = [
    ['an archive', (place) => archive(`${place}.tar`), 'gzip'],
    ['a layout', ociLayout, 'gzip'],
    ['a compressed root filesystem', (place) => rootfsTar(`${place}.tar.gz`), 'gzip'],
    ['a root filesystem', (place) => rootfsTar(`${place}.tar`), 'none'],
    ['a directory', (place) => directory(place, { privileged: false }), 'gzip'],
  ]
  test.each(outputs)(
    'makes a kept layer again that %s finds damaged',
    async (_, open, compression) => {
      const here = await scene()
      const { image, digest } = await here.build({ compression })
      here.flip(image.layers[0]!.digest)
      const place = path.join(here.home, 'out')
      const again = await here.build({ compression, outputs: [open(place)] })
      expect(again).toMatchObject({ digest, cached: false, written: [{ digest }] })
      expect(here.warnings()).toContain('the base layer is damaged in the store: making it again')
      expect(here.wrong()).toEqual([])
      const last = await here.build({ compression, outputs: [open(`${place}-2`)] })
      expect(last).toMatchObject({ digest, cached: true, written: [{ digest }] })
    },
  )

  test.each([
    { where: 'its content', at: undefined },
    { where: 'a header of it', at: 512 },
  ])('makes the plain form of a kept layer again when $where is damaged', async ({ at }) => {
    const here = await scene()
    const to = (name: string): Output =>
      directory(path.join(here.home, name), { privileged: false })
    const { image, digest } = await here.build({ outputs: [to('a')] })
    here.flip(image.layers[0]!.diffId, at)
    expect((await here.build({ outputs: [to('b')] })).digest).toBe(digest)
    expect(here.wrong()).toEqual([])
    // the layer itself was whole
    expect(here.events.filter((event) => 'id' in event && event.id === 'configure')).toEqual([])
  })

  test('does not write twice what is written', async () => {
    const here = await scene()
    const { image } = await here.build()
    here.flip(image.layers[0]!.digest)
    let count = 0
    const counting: Output = {
      name: 'counting',
      write: async () => ({ digest: sha256(String(++count)), size: 0 }),
    }
    const result = await here.build({
      outputs: [counting, archive(path.join(here.home, 'out.tar'))],
    })
    expect(count).toBe(1)
    expect(result.written).toHaveLength(2)
  })

  test('cannot take back what went to a stream: says what is damaged, and drops it', async () => {
    // so large that most of it is on its way when the damage shows
    const here = await scene(random(7).bytes(3_000_000))
    const { image, digest } = await here.build()
    here.flip(image.layers[0]!.digest)
    const chunks: Buffer[] = []
    const sink = (): Writable =>
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk)
          done()
        },
      })
    const failed = here.build({ outputs: [archive(sink())] })
    await expect(failed).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: 'cannot finish standard output: the base layer is damaged in the store',
      hint: expect.stringContaining('run the command again') as string,
    })
    expect(chunks.length).toBeGreaterThan(0)
    expect(await here.build({ outputs: [archive(sink())] })).toMatchObject({
      digest,
      cached: false,
    })
  })
})
