import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import path from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nativeExecutor, type NativeDeps } from '../../src/executor/native/executor.ts'
import { chainIds } from '../../src/executor/native/layers.ts'
import type { BaseLayer } from '../../src/ports.ts'
import { openStore } from '../../src/store/store.ts'
import { busybox, layer } from '../contract/executor-layers.ts'
import { never, sh } from '../contract/executor-support.ts'
import { needs } from '../support/needs.ts'
import { scratchDirectory } from '../support/scratch.ts'
import { listing } from '../support/tree.ts'
import { compile, outputOf, testUser } from '../support/unprivileged.ts'

const { available } = needs('linux', 'root', 'busybox', 'newuidmap', 'user-namespaces')

function counted(one: BaseLayer): BaseLayer & { readonly asked: () => number } {
  let count = 0
  return {
    ...one,
    asked: () => count,
    changes: () => {
      count += 1
      return one.changes()
    },
  }
}

describe.skipIf(!available)('layers that are kept', () => {
  let directory: string

  beforeEach(() => {
    directory = scratchDirectory()
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const make = async (options: Partial<NativeDeps> = {}) =>
    nativeExecutor({
      store: await openStore(directory),
      emit() {},
      uid: 0,
      path: process.env['PATH'] ?? '',
      ...options,
    })

  test('are asked for what they hold once, also by another executor', async () => {
    const layers = [busybox(), layer({ two: '2' })].map(counted)
    for (let i = 0; i < 3; i++) {
      await using w = await (await make()).open({ layers }, { signal: never })
      await sh(w, 'rm /two; echo 3 >/three')
      expect(listing(await w.changes())).toEqual({
        three: 'file 0644 0:0 "3\\n"',
        two: 'whiteout',
      })
    }
    expect(layers.map(({ asked }) => asked())).toEqual([1, 1])
    const names = readdirSync(path.join(directory, 'layers/root')).toSorted()
    const chain = chainIds(layers.map(({ diffId }) => diffId))
    expect(names).toEqual(chain.map((id) => id.slice('sha256:'.length)).toSorted())
  })

  test('are asked again only for a file that may be the same', async () => {
    const layers = [counted(busybox({ same: 's' }))]
    const executor = await make()
    await (await executor.open({ layers }, { signal: never }))[Symbol.asyncDispose]()
    await using w = await executor.open({ layers }, { signal: never })
    await sh(w, 'chmod 600 /same; chmod 644 /same')
    expect(await w.changes()).toEqual([])
    expect(layers[0]!.asked()).toBe(2)
  })

  test('are merged where an overlay takes no more, in steps', async () => {
    const layers = [busybox({ 'd/0': '', gone: '' })]
    for (let i = 1; i < 12; i++) layers.push(layer({ [`d/${i}`]: '' }, i === 1 ? ['gone'] : []))
    await using w = await (await make({ lowers: 8 })).open({ layers }, { signal: never })
    expect((await sh(w, 'ls /d | wc -l; ls -d /gone')).stdout.trim()).toBe('12')
    const kept = readdirSync(path.join(directory, 'layers/root'))
    expect(kept.filter((name) => name.endsWith('-flat'))).toHaveLength(1)
    expect(kept.length).toBeLessThanOrEqual(8)
    await sh(w, 'rm /d/3; chmod 700 /d')
    expect(listing(await w.changes())).toEqual({ d: 'directory 0700 0:0', 'd/3': 'whiteout' })
  })

  test('are not there when extracting failed, and nothing of it is', async () => {
    const bad = layer({ f: { hardlink: 'nowhere' } })
    const executor = await make()
    await expect(
      executor.open({ layers: [busybox(), bad] }, { signal: never }),
    ).rejects.toMatchObject({ code: 'PATH_UNSAFE' })
    expect(readdirSync(path.join(directory, 'layers/root'))).toHaveLength(1)
    expect(readdirSync(path.join(directory, 'scratch'))).toEqual([])
  })

  test('of a run that was killed while it extracted are cleaned away, whoever owned them', async () => {
    using compiled = compile()
    const user = testUser()
    const store = compiled.storeFor(user)
    // as kill -9 of everything would leave it
    const scratch = path.join(store, 'scratch')
    mkdirSync(scratch)
    spawnSync('chown', [user, scratch])
    const dead = path.join(scratch, '999999999-1.0')
    mkdirSync(path.join(dead, 'keep0/fs/etc'), { recursive: true })
    spawnSync('chown', ['-R', '100033:100033', dead])
    spawnSync('chown', [user, dead])
    const job = { job: 'open', store, options: { memory: 0 } } as const
    expect((await outputOf(compiled.start(job, { user }))).lines).toEqual([
      '{"status":0,"warnings":[]}',
    ])
    expect(readdirSync(scratch)).toEqual([])
  })

  test('a socket that is mounted is answered by the one outside', async () => {
    const socketPath = path.join(directory, 's')
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let text = ''
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
      socket.once('end', () => socket.end(`got ${text}`))
    })
    await new Promise<void>((resolve) => server.listen(socketPath, resolve))
    await using w = await (await make()).open({ layers: [busybox()] }, { signal: never })
    const mark = `sleep 0.7${process.pid}`
    const answers: Promise<string>[] = []
    await sh(w, `echo ready; ${mark}; true`, {
      mounts: [{ type: 'socket', path: socketPath, target: '/a', mode: 0o600, uid: 0, gid: 0 }],
      onLine: () => answers.push(ask(`/proc/${pidOf(mark)}/root/a`)),
    })
    expect(await Promise.all(answers)).toEqual(['got hello'])
    server.close()
  })
})

function ask(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: address, allowHalfOpen: true }, () => socket.end('hello'))
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.once('end', () => resolve(text))
    socket.once('error', reject)
  })
}

/** The innermost process whose command line holds `text`. */
function pidOf(text: string): number {
  const holds = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
    } catch {
      return false
    }
  }
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))
  return Number(pids.findLast(holds))
}
