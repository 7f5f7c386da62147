import { describe, expect, it } from 'vitest'
import { neededStages, sourcesOf } from '../../src/dockerfile/dockerfile.ts'
import { parsePlatform } from '../../src/platform.ts'
import { instructionsOf, parse } from './parse.ts'

const lines = (...text: readonly string[]): string => text.join('\n')

describe('parseDockerfile() reads stages', () => {
  it.each([
    { from: 'FROM scratch', base: { kind: 'scratch' }, name: undefined },
    {
      from: 'from debian:trixie as Base-1.x',
      base: { kind: 'image', name: 'debian:trixie' },
      name: 'base-1.x',
    },
    { from: 'FROM\tghcr.io/a/b@sha256:' + 'a'.repeat(64), base: { kind: 'image' } },
    {
      from: 'FROM plinth:debian?suite=trixie&include=curl',
      base: { kind: 'image', name: 'plinth:debian?suite=trixie&include=curl' },
    },
    { from: 'FROM ./base:1', invalid: 6 },
    { from: 'FROM Debian', invalid: 6 },
    { from: 'FROM', invalid: 1 },
    { from: 'FROM a b', invalid: 8 },
    { from: 'FROM a AS', invalid: 8 },
    { from: 'FROM a AS 1x', invalid: 11 },
    { from: 'FROM a AS b c', invalid: 13 },
    { from: 'FROM --platfrom=x a', invalid: 6 },
    { from: 'FROM --platform=windows/amd64/x/y a', invalid: 17 },
    { from: 'FROM --platform=$NONE a', invalid: 17 },
    { from: 'FROM $NONE', invalid: 6 },
    { from: 'FROM ${X', invalid: 6 },
    { from: 'FROM plinth:', invalid: 6 },
  ])('$from', ({ from, base, name, invalid }) => {
    if (invalid === undefined) {
      expect(parse(from).graph).toMatchObject({ stages: [{ base, name, steps: [] }], target: 0 })
    } else {
      expect(() => parse(from)).toThrow(
        expect.objectContaining({
          code: 'DOCKERFILE_INVALID',
          facts: { file: 'Dockerfile', line: 1, column: invalid },
        }),
      )
    }
  })

  it.each([
    { name: 'nothing', text: '' },
    { name: 'comments only', text: '# syntax=x\n\n# y' },
    { name: 'no FROM', text: 'ARG A=1' },
    { name: 'an instruction before FROM', text: 'RUN x\nFROM scratch' },
    { name: 'an unknown instruction before FROM', text: 'FORM scratch' },
  ])('refuses $name', ({ text }) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_INVALID' }))
  })
})

describe('parseDockerfile() resolves stages', () => {
  it('by name in any case, the last one of a name, and by number', () => {
    const { graph } = parse(
      lines(
        'FROM scratch AS One',
        'FROM one AS two',
        'COPY --from=ONE /a /b',
        'COPY --from=0 /a /b',
        'FROM scratch AS one',
        'FROM ONE',
        'COPY --from=two /a /b',
        'COPY --from=three /a /b',
      ),
    )
    expect(graph.stages.map(({ base }) => base)).toEqual([
      { kind: 'scratch' },
      { kind: 'stage', stage: 0 },
      { kind: 'scratch' },
      { kind: 'stage', stage: 2 },
    ])
    expect(graph.stages.map(({ steps }) => steps.flatMap(sourcesOf))).toEqual([
      [],
      [
        { kind: 'stage', stage: 0 },
        { kind: 'stage', stage: 0 },
      ],
      [],
      [
        { kind: 'stage', stage: 1 },
        { kind: 'image', name: 'three' },
      ],
    ])
  })

  it('needs only some of them', () => {
    const text = lines(
      'FROM scratch AS a',
      'FROM scratch AS unused',
      'COPY --from=a x y',
      'FROM scratch AS mounted',
      'FROM a AS b',
      'RUN --mount=from=mounted,target=$X x',
      'FROM b AS last',
    )
    expect(neededStages(parse(text).graph)).toEqual([0, 2, 3, 4])
    expect(neededStages(parse(text, { target: 'UNUSED' }).graph)).toEqual([0, 1])
    expect(neededStages(parse(text, { target: '0' }).graph)).toEqual([0])
  })

  it('a name is a target before a number is', () => {
    const text = 'FROM scratch AS a\nFROM scratch AS b'
    expect(parse(text, { target: 'A' }).graph.target).toBe(0)
    expect(parse(text, { target: '1' }).graph.target).toBe(1)
    expect(parse(text, { target: '' }).graph.target).toBe(1)
  })

  it.each([
    { name: 'an unknown target', target: 'buidl', hint: 'did you mean build?' },
    { name: 'a number there is not', target: '2', hint: 'it has build, run' },
  ])('refuses $name', ({ target, hint }) => {
    const text = 'FROM scratch AS build\nFROM scratch AS run'
    expect(() => parse(text, { target })).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE_INVALID', hint }),
    )
  })

  it.each([
    { name: 'a stage that comes later', line: 'COPY --from=later a b' },
    { name: 'a number that comes later', line: 'COPY --from=1 a b' },
    { name: 'the stage itself', line: 'COPY --from=me a b' },
    { name: 'the stage itself by number', line: 'COPY --from=0 a b' },
    { name: 'a mount of a stage that comes later', line: 'RUN --mount=from=later,target=/x y' },
  ])('refuses $name', ({ line }) => {
    expect(() => parse(`FROM scratch AS me\n${line}\nFROM scratch AS later`)).toThrow(
      expect.objectContaining({
        code: 'DOCKERFILE_INVALID',
        facts: expect.objectContaining({ line: 2 }) as unknown,
      }),
    )
  })

  it('FROM of a later stage is an image', () => {
    expect(parse('FROM b AS a\nFROM scratch AS b').graph.stages[0]!.base).toEqual({
      kind: 'image',
      name: 'b',
    })
  })
})

