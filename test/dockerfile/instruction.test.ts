import { describe, expect, it } from 'vitest'
import { parseChange, parseTrigger } from '../../src/dockerfile/instruction.ts'
import { instructionOf, variablesOf } from '../../src/dockerfile/variables.ts'
import { instructionsOf, parse, single } from './parse.ts'

const env = ['A=alpha', 'S=one two', 'P=8080', 'E=']

describe('instructions', () => {
  it.each([
    // ENV, LABEL
    ['ENV X=1', { kind: 'env', pairs: [['X', '1']] }],
    ['env X 1', { kind: 'env', pairs: [['X', '1']] }],
    ['ENV X  a b  "c" ', { kind: 'env', pairs: [['X', 'a b  c']] }],
    [
      'ENV X=a\\ b Y="c d" Z=\'$A\' W=$S V=',
      {
        pairs: [
          ['X', 'a b'],
          ['Y', 'c d'],
          ['Z', '$A'],
          ['W', 'one two'],
          ['V', ''],
        ],
      },
    ],
    [
      'ENV A=new B=$A',
      {
        pairs: [
          ['A', 'new'],
          ['B', 'alpha'],
        ],
      },
    ],
    [
      'ENV X=1 X=2',
      {
        pairs: [
          ['X', '1'],
          ['X', '2'],
        ],
      },
    ],
    ['ENV $A=1', { pairs: [['alpha', '1']] }],
    [
      'LABEL "a b"="c d" __proto__=x',
      {
        kind: 'label',
        pairs: [
          ['a b', 'c d'],
          ['__proto__', 'x'],
        ],
      },
    ],
    [
      'LABEL a=b \\\n  c=d',
      {
        pairs: [
          ['a', 'b'],
          ['c', 'd'],
        ],
      },
    ],
    // ARG
    ['ARG X', { kind: 'arg', args: [{ name: 'X', value: undefined }] }],
    [
      'ARG X=$A Y=${X}y Z',
      { args: [{ name: 'X', value: 'alpha' }, { name: 'Y', value: 'alphay' }, { name: 'Z' }] },
    ],
    ['ARG "X Y"=1', { args: [{ name: '"X Y"', value: '1' }] }],
    ['ARG TARGETARCH BUILDPLATFORM', { args: [{ value: 'amd64' }, { value: 'linux/amd64' }] }],
    // CMD, ENTRYPOINT, SHELL
    ['CMD echo $A  "x"', { kind: 'cmd', command: 'echo $A  "x"' }],
    ['CMD ["a", "$A\\u00e9"]', { command: ['a', '$Aé'] }],
    ['CMD  [ "a" , "b" ] ', { command: ['a', 'b'] }],
    ['CMD ["a"', { command: '["a"' }],
    ["CMD ['a']", { command: "['a']" }],
    ['CMD ["a"] x', { command: '["a"] x' }],
    ['CMD []', { command: [] }],
    ['CMD', { command: '' }],
    ['ENTRYPOINT ["a"]', { kind: 'entrypoint', command: ['a'] }],
    ['SHELL ["bash", "-c"]', { kind: 'shell', command: ['bash', '-c'] }],
    // one argument
    ['WORKDIR /a b/$A', { kind: 'workdir', path: '/a b/alpha' }],
    ['WORKDIR "/a b"', { path: '/a b' }],
    ['USER ${A}:$E', { kind: 'user', user: 'alpha:' }],
    ['STOPSIGNAL SIGTERM', { kind: 'stopsignal', signal: 'SIGTERM' }],
    ['STOPSIGNAL rtmin+3', { signal: 'rtmin+3' }],
    ['STOPSIGNAL 99', { signal: '99' }],
    ['MAINTAINER me <a@b> $A', { kind: 'maintainer', author: 'me <a@b> $A' }],
    // EXPOSE, VOLUME
    ['EXPOSE 80 53/udp $P', { kind: 'expose', ports: ['8080/tcp', '53/udp', '80/tcp'] }],
    ['EXPOSE 2-4/TCP', { ports: ['2/tcp', '3/tcp', '4/tcp'] }],
    ['EXPOSE 1:2 127.0.0.1:3:4/sctp [::1]::5', { ports: ['4/sctp', '2/tcp', '5/tcp'] }],
    ['EXPOSE $E 1', { ports: ['1/tcp'] }],
    ['EXPOSE 0', { ports: ['0/tcp'] }],
    ['VOLUME /a /$A', { kind: 'volume', paths: ['/a', '/alpha'] }],
    ['VOLUME ["/a b", "/$A"]', { paths: ['/a b', '/alpha'] }],
    // HEALTHCHECK
    ['HEALTHCHECK NONE', { kind: 'healthcheck', test: 'none' }],
    ['healthcheck cmd  a $A ', { test: { command: 'a $A' } }],
    ['HEALTHCHECK CMD ["a", "b"]', { test: { command: ['a', 'b'] } }],
    [
      'HEALTHCHECK --interval=1m30s --timeout=.5s --start-period=1h --start-interval=5ms --retries=3 \\\n CMD x',
      {
        test: { command: 'x' },
        interval: 90e9,
        timeout: 5e8,
        startPeriod: 3600e9,
        startInterval: 5e6,
        retries: 3,
      },
    ],
    ['HEALTHCHECK --interval=0s --retries=0 CMD x', { interval: undefined, retries: undefined }],
    // ONBUILD
    ['ONBUILD  run echo $A ', { kind: 'onbuild', trigger: 'run echo $A ' }],
    ['ONBUILD COPY --from=nowhere a b', { trigger: 'COPY --from=nowhere a b' }],
    ['ONBUILD COPY --from=3 a b', { trigger: 'COPY --from=3 a b' }],
    ['ONBUILD RUN <<A\nx\nA\n', { trigger: 'RUN <<A\nx\nA' }],
    // RUN
    ['RUN echo $A', { kind: 'run', command: 'echo $A', mounts: [] }],
    ['RUN ["a", "b"]', { command: ['a', 'b'] }],
    ['RUN <<EOF\necho $A\nEOF', { command: 'echo $A\n' }],
    ['RUN <<-EOF\n\techo\n\t\tx\n\tEOF', { command: 'echo\nx\n' }],
    ['RUN <<EOF\n#!/bin/sh -e\nx\nEOF', { command: { script: '#!/bin/sh -e\nx\n', name: 'EOF' } }],
    ['RUN cat <<A <<-B >x\na\nA\n\tb\n\tB', { command: 'cat <<A <<-B >x\na\nA\n\tb\nB' }],
    [
      'RUN --network=none --security=insecure x',
      { network: 'none', security: 'insecure', command: 'x' },
    ],
    ['RUN -- --x', { command: '--x' }],
    // COPY, ADD
    ['COPY a b /d/', { kind: 'copy', sources: ['a', 'b'], destination: '/d/', inline: [] }],
    ['COPY ["a b", "/$A"]', { sources: ['a b'], destination: '/alpha' }],
    ['COPY \\\n a \\\n /$A', { sources: ['a'], destination: '/alpha' }],
    [
      'COPY --chown=$A:1 --chmod=${X:-u=rwX,go=rX} --link --parents --exclude=*.md --exclude=$A x /',
      {
        chown: 'alpha:1',
        chmod: 'u=rwX,go=rX',
        link: true,
        parents: true,
        exclude: ['*.md', '$A'],
      },
    ],
    ['COPY --link=false --parents=FALSE a b', { link: false, parents: false }],
    ['COPY --from=image:1 /a /b', { from: { kind: 'image', name: 'image:1' } }],
    [
      'COPY --from=plinth:debian?suite=sid /a /b',
      { from: { kind: 'image', name: 'plinth:debian?suite=sid' } },
    ],
    [
      `COPY <<A <<'B' <<-C x /d/\n"$A" \\$A\nA\n$A\nB\n\t$A\nC`,
      {
        sources: ['x'],
        inline: [
          { name: 'A', content: '"alpha" $A\n' },
          { name: 'B', content: '$A\n' },
          { name: 'C', content: 'alpha\n' },
        ],
        destination: '/d/',
      },
    ],
    [
      `ADD --checksum=sha256:${'a'.repeat(64)} --unpack --keep-git-dir=true https://a/$A /x`,
      {
        kind: 'add',
        checksum: `sha256:${'a'.repeat(64)}`,
        unpack: true,
        keepGitDir: true,
        sources: ['https://a/alpha'],
      },
    ],
  ] as readonly (readonly [string, object])[])('%s', (line, expected) => {
    expect(single(line, { env })).toMatchObject(expected)
  })

  it('are values when no variable is in them, functions otherwise', () => {
    const { graph } = parse('FROM scratch\nENV A=1\nENV B=$A\nRUN $A\nCOPY <<"X" /\n$A\nX')
    expect(graph.stages[0]!.steps.map((step) => typeof step.instruction)).toEqual([
      'object',
      'function',
      'object',
      'object',
    ])
  })

  it('keep their text joined, and where they stand', () => {
    const { graph } = parse('FROM scratch\n\n  run a \\\n # c\n b')
    expect(graph.stages[0]!.steps[0]).toMatchObject({
      text: 'run a  b',
      location: { file: 'Dockerfile', line: 3, column: 3 },
    })
  })
})

