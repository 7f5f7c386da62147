import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nativeExecutor } from '../../src/executor/native/executor.ts'
import { findTools } from '../../src/executor/native/tools.ts'
import { openStore } from '../../src/store/store.ts'
import { needs } from '../support/needs.ts'
import { busyboxTree, tree } from '../support/tree.ts'
import { compile, testUser } from '../support/unprivileged.ts'

const never = new AbortController().signal
const { available } = needs('linux', 'root', 'busybox', 'newuidmap', 'user-namespaces')

describe.skipIf(!available)('the native executor at its limits', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'plinth-limits-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const make = async (options: { readonly memory?: number }) =>
    nativeExecutor({
      ...options,
      store: await openStore(directory),
      emit() {},
      uid: 0,
      path: process.env['PATH'] ?? '',
    })

  test('a base larger than its memory is DISK_FULL, and nothing of it stays', async () => {
    const executor = await make({ memory: 1_000_000 })
    await expect(
      executor.open(busyboxTree(), { signal: never, sizeHint: 1 }),
    ).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(readdirSync(path.join(directory, 'scratch'))).toEqual([])
  })

  test('writing more than there is room for is DISK_FULL, and the workspace lives on', async () => {
    const executor = await make({ memory: 9_000_000 })
    await using workspace = await executor.open(busyboxTree(), { signal: never })
    const big = tree({ big: Buffer.alloc(20_000_000) })
    await expect(workspace.write(big)).rejects.toMatchObject({ code: 'DISK_FULL' })
    const status = await workspace.run({ argv: ['/bin/true'], env: {} })
    expect(status).toEqual({ code: 0 })
  })

  test('a run that fills its room fails, and what it left can be read and run in', async () => {
    const executor = await make({ memory: 9_000_000 })
    await using workspace = await executor.open(busyboxTree(), { signal: never })
    const lines: string[] = []
    const full = await workspace.run({
      argv: ['/bin/dd', 'if=/dev/zero', 'of=/big', 'bs=65536'],
      env: {},
      onLine: (_, line) => lines.push(line),
    })
    expect(full.code).not.toBe(0)
    expect(lines.join()).toContain('No space left')
    const request = { env: {}, network: 'host' } as const
    expect(await workspace.run({ ...request, argv: ['/bin/rm', '/big'] })).toEqual({ code: 0 })
    expect(await workspace.changes()).toEqual([])
  })

  test('what is too large for its share of memory goes to disk, and goes away again', async () => {
    const executor = await make({ memory: 1_000_000 })
    const workspace = await executor.open(busyboxTree(), { signal: never })
    expect(readdirSync(path.join(directory, 'scratch'))).toHaveLength(1)
    await workspace[Symbol.asyncDispose]()
    expect(readdirSync(path.join(directory, 'scratch'))).toEqual([])
  })

  test('a dead run’s scratch directory is removed, a living one’s is not', async () => {
    const store = await openStore(directory)
    const scratch = await store.directory('scratch')
    mkdirSync(path.join(scratch, '999999999-1.0', 'lower'), { recursive: true })
    const executor = await make({ memory: 0 })
    await using living = await executor.open([], { signal: never })
    expect(readdirSync(scratch)).toHaveLength(1)
    const other = await executor.open([], { signal: never })
    await other[Symbol.asyncDispose]()
    expect(readdirSync(scratch)).toHaveLength(1)
    expect(await living.read('x')).toBeUndefined()
  })

  test('programs that are missing are named, with their packages', async () => {
    expect((await findTools('')).unshare).toMatch(/^\//)
    await expect(findTools('relative:', [directory])).rejects.toMatchObject({
      code: 'TOOL_MISSING',
      message: expect.stringContaining('unshare, nsenter'),
      hint: expect.stringContaining('apt install'),
    })
  })

  const holders = [
    { name: 'root, in memory', user: undefined, memory: undefined },
    { name: 'root, on disk', user: undefined, memory: 0 },
    { name: 'a user, in memory', user: 'user', memory: undefined },
    { name: 'a user, on disk', user: 'user', memory: 0 },
  ] as const
  test.each(holders)('kill -9 of plinth leaves nothing behind: $name', async ({ user, memory }) => {
    using compiled = compile()
    const name = user && testUser()
    const store = compiled.storeFor(name ?? 'root')
    const seconds = String(40_000_000 + Math.floor(Math.random() * 9_000_000))
    const job = {
      job: 'hold',
      store,
      argv: ['/bin/sleep', seconds],
      ...(memory !== undefined && { options: { memory } }),
    } as const
    const child = compiled.start(job, name === undefined ? {} : { user: name })
    await new Promise((resolve) => child.stdout!.once('data', resolve))
    expect(processesWith(seconds).length).toBeGreaterThan(0)
    expect(processesWith(store).length).toBeGreaterThan(0)

    const plinth = processesWith(store).find((pid) => commandOf(pid).startsWith(process.execPath))
    process.kill(plinth!, 'SIGKILL')
    const deadline = Date.now() + 10_000
    while (
      [...processesWith(seconds), ...processesWith(store)].length > 0 &&
      Date.now() < deadline
    ) {
      await sleep(20)
    }
    expect(processesWith(seconds).map(commandOf)).toEqual([])
    expect(processesWith(store).map(commandOf)).toEqual([])
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(store)
    expect(readdirSync(path.join(store, 'scratch'))).toEqual([])
  })

  test('no mount or process stays after a normal end', async () => {
    const executor = await make({})
    {
      await using workspace = await executor.open(busyboxTree(), { signal: never })
      await workspace.run({ argv: ['/bin/true'], env: {}, network: 'host' })
    }
    expect(processesWith(directory).map(commandOf)).toEqual([])
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(directory)
    expect(spawnSync('ls', [path.join(directory, 'scratch')], { encoding: 'utf8' }).stdout).toBe('')
  })
})

/** Processes whose command line holds `text`, this one aside. */
function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandOf(pid).includes(text))
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
