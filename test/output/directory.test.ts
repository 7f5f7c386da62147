import {
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Entry } from '../../src/entry.ts'
import type { Event } from '../../src/events.ts'
import { directory, type DirectoryOptions } from '../../src/output/directory.ts'
import type { Store } from '../../src/ports.ts'
import { openStore } from '../../src/store/store.ts'
import {
  device,
  dir,
  epoch,
  fifo,
  file,
  hardlink,
  link,
  makeImage,
  whiteout,
} from '../support/layer.ts'
import { needs } from '../support/needs.ts'
import { readXattrs } from '../support/xattrs.ts'

describe('directory()', () => {
  let work: string
  let target: string
  let store: Store
  let events: Event[]
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'directory-'))
    target = join(work, 'root')
    store = await openStore(join(work, 'store'))
    events = []
  })
  afterEach(() => rm(work, { recursive: true, force: true }))

  const write = async (path: string, options: DirectoryOptions, ...layers: Entry[][]) =>
    directory(path, options).write(await makeImage(store, ...layers), {
      store,
      names: [],
      emit: (event) => events.push(event),
      signal: new AbortController().signal,
    })
  /** `type mode uid:gid mtime` of a path in the target. */
  async function look(path: string): Promise<string> {
    const found = await lstat(join(target, path))
    const type = found.isDirectory()
      ? 'dir'
      : found.isFile()
        ? 'file'
        : found.isSymbolicLink()
          ? 'link'
          : found.isFIFO()
            ? 'fifo'
            : 'device'
    return `${type} 0${(found.mode & 0o7777).toString(8)} ${found.uid}:${found.gid} ${found.mtimeMs / 1000}`
  }

  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
  const layers: Entry[][] = [
    [
      dir('bin', { mode: 0o2755, gid: 5, mtime: epoch - 9 }),
      file('bin/su', 'su', { mode: 0o6755, uid: 3, gid: 4, mtime: epoch - 1 }),
      hardlink('bin/su2', 'bin/su', { mode: 0o6755, uid: 3, gid: 4 }),
      dir('closed', { mode: 0o500, mtime: epoch - 2 }),
      file('closed/x', 'x', { mode: 0o000 }),
      file('empty', ''),
      file('gone', ''),
      link('link', '/etc/passwd'),
    ],
    [whiteout('gone')],
  ]

  test.skipIf(!needs('linux', 'root').available)(
    'as root writes owners, modes, times, links, devices and attributes',
    async () => {
      const xattrs = new Map([['security.capability', capability]])
      await write(target, {}, layers[0]!, [
        ...layers[1]!,
        device('null', 1, 3),
        fifo('pipe'),
        file('ping', 'p', { mode: 0o755, xattrs }),
        hardlink('ping2', 'ping', { mode: 0o755 }),
        dir('tagged', { mode: 0o700, uid: 7, xattrs: new Map([['user.x', Buffer.from([0xff])]]) }),
      ])
      expect(await readdir(work)).toEqual(['root', 'store'])
      expect(await readdir(target)).toEqual([
        'bin',
        'closed',
        'empty',
        'link',
        'null',
        'ping',
        'ping2',
        'pipe',
        'tagged',
      ])
      expect(await look('')).toBe(`dir 0755 0:0 ${epoch}`)
      expect(await look('bin')).toBe(`dir 02755 0:5 ${epoch - 9}`)
      expect(await look('bin/su')).toBe(`file 06755 3:4 ${epoch - 1}`)
      expect((await lstat(join(target, 'bin/su2'))).ino).toBe(
        (await lstat(join(target, 'bin/su'))).ino,
      )
      expect(await look('closed')).toBe(`dir 0500 0:0 ${epoch - 2}`)
      expect(await look('closed/x')).toBe(`file 00 0:0 ${epoch}`)
      expect(await look('link')).toBe(`link 0777 0:0 ${epoch}`)
      expect(await readlink(join(target, 'link'))).toBe('/etc/passwd')
      expect(await look('null')).toBe(`device 0666 0:0 ${epoch}`)
      expect(await look('pipe')).toBe(`fifo 0600 0:0 ${epoch}`)
      expect(await readFile(join(target, 'ping'), 'utf8')).toBe('p')
      expect(await readXattrs(join(target, 'ping'))).toEqual({
        'security.capability': capability.toString('hex'),
      })
      expect((await lstat(join(target, 'ping2'))).ino).toBe((await lstat(join(target, 'ping'))).ino)
      expect(await readXattrs(join(target, 'tagged'))).toEqual({ 'user.x': 'ff' })
      expect(await look('tagged')).toBe(`dir 0700 7:0 ${epoch}`)
      expect(events.filter(({ type }) => type === 'warning')).toEqual([])
    },
  )

  test('without privileges keeps everything but owners, and says so', async () => {
    await write(target, { privileged: false }, ...layers)
    const me = `${process.geteuid?.()}:${process.getegid?.()}`
    expect(await look('bin/su')).toBe(`file 06755 ${me} ${epoch - 1}`)
    expect(await look('closed')).toBe(`dir 0500 ${me} ${epoch - 2}`)
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'warning', code: 'OWNERS_NOT_KEPT' }),
    )
  })

  test.skipIf(!needs('linux', 'root').available)(
    'works as another user, who may not give files away',
    async () => {
      await chown(work, 65_534, 65_534)
      process.setegid?.(65_534)
      process.seteuid?.(65_534)
      try {
        store = await openStore(join(work, 'own-store'))
        await write(target, {}, ...layers)
        expect(await look('bin/su')).toBe(`file 06755 65534:65534 ${epoch - 1}`)
        // a failure at the very end clears up, although the image closes some of its directories
        const nested = join(work, 'own-store', 'not-empty')
        const late = new AbortController()
        const emit = (event: Event): void => {
          if (event.type === 'step-progress') late.abort()
        }
        const many = Array.from({ length: 500 }, (_, i) => dir(`closed/${i}`, { mode: 0o500 }))
        const image = await makeImage(store, [dir('closed', { mode: 0o500 }), ...many])
        const writing = directory(nested).write(image, {
          store,
          names: [],
          emit,
          signal: late.signal,
        })
        await expect(writing).rejects.toMatchObject({ code: 'INTERRUPTED' })
        expect(
          (await readdir(join(work, 'own-store'))).filter((name) => name.includes('not-empty')),
        ).toEqual([])
      } finally {
        process.seteuid?.(0)
        process.setegid?.(0)
      }
    },
  )

  test.each([
    { name: 'a device', entry: device('null', 1, 3) },
    {
      name: 'a capability',
      entry: file('ping', 'p', { xattrs: new Map([['security.capability', capability]]) }),
    },
  ])('without privileges refuses $name before it writes', async ({ entry }) => {
    await expect(write(target, { privileged: false }, [entry])).rejects.toMatchObject({
      code: 'OUTPUT_INVALID',
    })
    expect(await readdir(work)).toEqual(['store'])
  })

  test('takes the place of an empty directory, also through a symlink or with a slash at its end', async () => {
    await mkdir(target)
    await symlink('root', join(work, 'alias'))
    await write(`${join(work, 'alias')}/`, {}, ...layers)
    expect(await readdir(target)).toContain('bin')
    expect(await readlink(join(work, 'alias'))).toBe('root')
  })

  test('refuses a directory that holds something, and a file', async () => {
    await mkdir(target)
    await writeFile(join(target, 'mine'), '')
    await expect(write(target, {}, ...layers)).rejects.toMatchObject({ code: 'OUTPUT_INVALID' })
    await expect(write(join(target, 'mine'), {}, ...layers)).rejects.toMatchObject({
      code: 'OUTPUT_INVALID',
    })
    expect(await readdir(target)).toEqual(['mine'])
  })

  test('writes nothing through symlinks of the image', async () => {
    const outside = join(work, 'outside')
    await mkdir(outside)
    await chown(outside, process.geteuid?.() ?? 0, process.getegid?.() ?? 0)
    // what another layer puts below the link lands where a process in the image would see it
    await write(target, {}, [link('etc', outside)], [file('etc/passwd', 'x')])
    expect(await readdir(outside)).toEqual([])
    expect(await readFile(join(target, outside.slice(1), 'passwd'), 'utf8')).toBe('x')
  })
})