describe('RUN --mount', () => {
  const mount = (options: string, variables: readonly string[] = []) => {
    const run = single(`RUN --mount=${options} x`, { env: variables })
    return run.kind === 'run' ? run.mounts[0] : undefined
  }

  it.each([
    ['target=/a', { type: 'bind', target: '/a' }],
    ['type=bind,src=x,dst=/a,rw', { type: 'bind', source: 'x', target: '/a', readwrite: true }],
    ['type=bind,source=x,destination=/a,ro=false', { readwrite: true }],
    ['type=bind,target=/a,readonly', { readwrite: false }],
    ['type=bind,target=/a,rw,ro', { readwrite: false }],
    ['type=bind', { target: '.' }],
    ['type=bind,from=image,target=/a', { from: { kind: 'image', name: 'image' } }],
    ['TYPE=Cache,Target=/c', { type: 'cache', target: '/c', readonly: undefined }],
    [
      'type=cache,target=/c/$A,id=$A-x,sharing=Locked,mode=0750,uid=1,gid=2,ro',
      {
        target: '/c/alpha',
        id: 'alpha-x',
        sharing: 'locked',
        mode: 0o750,
        uid: 1,
        gid: 2,
        readonly: true,
      },
    ],
    ['type=tmpfs,target=/t,size=1.5g', { type: 'tmpfs', target: '/t', size: 1.5 * 2 ** 30 }],
    ['type=tmpfs,target=/t,size=64MiB', { size: 64 * 2 ** 20 }],
    ['type=secret,id=a', { type: 'secret', id: 'a', target: '/run/secrets/a', env: undefined }],
    ['type=secret,target=/x/tok', { id: 'tok', target: '/x/tok' }],
    [
      'type=secret,src=a,env=TOK,required',
      { id: 'a', env: 'TOK', target: undefined, required: true },
    ],
    ['type=secret,id=a,env=T,target=/t,mode=0444', { env: 'T', target: '/t', mode: 0o444 }],
    ['type=ssh', { type: 'ssh', id: undefined }],
    ['type=ssh,id=x,required=true,uid=7', { id: 'x', required: true, uid: 7 }],
    ['type=cache,\\"target=/a,b\\"', { target: '/a,b' }],
    ['type=$T,target=/c', { type: 'cache' }],
  ])('%s', (options, expected) => {
    expect(mount(options, ['A=alpha', 'T=cache'])).toMatchObject(expected)
  })

  it.each([
    'type=cahe,target=/x',
    'tpye=cache',
    'type=cache,target',
    'type=cache,target=/c,sharing=some',
    'type=cache,target=/c,mode=9',
    'type=cache,target=/c,uid=-1',
    'type=bind,target=/c,mode=0755',
    'type=bind,target=/c,ro=perhaps',
    'type=tmpfs,target=/t,size=big',
    'type=cache,target=/t,size=1g',
    'type=cache,target=/c,required',
    'type=secret',
    'type=secret,id=a,source=b',
    'type=secret,id=a,from=b',
    'type=cache,target=/c,env=X',
    'type=bind,from=$A,target=/a',
    'type=cache,\\"target=/a',
  ])('refuses %s', (options) => {
    expect(() => mount(options)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_INVALID' }))
  })

  it('several', () => {
    const run = single('RUN --mount=type=ssh --mount=type=cache,target=/a x')
    expect(run).toMatchObject({ mounts: [{ type: 'ssh' }, { type: 'cache' }], command: 'x' })
  })
})

describe('refusals', () => {
  it.each([
    { line: 'RNU x', column: 1, hint: 'did you mean RUN?' },
    { line: 'X', column: 1 },
    { line: 'COPY --chwon=1 a b', column: 6, hint: 'did you mean --chown?' },
    { line: 'ENV --x A=1', column: 5 },
    { line: 'COPY --link --link a b', column: 13 },
    { line: 'COPY --chown a b', column: 6 },
    { line: 'COPY --link=maybe a b', column: 6 },
    { line: 'RUN --network=hots x', column: 15, hint: 'did you mean host?' },
    { line: 'RUN --security=none x', column: 16 },
    { line: 'RUN --device=gpu x', column: 14 },
    { line: 'RUN --mount=type=cahe,target=/x y', column: 13, hint: 'did you mean cache?' },
    { line: 'COPY a', column: 6 },
    { line: 'COPY', column: 5 },
    { line: 'COPY a <<X\nX', column: 8 },
    { line: 'COPY "x y" /', column: 6 },
    { line: 'COPY --chmod=888 a b', column: 14 },
    { line: 'COPY --chmod=u+q a b', column: 14 },
    { line: 'COPY --from=$X a b', column: 13 },
    { line: 'COPY --from=A/B: a b', column: 13 },
    { line: 'COPY --from=7 a b', column: 13 },
    { line: 'COPY --from=0 a b', column: 13 },
    { line: 'COPY ["a", 1]', column: 6 },
    { line: 'ADD --from=x a b', column: 5 },
    { line: 'ADD --checksum=nonsense! a b', column: 16 },
    { line: 'ADD --checksum=sha256:aa a b c', column: 16 },
    { line: 'ENV', column: 1 },
    { line: 'ENV A', column: 5 },
    { line: 'ENV A=1 B', column: 9 },
    { line: 'ENV A=1 =2', column: 9 },
    { line: 'LABEL =x', column: 7 },
    { line: 'LABEL a="b', column: 9 },
    { line: 'ENV A=${', column: 7 },
    { line: 'ENV A=${B!}', column: 7 },
    { line: 'ARG', column: 1 },
    { line: 'ARG =1', column: 5 },
    { line: 'CMD [1]', column: 5 },
    { line: 'SHELL bash -c', column: 7 },
    { line: 'SHELL []', column: 7 },
    { line: 'WORKDIR', column: 1 },
    { line: 'USER', column: 1 },
    { line: 'STOPSIGNAL SIGTREM', column: 12, hint: 'did you mean SIGTERM?' },
    { line: 'EXPOSE', column: 1 },
    { line: 'EXPOSE 80/http', column: 8 },
    { line: 'EXPOSE 1 65536', column: 10 },
    { line: 'EXPOSE 9-8', column: 8 },
    { line: 'VOLUME', column: 1 },
    { line: 'VOLUME [""]', column: 8 },
    { line: 'HEALTHCHECK', column: 1 },
    { line: 'HEALTHCHECK NONE x', column: 13 },
    { line: 'HEALTHCHECK x', column: 13 },
    { line: 'HEALTHCHECK CMD', column: 1 },
    { line: 'HEALTHCHECK --interval=soon CMD x', column: 24 },
    { line: 'HEALTHCHECK --interval=1us CMD x', column: 24 },
    { line: 'HEALTHCHECK --retries=-1 CMD x', column: 23 },
    { line: 'ONBUILD', column: 1 },
    { line: 'ONBUILD ONBUILD RUN x', column: 9 },
    { line: 'ONBUILD FROM x', column: 9 },
    { line: 'ONBUILD MAINTAINER x', column: 9 },
    { line: 'ONBUILD ENV A', column: 13 },
    { line: 'ONBUILD COPY --chwon=1 a b', column: 14, hint: 'did you mean --chown?' },
    { line: 'ONBUILD CPOY a b', column: 9, hint: 'did you mean COPY?' },
    { line: 'RUN \\\n  --mount=x y', column: 11, row: 3 },
    { line: 'LABEL a=1 \\\n  # c\n  "b=2', column: 3, row: 4 },
  ])('$line', ({ line, column, hint, row = 2 }) => {
    expect(() => parse(`FROM scratch\n${line}`)).toThrow(
      expect.objectContaining({
        code: 'DOCKERFILE_INVALID',
        facts: { file: 'Dockerfile', line: row, column },
        ...(hint !== undefined && { hint }),
      }),
    )
  })

  it('wait for values where values decide', () => {
    const text =
      'FROM scratch\nEXPOSE $P\nSTOPSIGNAL $S\nCOPY --chmod=$M a b\nENV A="${U:?is needed}"'
    const { graph } = parse(text)
    const [expose, stopsignal, copy, needed] = graph.stages[0]!.steps
    const variables = variablesOf(['P=x', 'S=SIGX', 'M=q'])
    for (const [step, line, says] of [
      [expose, 2, "'x' is no port"],
      [stopsignal, 3, "'SIGX' is no signal"],
      [copy, 4, "'q' is no mode"],
      [needed, 5, 'U: is needed'],
    ] as const) {
      expect(() => instructionOf(step!, variables)).toThrow(
        expect.objectContaining({ facts: expect.objectContaining({ line }) as unknown }),
      )
      expect(() => instructionOf(step!, variables)).toThrow(says)
    }
  })

  it('show the line, and where in it', () => {
    expect(() => parse('FROM scratch\n\tCOPY --chwon=1 a b')).toThrow(
      'Dockerfile:2:7: COPY has no flag --chwon\n  2 |  COPY --chwon=1 a b\n    |       ^',
    )
  })
})

describe('parseTrigger()', () => {
  const { context } = parse('FROM scratch AS one\nFROM base AS two')

  it('knows the stages of the Dockerfile', () => {
    const step = parseTrigger('COPY --from=ONE a $B', context, { stage: 1, origin: 'base' })
    expect(instructionOf(step, variablesOf(['B=b']))).toMatchObject({
      kind: 'copy',
      from: { kind: 'stage', stage: 0 },
      destination: 'b',
    })
    expect(step.sources).toEqual([{ kind: 'stage', stage: 0 }])
  })

  it('reads here-documents', () => {
    const step = parseTrigger('RUN <<A\nx\nA', context, { stage: 1, origin: 'base' })
    expect(step.instruction).toMatchObject({ kind: 'run', command: 'x\n' })
  })

  it.each(['RUN a\nRUN b', '', 'ONBUILD RUN x', 'FROM x', 'FOO'])('refuses %j', (trigger) => {
    expect(() => parseTrigger(trigger, context, { stage: 1, origin: 'base' })).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE_INVALID' }),
    )
  })
})

