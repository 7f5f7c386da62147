import { describe, expect, expectTypeOf, it } from 'vitest'
import type { Instruction } from '../../src/instruction.ts'
import { add, copy } from '../../src/recipe/files-instruction.ts'
import { arg, env, expose, label, shell } from '../../src/recipe/instruction.ts'
import { defineRecipe } from '../../src/recipe/recipe.ts'
import { deb } from '../../src/recipe/rootfs.ts'
import { healthcheck, onbuild, run } from '../../src/recipe/run-instruction.ts'

const base = defineRecipe({ name: 'base', rootfs: deb({ suite: 'trixie' }) })

describe('instructions', () => {
  const cases: readonly {
    readonly name: string
    readonly made: Instruction
    readonly expected: object
  }[] = [
    {
      name: 'env keeps the order',
      made: env({ B: '1', A: '2' }),
      expected: {
        kind: 'env',
        pairs: [
          ['B', '1'],
          ['A', '2'],
        ],
      },
    },
    {
      name: 'label',
      made: label({ a: '' }),
      expected: { kind: 'label', pairs: [['a', '']] },
    },
    {
      name: 'arg',
      made: arg('V', '1'),
      expected: { kind: 'arg', args: [{ name: 'V', value: '1' }] },
    },
    {
      name: 'arg without a default',
      made: arg('V'),
      expected: { kind: 'arg', args: [{ name: 'V' }] },
    },
    {
      name: 'shell',
      made: shell(['/bin/bash', '-c']),
      expected: { kind: 'shell', command: ['/bin/bash', '-c'] },
    },
    {
      name: 'expose with a range',
      made: expose('8000-8002/udp', 80),
      expected: { kind: 'expose', ports: ['8000/udp', '8001/udp', '8002/udp', '80/tcp'] },
    },
    { name: 'run', made: run('true'), expected: { kind: 'run', command: 'true', mounts: [] } },
    {
      name: 'run with all of it',
      made: run(['a', 'b'], {
        network: 'none',
        security: 'insecure',
        mounts: [
          { type: 'cache', target: '/c', sharing: 'locked', mode: 0o700 },
          { type: 'bind', target: '/src', from: base, source: '/etc' },
          { type: 'tmpfs', target: '/t', size: '64m' },
          { type: 'secret', id: 'token' },
          { type: 'secret', id: 'key', env: 'KEY' },
          { type: 'ssh', required: true },
        ],
      }),
      expected: {
        kind: 'run',
        command: ['a', 'b'],
        network: 'none',
        security: 'insecure',
        mounts: [
          { type: 'cache', target: '/c', sharing: 'locked', mode: 0o700 },
          { type: 'bind', target: '/src', from: { kind: 'recipe', recipe: base }, source: '/etc' },
          { type: 'tmpfs', target: '/t', size: 64 << 20 },
          { type: 'secret', id: 'token', target: '/run/secrets/token' },
          { type: 'secret', id: 'key', env: 'KEY' },
          { type: 'ssh', required: true },
        ],
      },
    },
    {
      name: 'copy from the context',
      made: copy('a*', '/d/', { chown: 'me:us', chmod: 'u=rwX,go=rX', exclude: ['*.md'] }),
      expected: {
        kind: 'copy',
        sources: ['a*'],
        inline: [],
        destination: '/d/',
        chown: 'me:us',
        chmod: 'u=rwX,go=rX',
        exclude: ['*.md'],
      },
    },
    {
      name: 'copy from another recipe, a file in place too',
      made: copy(['/etc/passwd', { name: 'motd', content: 'hi\n' }], '/d/', {
        from: base,
        link: true,
      }),
      expected: {
        kind: 'copy',
        from: { kind: 'recipe', recipe: base },
        sources: ['/etc/passwd'],
        inline: [{ name: 'motd', content: 'hi\n' }],
        destination: '/d/',
        link: true,
      },
    },
    {
      name: 'copy from an image',
      made: copy('/x', '/', { from: 'ghcr.io/a/b:1', parents: true }),
      expected: {
        kind: 'copy',
        from: { kind: 'image', name: 'ghcr.io/a/b:1' },
        parents: true,
        sources: ['/x'],
        inline: [],
        destination: '/',
      },
    },
    {
      name: 'add',
      made: add('https://a/b.tar', '/d', { checksum: `sha256:${'a'.repeat(64)}`, unpack: true }),
      expected: {
        kind: 'add',
        sources: ['https://a/b.tar'],
        inline: [],
        destination: '/d',
        checksum: `sha256:${'a'.repeat(64)}`,
        unpack: true,
      },
    },
    {
      name: 'healthcheck',
      made: healthcheck(['curl', '-f', 'x'], { interval: '1m30s', timeout: 500, retries: 3 }),
      expected: {
        kind: 'healthcheck',
        test: { command: ['curl', '-f', 'x'] },
        interval: 90e9,
        timeout: 500e6,
        retries: 3,
      },
    },
    {
      name: 'no healthcheck',
      made: healthcheck('none'),
      expected: { kind: 'healthcheck', test: 'none' },
    },
    {
      name: 'onbuild',
      made: onbuild('COPY . /src'),
      expected: { kind: 'onbuild', trigger: 'COPY . /src' },
    },
  ]

  it.each(cases)('$name', ({ made, expected }) => {
    expect(made).toEqual(expected)
  })

  it('cannot be changed through what they were made of', () => {
    const command = ['a']
    const made = run(command)
    command.push('b')
    expect(made).toMatchObject({ command: ['a'] })
  })

  it.each([
    { name: 'an empty run', make: () => run('') },
    { name: 'an unknown network', make: () => run('a', { network: 'bridge' as never }) },
    { name: 'an unknown option', make: () => run('a', { mount: [] } as never) },
    { name: 'an unknown mount', make: () => run('a', { mounts: [{ type: 'volume' } as never] }) },
    {
      name: 'a mount without target',
      make: () => run('a', { mounts: [{ type: 'tmpfs' } as never] }),
    },
    {
      name: 'a mount on the root',
      make: () => run('a', { mounts: [{ type: 'cache', target: '/' }] }),
    },
    {
      name: 'an option of another mount',
      make: () =>
        run('a', { mounts: [{ type: 'tmpfs', target: '/t', sharing: 'locked' } as never] }),
    },
    {
      name: 'a size that is none',
      make: () => run('a', { mounts: [{ type: 'tmpfs', target: '/t', size: 'big' }] }),
    },
    {
      name: 'a secret without id',
      make: () => run('a', { mounts: [{ type: 'secret' } as never] }),
    },
    { name: 'a copy of nothing', make: () => copy([], '/') },
    { name: 'a copy to nowhere', make: () => copy('a', '') },
    { name: 'a pattern that is none', make: () => copy('[', '/') },
    { name: 'a mode that is none', make: () => copy('a', '/', { chmod: '888' }) },
    { name: 'an owner that is none', make: () => copy('a', '/', { chown: 'a b' }) },
    { name: 'a name that is a path', make: () => copy({ name: '../x', content: '' }, '/') },
    { name: 'an image that is none', make: () => copy('a', '/', { from: 'A B' }) },
    { name: 'a recipe that is none', make: () => copy('a', '/', { from: {} as never }) },
    { name: 'a checksum that is none', make: () => add('u', '/', { checksum: 'x' }) },
    {
      name: 'a checksum of two',
      make: () => add(['u', 'v'], '/', { checksum: `sha256:${'0'.repeat(64)}` }),
    },
    { name: 'a duration that is none', make: () => healthcheck('a', { interval: 'soon' }) },
    { name: 'a duration too short', make: () => healthcheck('a', { interval: 0.5 }) },
    { name: 'retries that are none', make: () => healthcheck('a', { retries: 1.5 }) },
    { name: 'a trigger that is none', make: () => onbuild('COPPY a b') },
    { name: 'a trigger with two lines', make: () => onbuild('RUN a\nRUN b') },
    { name: 'a trigger of triggers', make: () => onbuild('ONBUILD RUN a') },
    { name: 'an empty shell', make: () => shell([]) },
    { name: 'an argument without a name', make: () => arg('') },
    { name: 'a published port', make: () => expose('80:80') },
  ])('refuse $name', ({ make }) => {
    expect(make).toThrow(expect.objectContaining({ code: 'RECIPE_INVALID' }))
  })

  it('are typed', () => {
    expectTypeOf(run).returns.toEqualTypeOf<Instruction>()
    // @ts-expect-error a cache has no size
    expect(() => run('a', { mounts: [{ type: 'cache', target: '/c', size: 1 }] })).toThrow('size')
    // @ts-expect-error copy takes no checksum
    expect(() => copy('a', '/', { checksum: 'a' })).toThrow('checksum')
  })
})
