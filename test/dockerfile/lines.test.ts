import { describe, expect, it } from 'vitest'
import { parseDirectives } from '../../src/dockerfile/directives.ts'
import { logicalLines, sourceLines } from '../../src/dockerfile/lines.ts'
import { locate } from '../../src/dockerfile/source.ts'

function texts(text: string, escape = '\\'): readonly string[] {
  return logicalLines(text, 'Dockerfile', escape).map((line) => line.text)
}

describe('logicalLines()', () => {
  it.each([
    { name: 'two instructions', text: 'FROM a\nRUN b\n', lines: ['FROM a', 'RUN b'] },
    { name: 'no line end at the end', text: 'FROM a', lines: ['FROM a'] },
    { name: 'CRLF', text: 'FROM a\r\nRUN b \\\r\n c\r\n', lines: ['FROM a', 'RUN b  c'] },
    { name: 'a byte order mark', text: '\ufeffFROM a', lines: ['FROM a'] },
    { name: 'blank lines, comments', text: '\n  # x\nFROM a\n\t\n#y\n', lines: ['FROM a'] },
    { name: 'white space in front', text: '  \tFROM a  ', lines: ['FROM a  '] },
    { name: 'a joined line', text: 'RUN a \\\n  b', lines: ['RUN a   b'] },
    { name: 'white space behind the token', text: 'RUN a \\ \t\nb', lines: ['RUN a b'] },
    { name: 'a comment between', text: 'RUN a \\\n # no\n  b', lines: ['RUN a   b'] },
    { name: 'a blank line between', text: 'RUN a \\\n\n  \n b', lines: ['RUN a  b'] },
    {
      name: 'a comment that ends with the token',
      text: 'RUN a \\\n# no \\\nb',
      lines: ['RUN a b'],
    },
    { name: 'a comment between that is none', text: 'RUN a \\\n b # c', lines: ['RUN a  b # c'] },
    { name: 'an escaped token', text: 'RUN a \\\\\nRUN b', lines: ['RUN a \\\\', 'RUN b'] },
    { name: 'the token alone', text: 'RUN a \\\n\\\nb', lines: ['RUN a b'] },
    { name: 'the token at the end of the file', text: 'RUN a \\', lines: ['RUN a '] },
    { name: 'a comment that ends with the token alone', text: '# a \\\nFROM b', lines: ['FROM b'] },
  ])('$name', ({ text, lines }) => {
    expect(texts(text)).toEqual(lines)
  })

  it('joins at the token of the directive only', () => {
    expect(texts('RUN a `\n b\nRUN c:\\\nRUN d', '`')).toEqual(['RUN a  b', 'RUN c:\\', 'RUN d'])
  })

  it('knows where each part stands', () => {
    const [line] = logicalLines('\n  RUN ab \\\n# no\n    cd \\\n  ef', 'Dockerfile', '\\')
    const at = (part: string) => locate(line!, line!.text.indexOf(part))
    expect(at('RUN')).toEqual({ file: 'Dockerfile', line: 2, column: 3 })
    expect(at('ab')).toMatchObject({ line: 2, column: 7 })
    expect(at('cd')).toMatchObject({ line: 4, column: 5 })
    expect(at('ef')).toMatchObject({ line: 5, column: 3 })
  })

  it('keeps the comments directly above', () => {
    const lines = logicalLines('# a\n\n# b\n#  c\nFROM x\n#\n# d\nRUN y', 'Dockerfile', '\\')
    expect(lines.map(({ comments }) => comments)).toEqual([['b', 'c'], ['d']])
  })

  it('tells where a blank line stands between joined ones', () => {
    const [line] = logicalLines('RUN a \\\n# c\n\nb', 'Dockerfile', '\\')
    expect(line?.emptyContinuation).toBe(3)
  })
})

