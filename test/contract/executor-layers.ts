import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { sha256 } from '../../src/digest.ts'
import type { Change } from '../../src/entry.ts'
import type { BaseLayer } from '../../src/ports.ts'
import { busyboxTree, listing, tree, type TreeFile } from '../support/tree.ts'
import { type ExecutorCase, never, sh, within } from './executor-support.ts'

/** A layer of the files given, without directories that are only implied, and of whiteouts. */
export function layer(
  files: Readonly<Record<string, TreeFile>>,
  whiteouts: readonly string[] = [],
): BaseLayer {
  const named = new Set(Object.keys(files).map((name) => name.replace(/\/$/, '')))
  return layerOf([
    ...whiteouts.map((path): Change => ({ type: 'whiteout', path })),
    ...tree(files).filter(({ path }) => named.has(path)),
  ])
}

/** A layer of changes. */
export function layerOf(changes: readonly Change[]): BaseLayer {
  const json = JSON.stringify(changes, (_, value: unknown) =>
    value instanceof Map ? [...value] : value,
  )
  return { diffId: sha256(json), changes: async () => changes }
}

export const busybox = (files: Readonly<Record<string, TreeFile>> = {}): BaseLayer =>
  layerOf(busyboxTree(files))

/** What a shell line changes on top of layers. */
async function changesOn(
  setup: Parameters<ExecutorCase['run']>[0],
  layers: readonly BaseLayer[],
  script: string,
): Promise<Record<string, string>> {
  return within(setup, { layers }, async (w) => {
    const { status, stderr } = await sh(w, `set -e; ${script}`)
    assert.deepEqual({ status, stderr }, { status: { code: 0 }, stderr: '' })
    return listing(await w.changes())
  })
}

const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')