describe('parseChange()', () => {
  it('takes what alters the configuration', () => {
    expect(parseChange('cmd ["a"]').instruction).toEqual({ kind: 'cmd', command: ['a'] })
    const step = parseChange('ENV A=$B')
    expect(instructionOf(step, variablesOf(['B=b']))).toEqual({ kind: 'env', pairs: [['A', 'b']] })
  })

  it.each([
    'RUN x',
    'COPY a b',
    'FROM x',
    'ARG A',
    'SHELL ["a"]',
    'MAINTAINER x',
    '',
    'ENV A=1\nENV B=2',
    'ENVV A=1',
  ])('refuses %j', (change) => {
    expect(() => parseChange(change)).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE_INVALID' }),
    )
  })
})

describe('ARG and ENV', () => {
  it('one line of ENV sees what was before it', () => {
    const found = instructionsOf('FROM scratch\nENV A=1\nENV A=2 B=$A\nLABEL x=$A$B')
    expect(found.at(-1)).toEqual({ kind: 'label', pairs: [['x', '21']] })
  })

  it('the later of ENV and ARG counts', () => {
    const text =
      'FROM scratch\nENV A=env\nLABEL a=$A\nARG A=arg\nLABEL b=$A\nARG A\nLABEL c=$A\nENV A=again\nLABEL d=$A'
    const labels = instructionsOf(text).flatMap((one) => (one.kind === 'label' ? one.pairs : []))
    expect(Object.fromEntries(labels)).toEqual({ a: 'env', b: 'arg', c: 'arg', d: 'again' })
  })
})
