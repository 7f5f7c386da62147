import { describe, expect, it } from 'vitest'
import { lintDockerfile, undefinedVariables } from '../../src/dockerfile/lint.ts'
import { pathMatcher } from '../../src/dockerfile/ignore.ts'
import { parse } from './parse.ts'

function rules(text: string, ignored?: (path: string) => boolean): readonly string[] {
  return lintDockerfile(parse(text), ignored).map(
    ({ rule, location }) => `${rule}:${location.line}`,
  )
}

type Case = [
  name: string,
  text: string,
  expected: readonly string[],
  buildArgs?: Readonly<Record<string, string>>,
]

const s = 'FROM scratch\n'

describe('lintDockerfile()', () => {
  it.each([
    ['StageNameCasing', 'FROM scratch AS Base', ['StageNameCasing:1']],
    ['FromAsCasing', 'FROM scratch as base', ['FromAsCasing:1']],
    ['FromAsCasing, lower', 'from scratch as base', []],
    ['NoEmptyContinuation', `${s}RUN a \\\n\nb`, ['NoEmptyContinuation:3']],
    [
      'ConsistentInstructionCasing',
      `${s}run a\nENV a=1\nEnv b=2`,
      ['ConsistentInstructionCasing:2', 'ConsistentInstructionCasing:4'],
    ],
    [
      'ConsistentInstructionCasing, lower',
      'from scratch\nrun a\nENV a=1',
      ['ConsistentInstructionCasing:3'],
    ],
    ['DuplicateStageName', 'FROM scratch AS a\nFROM scratch AS a', ['DuplicateStageName:2']],
    [
      'ReservedStageName',
      'FROM scratch AS scratch\nFROM a AS context',
      ['ReservedStageName:1', 'ReservedStageName:2'],
    ],
    [
      'JSONArgsRecommended',
      `${s}CMD a\nENTRYPOINT a\nHEALTHCHECK CMD a`,
      ['JSONArgsRecommended:2', 'JSONArgsRecommended:3'],
    ],
    ['JSONArgsRecommended, a shell asked for', `${s}SHELL ["a"]\nCMD a`, []],
    [
      'JSONArgsRecommended, a shell of the base',
      'FROM scratch AS a\nSHELL ["a"]\nFROM a\nCMD a',
      [],
    ],
    ['MaintainerDeprecated', `${s}MAINTAINER me`, ['MaintainerDeprecated:2']],
    ['UndefinedArgInFrom', 'ARG VERSION=1\nFROM a:$VERSIN$VERSION', ['UndefinedArgInFrom:2']],
    ['UndefinedArgInFrom, declared', 'ARG V\nFROM a:1$V', []],
    ['WorkdirRelativePath', `${s}WORKDIR a`, ['WorkdirRelativePath:2']],
    ['WorkdirRelativePath, below another', `${s}WORKDIR /a\nWORKDIR b`, []],
    [
      'WorkdirRelativePath, below that of a stage',
      'FROM scratch AS a\nWORKDIR /a\nFROM a\nWORKDIR b',
      [],
    ],
    [
      'MultipleInstructionsDisallowed',
      `${s}CMD ["a"]\nCMD ["b"]`,
      ['MultipleInstructionsDisallowed:2'],
    ],
    ['MultipleInstructionsDisallowed, in two stages', `${s}CMD ["a"]\n${s}CMD ["b"]`, []],
    [
      'LegacyKeyValueFormat',
      `${s}ENV a b\nLABEL c d`,
      ['LegacyKeyValueFormat:2', 'LegacyKeyValueFormat:3'],
    ],
    ['RedundantTargetPlatform', 'FROM --platform=$TARGETPLATFORM a', ['RedundantTargetPlatform:1']],
    ['RedundantTargetPlatform, another', 'FROM --platform=$BUILDPLATFORM a', []],
    [
      'SecretsUsedInArgOrEnv',
      `${s}ENV DB_PASSWORD=1\nARG a token b\nENV PUBLIC_KEY=1 MONKEY=2`,
      ['SecretsUsedInArgOrEnv:2', 'SecretsUsedInArgOrEnv:3'],
    ],
    [
      'InvalidDefaultArgInFrom',
      'ARG TAG\nFROM a:$TAG',
      ['InvalidDefaultArgInFrom:2'],
      { TAG: '1' },
    ],
    ['InvalidDefaultArgInFrom, with a default', 'ARG TAG=2\nFROM a:$TAG', [], { TAG: '1' }],
    [
      'FromPlatformFlagConstDisallowed',
      'FROM --platform=linux/arm64 a',
      ['FromPlatformFlagConstDisallowed:1'],
    ],
    [
      'FromPlatformFlagConstDisallowed, said in the name',
      'FROM --platform=linux/arm64 a AS build-arm64',
      [],
    ],
    ['ExposeProtoCasing', `${s}EXPOSE 80/TCP`, ['ExposeProtoCasing:2']],
    ['ExposeInvalidFormat', `${s}EXPOSE 1:80`, ['ExposeInvalidFormat:2']],
    [
      'InvalidDefinitionDescription',
      `# check=experimental=all\n\n# something\nARG a\n# base does\nFROM scratch AS base\n# other\nARG b`,
      ['InvalidDefinitionDescription:4', 'InvalidDefinitionDescription:8'],
    ],
    ['InvalidDefinitionDescription, not asked for', `# something\nARG a\nFROM scratch`, []],
    ['nothing', `${s}COPY a b\nWORKDIR /x\nCMD ["a"]`, []],
    ['of stages that are needed only', `FROM scratch AS x\nCMD a\n${s}`, []],
    ['skipped', `# check=skip=stagenamecasing,FromAsCasing\nFROM scratch as Base`, []],
    ['all skipped', `# check=skip=all\nFROM scratch as Base\nMAINTAINER x`, []],
  ] as readonly Case[])('%s', (_, text, expected, buildArgs = {}) => {
    const dockerfile = parse(text, { buildArgs: new Map(Object.entries(buildArgs)) })
    const found = lintDockerfile(dockerfile)
    expect(found.map(({ rule, location }) => `${rule}:${location.line}`)).toEqual(expected)
  })

  it('CopyIgnoredFile', () => {
    const { matches } = pathMatcher(['*.md', 'dir'])
    const text = `${s}COPY a.md /dir/b ./c.md *.md https://x/y.md /\nADD a b/../dir/x . /\nCOPY --from=x a.md /\nCOPY $A.md /`
    expect(rules(text, matches)).toEqual([
      'CopyIgnoredFile:2',
      'CopyIgnoredFile:2',
      'CopyIgnoredFile:2',
      'CopyIgnoredFile:3',
    ])
    expect(rules(text)).toEqual([])
  })

  it('says where and what to do', () => {
    expect(lintDockerfile(parse('ARG VERSION=1\n  FROM a:$VERSIN$VERSION'))).toEqual([
      {
        rule: 'UndefinedArgInFrom',
        message: 'FROM uses $VERSIN, which no ARG in front of the first FROM declares',
        location: { file: 'Dockerfile', line: 2, column: 3 },
        hint: 'did you mean $VERSION?',
      },
    ])
  })

  it('is an error when the file wants it', () => {
    const text = '# check=error=true\nFROM scratch\nMAINTAINER x\nENV a b'
    expect(() => lintDockerfile(parse(text))).toThrow(
      expect.objectContaining({
        code: 'DOCKERFILE_INVALID',
        facts: { file: 'Dockerfile', line: 3, column: 1 },
        hint: '# check=error=true makes an error of: MaintainerDeprecated, LegacyKeyValueFormat',
      }),
    )
    expect(lintDockerfile(parse(`# check=error=true\n${s}`))).toEqual([])
  })
})