/** What layered bases promise. */
export const layerCases: readonly ExecutorCase[] = [
  {
    name: 'layers: what is on top hides what is below, removed is removed',
    run: (setup) =>
      within(
        setup,
        {
          layers: [
            busybox({ 'd/a': '1', 'd/b': '1', 'd/s/x': '1', 'd/s/y': '1', f: 'f', 'was/f': 'x' }),
            layer({ 'd/a': '2', 'd/c': '2', was: 'a file' }, ['d/b', 'd/s']),
            layer({ 'd/s/z': '3' }, ['f']),
          ],
        },
        async (w) => {
          const { stdout } = await sh(w, 'ls /d /d/s; cat /d/a /was; test ! -e /f')
          assert.equal(stdout, '/d:\na\nc\ns\n\n/d/s:\nz\n2a file')
          assert.deepEqual(listing(await w.changes()), {})
        },
      ),
  },
  {
    name: 'layers: a directory removed and made again in one layer hides what was in it',
    run: (setup) =>
      within(
        setup,
        {
          layers: [
            busybox({ 'd/a': '1', 'd/s/x': '1' }),
            layer({ 'd/': { mode: 0o700 }, 'd/n': '2' }, ['d']),
          ],
        },
        async (w) => {
          assert.equal((await sh(w, 'ls /d; stat -c %a /d')).stdout, 'n\n700')
          await sh(w, 'rm -r /d; mkdir -m 700 /d; echo >/d/x')
          assert.deepEqual(listing(await w.changes()), {
            'd/n': 'whiteout',
            'd/x': 'file 0644 0:0 "\\n"',
          })
        },
      ),
  },
  {
    name: 'layers: directories a layer does not name keep what lower ones say of them',
    run: (setup) =>
      within(
        setup,
        {
          layers: [
            busybox({ 'p/q/': { mode: 0o2750, uid: 33, gid: 34 } }),
            layer({ 'p/q/new': '' }),
          ],
        },
        async (w) => {
          assert.equal((await sh(w, 'stat -c "%a %u:%g %Y" /p/q')).stdout, '2750 33:34 1700000000')
          await sh(w, ': >/p/q/more')
          assert.deepEqual(Object.keys(listing(await w.changes())), ['p/q/more'])
        },
      ),
  },
  {
    name: 'layers: changes are against all of them',
    run: async (setup) => {
      const layers = [
        busybox({ 'd/keep': 'k', 'd/gone': 'g', same: 's', moved: 'm', 'o/a': 'a', 'o/s/b': 'b' }),
        layer({ 'd/two': '2', 'o/c': 'c', 'o/s/d': 'd' }),
      ]
      const script = `rm /d/gone /d/two; chmod 600 /same; chmod 644 /same; chmod 755 /d; mv /moved /there;
        rm -r /o; mkdir /o; echo new >/o/c; ln /there /linked; mkfifo /p`
      assert.deepEqual(await changesOn(setup, layers, script), {
        'd/gone': 'whiteout',
        'd/two': 'whiteout',
        linked: 'file 0644 0:0 "m"',
        moved: 'whiteout',
        'o/a': 'whiteout',
        'o/c': 'file 0644 0:0 "new\\n"',
        'o/s': 'whiteout',
        p: 'fifo 0644 0:0',
        there: 'hardlink 0644 0:0 -> linked',
      })
    },
  },
  {
    name: 'layers: hard links, capabilities, odd owners and names come through',
    run: (setup) =>
      within(
        setup,
        {
          layers: [
            busybox({
              'h/a': 'one',
              'h/b': { hardlink: 'h/a' },
              'bin/ping': {
                content: 'p',
                mode: 0o755,
                xattrs: new Map([['security.capability', capability]]),
              },
            }),
            layerOf([
              { ...tree({ z: { hardlink: 'h/b' } })[0]! },
              ...tree({ 'ö \\ "': { content: 'odd', uid: 33, gid: 34, mode: 0o4755 } }),
            ]),
          ],
        },
        async (w) => {
          const { stdout } = await sh(w, 'cat /z; stat -c "%a %u:%g" /ö*')
          assert.equal(stdout, 'one4755 33:34')
          await sh(w, 'chown 33 /bin/ping; chown 0 /bin/ping; mv /bin/ping /bin/pong')
          const pong = (await w.changes()).find(({ path }) => path === 'bin/pong')
          // chown takes capabilities off
          assert.ok(pong?.type === 'file' && pong.xattrs === undefined)
        },
      ),
  },
  {
    name: 'layers: opened side by side',
    run: async (setup) => {
      const layers = [busybox({ once: String(Math.random()) }), layer({ two: '2' })]
      await Promise.all(
        ['a', 'b', 'c'].map((name) =>
          within(setup, { layers }, async (w) => {
            await sh(w, `echo ${name} >/${name}; sleep 0.1`)
            assert.deepEqual(Object.keys(listing(await w.changes())), [name])
          }),
        ),
      )
    },
  },
  {
    name: 'layers: none at all is an empty tree',
    run: (setup) =>
      within(setup, { layers: [] }, async (w) => {
        assert.equal((await w.run({ argv: ['/bin/sh'], env: {} })).code, 127)
        await w.write(tree({ f: 'x' }))
        assert.deepEqual(listing(await w.changes()), { f: 'file 0644 0:0 "x"' })
      }),
  },
  {
    name: 'layers: 130 of them',
    run: (setup) => manyLayers(setup, 130),
  },
  {
    name: 'layers: more than an overlay can have',
    run: (setup) => manyLayers(setup, 520),
  },
  {
    name: 'layers: written entries and reads see all of them',
    run: (setup) =>
      within(
        setup,
        {
          layers: [
            busybox({ 'usr/lib/': {}, lib: { symlink: 'usr/lib' } }),
            layer({ 'usr/lib/x': '1' }),
          ],
        },
        async (w) => {
          assert.equal(Buffer.from((await w.read('lib/x'))!).toString(), '1')
          await w.write(tree({ 'lib/y': 'y' }).filter(({ type }) => type === 'file'))
          assert.deepEqual(listing(await w.changes()), { 'usr/lib/y': 'file 0644 0:0 "y"' })
        },
      ),
  },
]

async function manyLayers(
  { executor }: Parameters<ExecutorCase['run']>[0],
  count: number,
): Promise<void> {
  const layers = [busybox()]
  for (let i = 1; i < count; i++)
    layers.push(layer({ last: String(i), [`d/${i}`]: '' }, i > 2 ? [`d/${i - 2}`] : []))
  await using w = await executor.open({ layers }, { signal: never })
  assert.equal(
    (await sh(w, 'cat /last; ls /d')).stdout,
    `${count - 1}${[count - 2, count - 1].join('\n')}`,
  )
  await sh(w, `rm /d/${count - 1}; echo x >>/last`)
  assert.deepEqual(listing(await w.changes()), {
    [`d/${count - 1}`]: 'whiteout',
    last: `file 0644 0:0 "${count - 1}x\\n"`,
  })
}
