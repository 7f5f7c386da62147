import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  access,
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
import { PlinthError } from '../../src/errors.ts'
import { temporaryPath, writeFileAtomically } from '../../src/output/atomic.ts'
import { processOwner } from '../../src/store/owner.ts'

const never = new AbortController().signal
const bytes = (text: string): Uint8Array[] => [Buffer.from(text)]

describe('writeFileAtomically()', () => {
  let work: string
  let path: string
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'atomic-'))
    path = join(work, 'file')
  })
  afterEach(() => rm(work, { recursive: true, force: true }))

  test('writes, and says how much', async () => {
    expect(await writeFileAtomically(path, [...bytes('ab'), ...bytes('c')], never)).toBe(3)
    expect(await readFile(path, 'utf8')).toBe('abc')
    expect(await readdir(work)).toEqual(['file'])
  })

  test('the file is not there before it is whole', async () => {
    await writeFile(path, 'old')
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('new')
      expect(await readFile(path, 'utf8')).toBe('old')
    }
    await writeFileAtomically(path, chunks(), never)
    expect(await readFile(path, 'utf8')).toBe('new')
  })

  test('follows a symlink and keeps it', async () => {
    await writeFile(join(work, 'real'), 'old')
    await symlink('real', path)
    await writeFileAtomically(path, bytes('new'), never)
    expect(await readlink(path)).toBe('real')
    expect(await readFile(join(work, 'real'), 'utf8')).toBe('new')
  })

  test('writes to a device and does not replace it', async () => {
    expect(await writeFileAtomically('/dev/null', bytes('x'), never)).toBe(1)
    expect((await lstat('/dev/null')).isCharacterDevice()).toBe(true)
  })

  test('a full device is DISK_FULL', async () => {
    if (
      !(await access('/dev/full').then(
        () => true,
        () => false,
      ))
    )
      return
    await expect(writeFileAtomically('/dev/full', bytes('x'), never)).rejects.toMatchObject({
      code: 'DISK_FULL',
    })
  })

  test.each([
    { name: 'a directory', at: '.' },
    { name: 'a missing directory', at: 'no/file' },
    { name: 'a path below a file', at: 'plain/file' },
  ])('$name is OUTPUT_INVALID', async ({ at }) => {
    await writeFile(join(work, 'plain'), '')
    await expect(writeFileAtomically(join(work, at), bytes('x'), never)).rejects.toMatchObject({
      code: 'OUTPUT_INVALID',
    })
  })

  test('an abort reason of plinth is thrown as it is', async () => {
    const reason = new PlinthError('RUN_FAILED', 'something else failed')
    await expect(writeFileAtomically(path, bytes('x'), AbortSignal.abort(reason))).rejects.toBe(
      reason,
    )
  })

  test('clears up after a process that was killed, not after one that lives', async () => {
    const child = spawn('sleep', ['60'])
    const dead = join(work, `.file.plinth.${processOwner(child.pid)}.0`)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await mkdir(dead)
    await writeFile(join(dead, 'x'), '')
    const alive = `.file.plinth.${processOwner()}.0`
    await writeFile(join(work, alive), '')
    const other = '.file.plinth-notes'
    await writeFile(join(work, other), '')
    await writeFileAtomically(path, bytes('x'), never)
    expect(new Set(await readdir(work))).toEqual(new Set([alive, other, 'file']))
    expect(await temporaryPath(path)).toBe(join(work, `.file.plinth.${processOwner()}.1`))
  })
})
