import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestHex } from '../../src/digest.ts'
import type { Event } from '../../src/events.ts'
import type { Image } from '../../src/image.ts'
import { imageDigest } from '../../src/oci/encode-image.ts'
import type { Output, OutputDeps, Store } from '../../src/ports.ts'
import { parseImageName } from '../../src/reference.ts'
import { openStore } from '../../src/store/store.ts'
import { dir, file, hardlink, link, makeImage, whiteout } from '../support/layer.ts'
import { needs } from '../support/needs.ts'

/** An output that writes to a path. */
export interface PathOutput {
  readonly name: string
  /** what a path of it ends with */
  readonly ending: string
  readonly open: (path: string) => Output
  /** Puts something of the user's own at `path`, which a failure must not touch. */
  readonly occupy: (path: string) => Promise<void>
}

/** What any output to a path promises (see `Output`), as a suite. */
export function outputContract({ name, ending, open, occupy }: PathOutput): void {
  describe(`${name} as an output`, () => {
    let work: string
    let out: string
    let path: string
    let image: Image
    let store: Store
    let events: Event[]
    const deps = (more: Partial<OutputDeps> = {}): OutputDeps => ({
      store,
      names: [parseImageName('plinth/test:1')],
      emit: (event) => events.push(event),
      signal: new AbortController().signal,
      ...more,
    })

    beforeEach(async () => {
      work = await mkdtemp(join(tmpdir(), 'output-'))
      out = join(work, 'out')
      path = join(out, `image${ending}`)
      events = []
      await mkdir(out)
      image = await exampleImage(await openStore(join(work, 'store')))
      // a store of another process: it has verified nothing yet
      store = await openStore(join(work, 'store'))
    })
    afterEach(() => rm(work, { recursive: true, force: true }))

    test('says which image it wrote, where, and shows it as a step', async () => {
      const written = await open(path).write(image, deps())
      expect(written).toMatchObject({ digest: imageDigest(image), path })
      expect(written.size).toBeGreaterThan(0)
      expect(events[0]).toMatchObject({ type: 'step-started' })
      expect(events.at(-1)).toMatchObject({ type: 'step-finished' })
      expect(await readdir(out)).toEqual([`image${ending}`])
    })

    test('writes the same bytes again, elsewhere, with another umask', async () => {
      await open(path).write(image, deps())
      await mkdir(join(work, 'other'))
      const umask = process.umask(0o077)
      try {
        await open(join(work, 'other', `image${ending}`)).write(image, deps())
      } finally {
        process.umask(umask)
      }
      expect(await contents(join(work, 'other'))).toEqual(await contents(out))
    })

    test.each([{ layer: 0 }, { layer: 1 }])(
      'a damaged layer $layer is found, and nothing is left',
      async ({ layer }) => {
        const blob = join(work, 'store', 'blobs', 'sha256', digestHex(image.layers[layer]!.digest))
        const bytes = await readFile(blob)
        bytes[bytes.length - 20]! ^= 1
        await writeFile(blob, bytes)
        await expect(open(path).write(image, deps())).rejects.toMatchObject({
          code: 'STORE_CORRUPT',
        })
        expect(await readdir(out)).toEqual([])
        expect(events.at(-1)).toMatchObject({ type: 'step-failed' })
      },
    )

    test('a failure leaves what was there', async () => {
      await occupy(path)
      const before = await contents(out)
      await store.delete(image.layers[1]!.digest)
      await expect(open(path).write(image, deps())).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
      expect(await contents(out)).toEqual(before)
    })

    test('an interruption leaves nothing', async () => {
      const controller = new AbortController()
      const emit = (): void => controller.abort()
      await expect(
        open(path).write(image, deps({ emit, signal: controller.signal })),
      ).rejects.toMatchObject({ code: 'INTERRUPTED' })
      expect(await readdir(out)).toEqual([])
    })

    test.skipIf(!needs('linux', 'root').available)(
      'a full disk is DISK_FULL, and nothing is left',
      async () => {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', out])
        try {
          await expect(open(path).write(image, deps())).rejects.toMatchObject({ code: 'DISK_FULL' })
          expect(await readdir(out)).toEqual([])
        } finally {
          execFileSync('umount', [out])
        }
      },
    )
  })
}

/** Two layers; large enough not to fit the small disk above, also compressed. */
export function exampleImage(store: Store): Promise<Image> {
  let noise = createHash('sha256').update('noise').digest()
  const blocks = Array.from(
    { length: 8192 },
    () => (noise = createHash('sha256').update(noise).digest()),
  )
  return makeImage(
    store,
    [
      dir('bin'),
      file('bin/noise', Buffer.concat(blocks), { mode: 0o755 }),
      hardlink('bin/other', 'bin/noise', { mode: 0o755 }),
      link('bin/sh', 'noise'),
      dir('etc'),
      file('etc/gone', 'x'),
      dir('etc/closed', { mode: 0o555 }),
      file('etc/closed/kept', 'kept', { mode: 0o400 }),
    ],
    [dir('etc'), whiteout('etc/gone'), file('etc/new', 'new', { mode: 0o4755 })],
  )
}

/** Everything below a directory: type and content. Modes are left out: an output's own files have the umask's. */
async function contents(root: string, at = ''): Promise<Record<string, string>> {
  const result: Record<string, string> = {}
  for (const name of (await readdir(join(root, at))).toSorted()) {
    const path = join(at, name)
    const found = await lstat(join(root, path))
    if (found.isDirectory())
      Object.assign(result, { [path]: 'directory' }, await contents(root, path))
    else if (found.isSymbolicLink()) result[path] = `link ${await readlink(join(root, path))}`
    else
      result[path] = createHash('sha256')
        .update(await readFile(join(root, path)))
        .digest('hex')
  }
  return result
}
