import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { exitCodes } from '../../src/errors.ts'
import {
  bench,
  codeOf,
  digestOf,
  unfinished,
  wrongBlobs,
  type Bench,
  type Run,
  type RunOptions,
} from '../support/builds.ts'
import { run as runTool } from '../support/engines.ts'
import { startFrozenMirror, type FrozenMirror } from '../support/frozen-mirror.ts'
import { installPlinth } from '../support/installed.ts'
import { needs } from '../support/needs.ts'
import { testUser } from '../support/unprivileged.ts'

const { available } = needs('linux', 'root', 'user-namespaces', 'newuidmap', 'apt-mirror', 'skopeo')

type Signal = NonNullable<RunOptions['signal']>
type Moment = Omit<Signal, 'name'> & { readonly name: string }

const writingOutput = 'writing the output'

/**
 * Moments of a build, in their order, by what its events say, and so many milliseconds later. On one store
 * each run comes further than the one before, which is how "the next run works" shows.
 */
const moments: readonly Moment[] = [
  { name: 'starting', after: 60 },
  { name: 'reading indexes', when: /"step-started","id":"indexes"/, after: 30 },
  { name: 'choosing packages', when: /"step-started","id":"solve"/, after: 30 },
  { name: 'starting to fetch', when: /"step-started","id":"fetch"/ },
  { name: 'fetching and unpacking', when: /"step-started","id":"fetch"/, after: 200 },
  { name: 'unpacking', when: /"step-finished","id":"fetch"/, after: 50 },
  { name: 'starting to configure', when: /"step-started","id":"configure"/ },
  { name: 'configuring', when: /Setting up libc6/ },
  { name: 'configuring more', when: /Setting up perl-base/, after: 100 },
  { name: 'collecting changes', when: /Processing triggers for libc-bin/, after: 150 },
  { name: 'writing the layer', when: /"step-started","id":"layer"/, after: 50 },
  { name: writingOutput, when: /"step-started".*"id":"output:/ },
]

describe.skipIf(!available)('a build that is stopped', () => {
  let frozen: FrozenMirror
  let whole: Bench
  let digest: string
  let here: Bench

  const args = ['build', 'debian', '-p', 'variant=essential', '-t', 'base:1', '-o', 'image.tar']

  beforeAll(async () => {
    frozen = await startFrozenMirror()
    whole = await bench(frozen.env)
    digest = digestOf(await whole.plinth(args))
  })
  afterAll(async () => {
    await frozen?.[Symbol.asyncDispose]()
    whole?.[Symbol.dispose]()
  })
  beforeEach(async () => {
    here = await bench(frozen.env)
  })
  afterEach(() => here[Symbol.dispose]())

  /** Stops a build at a moment; the output is then what was there before, or all of the new one. */
  async function stopped(
    { name: moment, ...when }: Moment,
    name: NodeJS.Signals,
    options: RunOptions = {},
  ): Promise<Run> {
    writeFileSync(path.join(here.home, 'image.tar'), 'what was there before')
    const signal = { ...when, name, group: name === 'SIGINT' }
    const run = await here.plinth([...args, '--progress', 'json'], { ...options, signal })
    const said = `${name} while ${moment}: ${run.stderr.slice(-2000)}`
    expect(run.left, said).toEqual([])
    // the last moment is a short one: a run may be through with it when the signal arrives
    if (moment === writingOutput && run.code === 0) {
      expect(digestOf(run)).toBe(digest)
      expectWhole('image.tar')
      return run
    }
    expect(run.signalled, said).toBe(true)
    if (read('image.tar').toString() !== 'what was there before') expectWhole('image.tar')
    if (existsSync(here.store)) await expectValidStore(here.store)
    if (name === 'SIGKILL') {
      expect(run.signal, said).toBe('SIGKILL')
      return run
    }
    // before plinth listens, a signal does what it always does
    if (moment !== 'starting') {
      expect(run.code, said).toBe(exitCodes.INTERRUPTED)
      expect(run.stderr).toMatch(/"type":"error","exitCode":130,"code":"INTERRUPTED"/)
      expect(run.stderr).toContain(`interrupted by ${name}`)
    }
    expect(here.leftFiles(), said).toEqual([])
    if (existsSync(here.store)) expect(unfinished(here.store), said).toEqual([])
    return run
  }

  /** The next build on the same store, as if nothing had been. */
  async function goesOn(options: RunOptions = {}): Promise<void> {
    expect(digestOf(await here.plinth([...args, '--progress', 'plain'], options))).toBe(digest)
    expect(here.leftFiles()).toEqual([])
    expect(unfinished(here.store)).toEqual([])
    expectWhole('image.tar')
  }

  const read = (name: string): Buffer => readFileSync(path.join(here.home, name))
  const expectWhole = (name: string): void =>
    expect(read(name).equals(readFileSync(path.join(whole.home, 'image.tar')))).toBe(true)

  test('by kill -9, at any point: the next goes on', { timeout: 180_000 }, async () => {
    for (const moment of moments) await stopped(moment, 'SIGKILL')
    await goesOn()
  })

  test('by Ctrl-C, at any point: nothing is left behind', { timeout: 180_000 }, async () => {
    for (const moment of moments) await stopped(moment, 'SIGINT')
    await goesOn()
  })

  test('of an ordinary user, by kill -9 and Ctrl-C', { timeout: 180_000 }, async () => {
    using installed = await installPlinth()
    const user = testUser()
    here.giveTo(user)
    const his = { user, binary: installed.binary, env: { HOME: here.home } }
    const [, , , , fetching, , starting, configuring, , , layer] = moments
    await stopped(fetching!, 'SIGKILL', his)
    await stopped(starting!, 'SIGINT', his)
    await stopped(configuring!, 'SIGKILL', his)
    await stopped(layer!, 'SIGINT', his)
    await goesOn(his)
  })

  test('by SIGTERM and SIGHUP likewise', { timeout: 180_000 }, async () => {
    const [, , , , fetching, , , configuring, , , layer] = moments
    await stopped(fetching!, 'SIGTERM')
    await stopped(configuring!, 'SIGHUP')
    await stopped(layer!, 'SIGTERM')
    await goesOn()
  })

  test('while a mirror is slow: at once, and what was fetched is kept', async () => {
    frozen.pace(20)
    try {
      const fetching = { name: 'fetching', when: /"id":"fetch","done":[0-9]{8}/ }
      const began = Date.now()
      const run = await stopped(fetching, 'SIGINT')
      expect(run.stderr).not.toMatch(/"step-finished","id":"fetch"/)
      expect(Date.now() - began).toBeLessThan(25_000)
    } finally {
      frozen.pace(0)
    }
    const before = frozen.asked.length
    await goesOn()
    const again = frozen.asked.slice(before).filter((url) => url.includes('/pool/'))
    expect(again.length).toBeLessThan(59)
  })

  test('what a person reads after Ctrl-C is what to do next', { timeout: 60_000 }, async () => {
    cpSync(whole.store, here.store, { recursive: true })
    const again = [...args, '--no-cache', '--progress', 'plain']
    const interrupted = await here.plinth(again, {
      signal: { name: 'SIGINT', when: /configure packages/, after: 200, group: true },
    })
    expect(interrupted.code).toBe(130)
    expect(codeOf(interrupted)).toBe('INTERRUPTED')
    expect(interrupted.stderr).toMatch(/hint: .*run the same command again/)
    expect(interrupted.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  })

  test('outputs that are folders appear whole or not at all', { timeout: 60_000 }, async () => {
    cpSync(whole.store, here.store, { recursive: true })
    const folders = ['-o', 'type=oci,dest=layout', '-o', 'type=dir,dest=rootfs']
    const killed = await here.plinth([...args, ...folders, '--progress', 'json'], {
      signal: { name: 'SIGKILL', when: /"step-started".*"id":"output:rootfs/, after: 20 },
    })
    expect(killed.signal).toBe('SIGKILL')
    expect(existsSync(path.join(here.home, 'rootfs'))).toBe(false)
    await runTool('skopeo', 'inspect', `oci:${here.home}/layout:1`)
    const next = await here.plinth([...args, ...folders])
    expect(digestOf(next)).toBe(digest)
    expect(readdirSync(path.join(here.home, 'rootfs'))).toContain('etc')
    expect(here.leftFiles()).toEqual([])
  })

  test(
    'two builds at once on one fresh store, and a third that is killed',
    { timeout: 90_000 },
    async () => {
      const at = (name: string) => [...args.slice(0, -1), name, '--progress', 'plain']
      const third = here.plinth(at('c.tar'), {
        signal: { name: 'SIGKILL', when: /Setting up|configure packages/ },
      })
      const [a, b, c] = await Promise.all([
        here.plinth(at('a.tar')),
        here.plinth(at('b.tar')),
        third,
      ])
      expect(digestOf(a)).toBe(digest)
      expect(digestOf(b)).toBe(digest)
      expect(c.signal).toBe('SIGKILL')
      expectWhole('a.tar')
      expectWhole('b.tar')
      expect(await wrongBlobs(here.store)).toEqual([])
      await goesOn()
    },
  )
})

/** A layout that other programs can read at any time, with nothing in it under a wrong name. */
async function expectValidStore(store: string): Promise<void> {
  if (existsSync(path.join(store, 'index.json'))) {
    const json = (name: string): object =>
      JSON.parse(readFileSync(path.join(store, name), 'utf8')) as object
    expect(json('index.json')).toMatchObject({ schemaVersion: 2, manifests: expect.any(Array) })
    expect(json('oci-layout')).toEqual({ imageLayoutVersion: '1.0.0' })
  }
  if (existsSync(path.join(store, 'blobs'))) expect(await wrongBlobs(store)).toEqual([])
}