describe('undefinedVariables()', () => {
  it.each([
    { text: 'LABEL a=$A b=$B', found: ['B'] },
    { text: 'LABEL a=${C:-x} b=${D+y} c=${E:-$F}', found: ['F'] },
    { text: 'ARG C\nENV D=1\nLABEL a=$C$D', found: [] },
    { text: 'LABEL a=$C\nARG C=1', found: ['C'] },
    { text: 'ENV C=$C:/x', found: ['C'] },
    { text: 'ENV PATH=/x:$PATH', found: [] },
    { text: 'RUN echo $C', found: [] },
    { text: 'ARG C=1 D=$C', found: [] },
    { text: 'RUN --mount=type=cache,target=$C x', found: ['C'] },
  ])('$text', ({ text, found }) => {
    const warnings = undefinedVariables(parse(`FROM x\n${text}`), 0, ['A'])
    expect(warnings.map(({ message }) => /\$(\w+)/.exec(message)?.[1])).toEqual(found)
  })

  it('knows the stages it is built on', () => {
    const dockerfile = parse('FROM x AS a\nENV NAME=1\nLABEL a=$NONE\nFROM a\nLABEL b=$NAME c=$NAM')
    expect(undefinedVariables(dockerfile, 1, [])).toMatchObject([
      { rule: 'UndefinedVar', location: { line: 5 }, hint: 'did you mean $NAME?' },
    ])
  })
})
