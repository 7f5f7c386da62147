import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bench, digestOf, unfinished, type Bench, type RunOptions } from '../support/builds.ts'
import { startFrozenMirror, type FrozenMirror } from '../support/frozen-mirror.ts'
import { installPlinth, type Installed } from '../support/installed.ts'
import { needs } from '../support/needs.ts'
import { testUser } from '../support/unprivileged.ts'

const { available } = needs(
  'linux',
  'root',
  'user-namespaces',
  'newuidmap',
  'apt-mirror',
  'faketime',
)

/** What must not matter. */
interface Circumstance {
  readonly name: string
  readonly options: (here: Bench) => RunOptions & { readonly kept?: readonly string[] }
}

/** Runs what follows under another file mode mask. */
const umask = (mask: string): readonly string[] => ['sh', '-c', `umask ${mask}; exec "$@"`, 'sh']

/** A clock that runs as ours does, but shows another time; not past what the mirror's indexes allow. */
const shifted = (by: string): readonly string[] => ['faketime', '-f', by]

/** Under another host name. */
const rename = 'hostname elsewhere.example.org; exec "$@"'
const otherHost = ['unshare', '--uts', 'sh', '-c', rename, 'sh']

const circumstances: readonly Circumstance[] = [
  {
    name: 'in another directory, with another home and TMPDIR, with umask 077',
    options: ({ file }) => {
      const cwd = path.dirname(file('some where/else/x', ''))
      const temporary = path.dirname(file('some where/tmp/x', ''))
      const env = { HOME: cwd, TMPDIR: temporary, XDG_DATA_HOME: cwd, PWD: cwd }
      return { cwd, env, prefix: umask('077') }
    },
  },
  {
    name: 'the next day, with another locale and time zone',
    options: () => ({
      prefix: shifted('+25h'),
      env: {
        LANG: 'tr_TR.UTF-8',
        LC_ALL: 'de_DE.ISO-8859-1',
        LANGUAGE: 'fr',
        TZ: 'Pacific/Chatham',
      },
    }),
  },
  {
    name: 'on another host, the day before, with umask 000',
    options: () => ({
      prefix: [...otherHost, ...shifted('-20h'), ...umask('000')],
    }),
  },
  {
    name: 'with one processor and one thread, in another environment',
    // what the runs need to see the same archive is put back
    options: () => ({
      prefix: ['taskset', '-c', '0', 'env', '-i', `PATH=${process.env['PATH']}`],
      kept: ['UV_THREADPOOL_SIZE=1'],
    }),
  },
]

describe.skipIf(!available)('the same image', () => {
  let frozen: FrozenMirror
  let here: Bench
  let installed: Installed
  let gzip: string
  let plain: string

  const args = ['build', 'debian', '--progress', 'plain', '--no-cache']
  const image = [...args, '-t', 'base:1', '-o', 'image.tar']
  const rootfs = [...args, '-o', 'type=rootfs,dest=rootfs.tar']
  const bytes = (name: string): Buffer => readFileSync(path.join(here.home, name))

  beforeAll(async () => {
    frozen = await startFrozenMirror()
    here = await bench(frozen.env)
    installed = await installPlinth()
    gzip = digestOf(await here.plinth(image))
    plain = digestOf(await here.plinth(rootfs))
    cpSync(path.join(here.home, 'image.tar'), path.join(here.home, 'first.tar'))
    cpSync(path.join(here.home, 'rootfs.tar'), path.join(here.home, 'first-rootfs.tar'))
  }, 180_000)
  afterAll(async () => {
    await frozen?.[Symbol.asyncDispose]()
    here?.[Symbol.dispose]()
    installed?.[Symbol.dispose]()
  })

  test.each(circumstances)('$name', { timeout: 90_000 }, async ({ options }) => {
    const { kept, ...given } = options(here)
    const variables = Object.entries({ ...frozen.env, PLINTH_STORE: here.store })
    const prefix = kept
      ? [...(given.prefix ?? []), ...kept, ...variables.map(([name, value]) => `${name}=${value}`)]
      : given.prefix
    const out = ['-o', path.join(here.home, 'again.tar')]
    const run = await here.plinth([...args, '-t', 'base:1', ...out], {
      ...given,
      ...(prefix && { prefix }),
    })
    expect(digestOf(run), run.stderr).toBe(gzip)
    expect(bytes('again.tar').equals(bytes('first.tar'))).toBe(true)
    rmSync(path.join(here.home, 'again.tar'))
  })

  test('on a fresh store', { timeout: 90_000 }, async () => {
    const store = path.join(here.home, 'another store')
    expect(digestOf(await here.plinth(image, { store }))).toBe(gzip)
    expect(bytes('image.tar').equals(bytes('first.tar'))).toBe(true)
    rmSync(store, { recursive: true })
  })

  test(
    'as a plain root filesystem, the next day and with another umask',
    { timeout: 90_000 },
    async () => {
      const prefix = [...shifted('+25h'), ...umask('027')]
      expect(digestOf(await here.plinth(rootfs, { prefix, env: { TZ: 'Asia/Tokyo' } }))).toBe(plain)
      expect(bytes('rootfs.tar').equals(bytes('first-rootfs.tar'))).toBe(true)
    },
  )

  test('from the layer that is known already', async () => {
    const run = await here.plinth(image.filter((arg) => arg !== '--no-cache'))
    expect(digestOf(run)).toBe(gzip)
    expect(run.stderr).toContain('cached')
    expect(bytes('image.tar').equals(bytes('first.tar'))).toBe(true)
  })

  test(
    'as an ordinary user with subordinate ids, gzip and plain',
    { timeout: 120_000 },
    async () => {
      const user = testUser()
      using his = await bench(frozen.env)
      his.giveTo(user)
      const options = { user, binary: installed.binary, env: { HOME: his.home, LOGNAME: user } }
      const run = await his.plinth(image, options)
      expect(digestOf(run), run.stderr).toBe(gzip)
      expect(run.left).toEqual([])
      expect(run.stderr).not.toContain('warning:')
      expect(readFileSync(path.join(his.home, 'image.tar')).equals(bytes('first.tar'))).toBe(true)
      expect(his.leftFiles()).toEqual([])
      expect(unfinished(his.store)).toEqual([])

      // in a directory only he can read, with his own mask
      const closed = path.join(his.home, 'closed')
      mkdirSync(closed, { mode: 0o700 })
      his.giveTo(user)
      const inside = { ...options, cwd: closed, prefix: umask('077') }
      expect(digestOf(await his.plinth(rootfs, inside))).toBe(plain)
    },
  )

  test('SOURCE_DATE_EPOCH gives another, and that one again', { timeout: 90_000 }, async () => {
    const env = { SOURCE_DATE_EPOCH: '1700000000' }
    const dated = [...image, '-p', 'variant=essential']
    const once = digestOf(await here.plinth(dated, { env }))
    expect(digestOf(await here.plinth(dated))).not.toBe(once)
    expect(digestOf(await here.plinth(dated, { env, prefix: shifted('+25h') }))).toBe(once)
  })
})
