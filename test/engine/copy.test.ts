import { utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { codeOf } from '../support/streams.ts'
import { contextDirectory, tryDockerfile, type ContextFile } from '../support/dockerfile-build.ts'

const files: Readonly<Record<string, ContextFile>> = {
  'a.txt': 'a',
  'b.txt': 'b',
  'run.sh': { mode: 0o755, text: 'run' },
  'dir/one': '1',
  'dir/sub/two': '2',
  'dir/sub/secret.key': 'k',
}

describe('COPY puts files where Docker does', () => {
  const cases: readonly (readonly [
    name: string,
    lines: string,
    expected: Record<string, string>,
  ])[] = [
    ['a file under its new name', 'COPY a.txt /x', { '/x': 'file 0644 0:0 a' }],
    [
      'a file into a directory, which is made',
      'COPY a.txt /d/',
      { '/d': 'directory 0755 0:0', '/d/a.txt': 'file 0644 0:0 a' },
    ],
    [
      'relative to WORKDIR',
      'WORKDIR /w\nCOPY a.txt .',
      { '/w': 'directory 0755 0:0', '/w/a.txt': 'file 0644 0:0 a' },
    ],
    [
      "a directory's content, with its modes",
      'COPY dir /d',
      {
        '/d': 'directory 0755 0:0',
        '/d/one': 'file 0644 0:0 1',
        '/d/sub': 'directory 0755 0:0',
        '/d/sub/secret.key': 'file 0644 0:0 k',
        '/d/sub/two': 'file 0644 0:0 2',
      },
    ],
    [
      'what patterns match',
      'COPY ?.txt *.sh /d/',
      {
        '/d': 'directory 0755 0:0',
        '/d/a.txt': 'file 0644 0:0 a',
        '/d/b.txt': 'file 0644 0:0 b',
        '/d/run.sh': 'file 0755 0:0 run',
      },
    ],
    [
      'with another owner and mode, also of directories made on the way',
      'COPY --chown=7:8 --chmod=u=rwX,go= run.sh a.txt /p/d/',
      {
        '/p': 'directory 0755 7:8',
        '/p/d': 'directory 0755 7:8',
        '/p/d/a.txt': 'file 0600 7:8 a',
        '/p/d/run.sh': 'file 0700 7:8 run',
      },
    ],
    [
      'a user number alone as its group, too',
      'COPY --chown=7 a.txt /x',
      { '/x': 'file 0644 7:7 a' },
    ],
    [
      'but what is excluded',
      'COPY --exclude=**/*.key --exclude=one dir /',
      { '/sub': 'directory 0755 0:0', '/sub/two': 'file 0644 0:0 2' },
    ],
    [
      'with the directories they are in',
      'COPY --parents dir/sub/two /d/',
      {
        '/d': 'directory 0755 0:0',
        '/d/dir': 'directory 0755 0:0',
        '/d/dir/sub': 'directory 0755 0:0',
        '/d/dir/sub/two': 'file 0644 0:0 2',
      },
    ],
    [
      'with those below the pivot',
      'COPY --parents dir/./sub/two /',
      { '/sub': 'directory 0755 0:0', '/sub/two': 'file 0644 0:0 2' },
    ],
    ['here-documents', 'COPY <<EOF /x\nhi\nEOF', { '/x': 'file 0644 0:0 hi\n' }],
  ]
  test.each(cases)('%s', async (_, lines, expected) => {
    const context = contextDirectory(files)
    const built = await tryDockerfile(`FROM scratch\n${lines}\n`, { context })
    expect(await built.listing()).toEqual(expected)
  })
})

describe('--chmod in symbols', () => {
  it.each([
    ['g=u,o=', '0770'],
    ['o=g', '0755'],
    ['g+u', '0775'],
    ['u-g', '0255'],
    ['=o', '0555'],
    ['u=', '0055'],
    ['go=,g=u-x', '0760'],
    ['u+s,g=u', '4775'],
  ])('%s of 0755', async (chmod, mode) => {
    const context = contextDirectory(files)
    const built = await tryDockerfile(`FROM scratch\nCOPY --chmod=${chmod} run.sh /x\n`, {
      context,
    })
    expect(await built.listing()).toEqual({ '/x': `file ${mode} 0:0 run` })
  })
})

describe('COPY and what is there already', () => {
  it('keeps the mode of the directory it copies to, and takes over those below', async () => {
    const context = contextDirectory({ 'd/sub/x': 'x', 'seed/sub/y': 'y' })
    const built = await tryDockerfile(
      'FROM scratch\nCOPY --chown=1:1 --chmod=700 seed /to\nCOPY d /to\n',
      { context },
    )
    expect(await built.listing()).toEqual({
      '/to': 'directory 0755 1:1',
      '/to/sub': 'directory 0755 0:0',
      '/to/sub/x': 'file 0644 0:0 x',
      '/to/sub/y': 'file 0700 1:1 y',
    })
  })
  it('follows a link in the destination inside the root, never out of it', async () => {
    const context = contextDirectory({ 'a.txt': 'a', 'l/out': { symlink: '../../../../etc' } })
    const built = await tryDockerfile('FROM scratch\nCOPY l /l\nCOPY a.txt /l/out/x\n', { context })
    expect(await built.listing(1)).toEqual({
      '/etc': 'directory 0755 0:0',
      '/etc/x': 'file 0644 0:0 a',
    })
  })
  it('with --link it does not follow it, and needs nothing below', async () => {
    const context = contextDirectory({ 'a.txt': 'a', 'l/out': { symlink: '/etc' } })
    const text = 'FROM scratch\nCOPY l /l\nCOPY --link a.txt /l/out/x\n'
    const built = await tryDockerfile(text, { context })
    expect(await built.listing()).toMatchObject({
      '/l/out': 'directory 0755 0:0',
      '/l/out/x': 'file 0644 0:0 a',
    })
    const other = await tryDockerfile('FROM scratch\nCOPY --link a.txt /l/out/x\n', {
      context,
      store: built.store,
    })
    expect(other.cached).toBe(true)
  })
  it.each([
    ['COPY d/ /x\nCOPY a.txt /x/sub', 'COPY_CONFLICT'],
    ['COPY a.txt /x\nCOPY d /x', 'COPY_CONFLICT'],
    ['COPY a.txt /x\nCOPY a.txt /x/y/', 'COPY_CONFLICT'],
  ])('%j is refused: %s', async (lines, code) => {
    // a file into an existing directory is fine: here a directory is where its name must be
    const context = contextDirectory({ 'a.txt': 'a', 'd/sub/a.txt/x': 'x' })
    expect(await codeOf(tryDockerfile(`FROM scratch\n${lines}\n`, { context }))).toBe(code)
  })
})

describe('links of the context', () => {
  it('are copied as links below a source, and followed where they are the source', async () => {
    const context = contextDirectory({ 'd/l': { symlink: '../a.txt' }, 'a.txt': 'a' })
    const built = await tryDockerfile('FROM scratch\nCOPY d /d\nCOPY d/l /l\n', { context })
    expect(await built.listing()).toMatchObject({
      '/d/l': 'symlink 0777 0:0 -> ../a.txt',
      '/l': 'file 0644 0:0 a',
    })
  })
  it.each(['../../../../../../etc/passwd', '/etc/passwd'])(
    'never lead out of it: %s',
    async (target) => {
      const context = contextDirectory({ l: { symlink: target } })
      expect(await codeOf(tryDockerfile('FROM scratch\nCOPY l /l\n', { context }))).toBe(
        'COPY_SOURCE_MISSING',
      )
    },
  )
  it('one file with two names stays one', async () => {
    const context = contextDirectory({ 'd/a': 'a', 'd/b': { hardlink: 'd/a' } })
    const built = await tryDockerfile('FROM scratch\nCOPY d /d\n', { context })
    expect(await built.listing()).toMatchObject({ '/d/b': 'hardlink 0644 0:0 -> d/a' })
  })
})

describe('a COPY that cannot be', () => {
  it.each([
    ['COPY a.tx /x', 'COPY_SOURCE_MISSING', 'did you mean a.txt?'],
    ['COPY dir/sbu/two /x', 'COPY_SOURCE_MISSING', 'did you mean dir/sub/two?'],
    ['COPY ../a.txt /x', 'COPY_SOURCE_OUTSIDE', undefined],
    ['COPY --chown=nobody a.txt /x', 'USER_UNKNOWN', undefined],
    ['COPY --chmod=9 a.txt /x', 'DOCKERFILE_INVALID', undefined],
    ['COPY --chmod=g=ur a.txt /x', 'DOCKERFILE_INVALID', undefined],
    ['COPY [a /x/', 'DOCKERFILE_INVALID', undefined],
    ['COPY dir/*/[a- /x/', 'DOCKERFILE_INVALID', undefined],
    ['COPY b.txt /x', 'COPY_SOURCE_MISSING', undefined],
  ])('%s is %s', async (line, code, hint) => {
    const context = contextDirectory(files)
    const error: unknown = await tryDockerfile(`FROM scratch\n${line}\n`, {
      context,
      ignore: ['b.txt'],
    }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code })
    if (hint !== undefined) expect(error).toMatchObject({ hint })
    if (code !== 'DOCKERFILE_INVALID')
      expect(error).toMatchObject({ facts: { file: 'Dockerfile', line: 2 } })
  })
})