describe('here-documents', () => {
  it.each([
    {
      name: 'of RUN',
      text: 'RUN <<EOF\na\n  b\nEOF\nRUN c',
      expected: [[{ name: 'EOF', expand: true, chomp: false, content: 'a\n  b\n' }], []],
    },
    {
      name: 'quoted',
      text: `RUN <<'E F'\na\nE F\nRUN <<"X"\nX\nCOPY <<Y"Z" /\nYZ\n`,
      expected: [
        [{ name: 'E F', expand: false, content: 'a\n' }],
        [{ name: 'X', expand: false, content: '' }],
        [{ name: 'YZ', expand: false, content: '' }],
      ],
    },
    {
      name: 'with a dash, whose end may be indented',
      text: 'RUN <<-EOF\n\ta\n\t\tEOF\n',
      expected: [[{ name: 'EOF', chomp: true, content: '\ta\n' }]],
    },
    {
      name: 'several in a line',
      text: 'COPY <<A <<B /d/\na\nA\nb\nB\n',
      expected: [
        [
          { name: 'A', content: 'a\n' },
          { name: 'B', content: 'b\n' },
        ],
      ],
    },
    {
      name: 'behind ONBUILD and flags',
      text: 'ONBUILD ADD --chmod=1 <<A /d\na\nA\n',
      expected: [[{ name: 'A', content: 'a\n' }]],
    },
    {
      name: 'with a descriptor, inside a command',
      text: 'RUN cat 3<<A | x\na\nA\n',
      expected: [[{ name: 'A', content: 'a\n' }]],
    },
    {
      name: 'that hold instructions, comments and tokens at the ends of lines',
      text: 'RUN <<A\nFROM x\n# y\nz \\\nA\n',
      expected: [[{ name: 'A', content: 'FROM x\n# y\nz \\\n' }]],
    },
    {
      name: 'with CRLF, which stay',
      text: 'RUN <<A\r\na\r\nA\r\n',
      expected: [[{ name: 'A', content: 'a\r\n' }]],
    },
    { name: 'not of other instructions', text: 'CMD cat <<A\nENV A=<<B', expected: [[], []] },
    { name: 'not in the JSON form', text: 'RUN ["a", "<<A"]\nRUN b', expected: [[], []] },
    { name: 'not in quotes', text: `RUN echo "<<A" '<<B' \\<<C`, expected: [[]] },
    { name: 'not a here-string', text: 'RUN cat <<<A', expected: [[]] },
    { name: 'not a shift', text: 'RUN echo $((1<<2))', expected: [[]] },
    { name: 'not what the shell alone understands', text: `RUN echo "a <<A`, expected: [[]] },
  ])('$name', ({ text, expected }) => {
    const found = logicalLines(text, 'Dockerfile', '\\').map(({ heredocs }) => heredocs)
    expect(found).toMatchObject(expected)
    expect(found.map((one) => one.length)).toEqual(expected.map((one) => one.length))
  })

  it('need an end', () => {
    expect(() => logicalLines('FROM a\nRUN x <<EOF\n EOF\n', 'Dockerfile', '\\')).toThrow(
      expect.objectContaining({
        code: 'DOCKERFILE_INVALID',
        facts: { file: 'Dockerfile', line: 2, column: 7 },
      }),
    )
  })
})

describe('parseDirectives()', () => {
  const read = (text: string) => parseDirectives(sourceLines(text), 'Dockerfile')
  const check = { skip: [], experimental: [], error: false }

  it.each([
    { text: 'FROM a', expected: { escape: '\\', syntax: undefined, check } },
    { text: '# escape=`\nFROM a', expected: { escape: '`' } },
    { text: '#ESCAPE = `  \n', expected: { escape: '`' } },
    {
      text: '# syntax=docker/dockerfile:1 x\n# escape=`',
      expected: { escape: '`', syntax: 'docker/dockerfile:1' },
    },
    { text: '# comment\n# escape=`', expected: { escape: '\\' } },
    { text: '\n# escape=`', expected: { escape: '\\' } },
    { text: 'FROM a\n# escape=`', expected: { escape: '\\' } },
    { text: '# other=1\n# escape=`', expected: { escape: '\\' } },
    { text: '\ufeff# escape=`', expected: { escape: '`' } },
    { text: '# escape=`\r\nFROM a\r\n', expected: { escape: '`' } },
    {
      text: '# check=skip=StageNameCasing, FromAsCasing;error=true',
      expected: {
        check: { skip: ['stagenamecasing', 'fromascasing'], experimental: [], error: true },
      },
    },
    {
      text: '# check=experimental=all',
      expected: { check: { skip: [], experimental: ['all'], error: false } },
    },
  ])('$text', ({ text, expected }) => {
    expect(read(text)).toMatchObject(expected)
  })

  it.each([
    { name: 'twice', text: '# escape=`\n# escape=`', line: 2 },
    { name: 'an escape token that is none', text: '# syntax=a\n# escape=x', line: 2 },
    { name: 'an unknown option of check', text: '# check=skp=all', line: 1 },
    { name: 'an error that is neither', text: '# check=error=maybe', line: 1 },
  ])('refuses $name', ({ text, line }) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({
        code: 'DOCKERFILE_INVALID',
        facts: expect.objectContaining({ line }) as unknown,
      }),
    )
  })
})