describe('parseDockerfile() knows arguments', () => {
  const arm = parsePlatform('linux/arm/v7')

  it.each([
    { text: 'ARG V=1\nFROM a:$V', name: 'a:1' },
    { text: 'ARG V=1\nFROM a:$V', buildArgs: { V: '2' }, name: 'a:2' },
    { text: 'ARG V\nFROM a:$V', buildArgs: { V: '2' }, name: 'a:2' },
    { text: 'ARG V\nFROM a:${V:-3}', name: 'a:3' },
    { text: 'ARG A=1 B=${A}2\nFROM a:$B', name: 'a:12' },
    { text: 'ARG A=1\nARG A=2\nFROM a:$A', name: 'a:2' },
    { text: 'ARG A="x"\nFROM "$A"', name: 'x' },
    { text: 'FROM a:${V:-none}', buildArgs: { V: '2' }, name: 'a:none' },
    { text: 'FROM a:$TARGETARCH-$BUILDARCH', name: 'a:arm-amd64' },
    { text: 'FROM a:$TARGETARCH', buildArgs: { TARGETARCH: 'x' }, name: 'a:x' },
    { text: 'FROM a:$TARGETSTAGE', name: 'a:default' },
    { text: 'FROM a:$TARGETSTAGE AS b', target: 'b', name: 'a:b' },
  ])('in front of FROM: $text', ({ text, buildArgs = {}, name, target }) => {
    const options = { targetPlatform: arm, buildArgs: new Map(Object.entries(buildArgs)), target }
    expect(parse(text, options).graph.stages[0]!.base).toEqual({ kind: 'image', name })
  })

  it('of the platform', () => {
    const text = lines(
      'FROM --platform=$BUILDPLATFORM i AS a',
      'FROM --platform=linux/arm64 i',
      'FROM a',
      'FROM b',
    )
    const { graph } = parse(text, { targetPlatform: arm })
    expect(graph.stages.map(({ platform }) => platform)).toEqual([
      'linux/amd64',
      'linux/arm64',
      // built on a stage, it is for what that one is for
      'linux/amd64',
      undefined,
    ])
  })

  it.each([
    { name: 'the default', arg: 'ARG X=1', value: '1' },
    { name: '--build-arg', arg: 'ARG X=1', buildArgs: { X: '2' }, value: '2' },
    { name: 'that of the front', arg: 'ARG X', front: 'ARG X=3', value: '3' },
    { name: 'the default before that of the front', arg: 'ARG X=1', front: 'ARG X=3', value: '1' },
    { name: 'none', arg: 'ARG X', value: undefined },
    { name: 'a platform', arg: 'ARG TARGETVARIANT', value: 'v7' },
    {
      name: 'a platform that --build-arg changes',
      arg: 'ARG TARGETOS',
      buildArgs: { TARGETOS: 'bsd' },
      value: 'bsd',
    },
    { name: 'an empty one', arg: 'ARG TARGETOSVERSION', value: '' },
  ])('in a stage: $name', ({ arg, front, buildArgs = {}, value }) => {
    const text = `${front ?? ''}\nFROM scratch\n${arg}`
    const [found] = instructionsOf(text, {
      targetPlatform: arm,
      buildArgs: new Map(Object.entries(buildArgs)),
    })
    expect(found).toMatchObject({ kind: 'arg', args: [{ value }] })
  })

  it('those of the front are not those of a stage', () => {
    const text = 'ARG X=1\nFROM scratch\nLABEL a=$X\nARG X\nLABEL b=$X'
    const labels = instructionsOf(text).filter((one) => one.kind === 'label')
    expect(labels).toMatchObject([{ pairs: [['a', '']] }, { pairs: [['b', '1']] }])
  })
})