describe('what decides whether a COPY is done again', () => {
  const text = 'FROM scratch\nCOPY . /c/\n'
  it('is content, never time', async () => {
    const context = contextDirectory(files)
    const first = await tryDockerfile(text, { context })
    utimesSync(path.join(context, 'a.txt'), 5, 5)
    const again = await tryDockerfile(text, { context, store: first.store })
    expect(again.cached).toBe(true)
    expect(again.image).toEqual(first.image)
    const elsewhere = await tryDockerfile(text, { context: contextDirectory(files) })
    expect(elsewhere.image).toEqual(first.image)
  })
  it.each([
    ['a byte', (root: string) => writeFileSync(path.join(root, 'a.txt'), 'A')],
    ['another file', (root: string) => writeFileSync(path.join(root, 'new'), '')],
  ])('%s changes it', async (_, change) => {
    const context = contextDirectory(files)
    const first = await tryDockerfile(text, { context })
    change(context)
    const again = await tryDockerfile(text, { context, store: first.store })
    expect(again.cached).toBe(false)
    expect(again.image.layers[0]!.diffId).not.toBe(first.image.layers[0]!.diffId)
  })
  it('and not what is left out of the context', async () => {
    const context = contextDirectory(files)
    const first = await tryDockerfile(text, { context, ignore: ['new'] })
    writeFileSync(path.join(context, 'new'), '')
    const again = await tryDockerfile(text, { context, ignore: ['new'], store: first.store })
    expect(again.cached).toBe(true)
  })
  it('--no-cache does it again, to the same', async () => {
    const context = contextDirectory(files)
    const first = await tryDockerfile(text, { context })
    const again = await tryDockerfile(text, { context, store: first.store, noCache: true })
    expect(again.cached).toBe(false)
    expect(again.image).toEqual(first.image)
  })
})
