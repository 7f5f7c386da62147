type Random = () => number

const names = ['A', 'B', 'EMPTY', 'P', 'UNSET', 'ü', 'STAR', 'Q']

/** ENV lines that give the variables of `drawLines` their values. */
export function drawVariables(random: Random, escape: string): string {
  const { pick } = dice(random)
  const values: Readonly<Record<string, readonly string[]>> = {
    A: ['alpha', 'a', 'aXbXc', 'x y'],
    B: ['/a/b/c.tar.gz', 'b.b', '😀é'],
    P: ['80', '8000-8002', '53/udp'],
    ü: ['umlaut'],
    STAR: ['a*b?c', '[a]', 'a{b}', '(.+)|^'],
    Q: [`it"s`, `it's`],
  }
  return Object.entries(values)
    .map(([name, texts]) => `ENV ${name}="${pick(texts).replaceAll('"', `${escape}"`)}"\n`)
    .concat('ENV EMPTY=\n')
    .join('')
}

/** Lines of a Dockerfile, most of them valid. */
export function drawLines(
  random: Random,
  {
    count,
    escape,
    old,
  }: { readonly count: number; readonly escape: string; readonly old: boolean },
): readonly string[] {
  const { pick, chance, upTo, several } = dice(random)

  const literal = (): string =>
    several(4, () =>
      pick([
        'a',
        'b',
        'X',
        '.',
        '/',
        '-',
        ':',
        ',',
        '@',
        '#',
        '%',
        '~',
        '+',
        'é',
        '😀',
        '{',
        '}',
        '(',
        ')',
        '[',
        ']',
        '^',
        '|',
        '!',
        ';',
        '&',
        '<',
        '>',
        '*',
        '?',
      ]),
    )
  const quoted = (depth: number): string => {
    if (chance(0.4))
      return `'${several(4, () => pick(['a', ' ', '$A', '"', '\\', '`', '#', '=']))}'`
    const inside = several(4, () =>
      pick([
        'a',
        ' ',
        "'",
        `${escape}"`,
        `${escape}$`,
        `${escape}${escape}`,
        `${escape}n`,
        '=',
        '#',
        () => variable(depth),
      ]),
    )
    return `"${inside}"`
  }
  const pattern = (): string =>
    several(3, () =>
      pick([
        '*',
        '?',
        'a',
        'b',
        'X',
        '.',
        '\\*',
        '\\?',
        '\\\\',
        '\\/',
        '/',
        '[',
        '(',
        '+',
        '^',
        '$A',
        '|',
        '"*"',
        '\\a',
      ]),
    )
  const variable = (depth: number): string => {
    const name = pick(names)
    if (chance(0.3)) return `$${name}`
    if (chance(0.3) || depth > 2) return `\${${name}}`
    const inner = (): string => word(depth + 1)
    const colon = chance(0.5) || old ? ':' : ''
    if (old) return `\${${name}:${pick(['-', '+'])}${inner()}}`
    return pick([
      () => `\${${name}${colon}-${inner()}}`,
      () => `\${${name}${colon}+${inner()}}`,
      () => `\${${name}${colon}?${inner()}}`,
      () => `\${${name}${pick(['#', '##', '%', '%%'])}${pattern()}}`,
      () => `\${${name}${pick(['#', '##', '%', '%%'])}${pattern()}}`,
      () =>
        `\${${name}/${pattern().replaceAll(/(^|[^\\])\//g, '$1')}/${inner().replaceAll('}', '')}}`,
      () =>
        `\${${name}//${pattern().replaceAll(/(^|[^\\])\//g, '$1')}/${inner().replaceAll('}', '')}}`,
      () => `\${${name}${pick(['!', ':', ':5', '@', ''])}${inner()}}`,
    ])()
  }
  const word = (depth = 0): string =>
    several(3, () =>
      pick(
        [
          literal,
          () => quoted(depth),
          () => variable(depth),
          () => variable(depth),
          () => `${escape}${pick(['$', '"', "'", ' ', 'a', escape, '{'])}`,
          () => pick(['$', '"', "'", '$$', '$1', '$@', '${']),
        ].slice(0, chance(0.1) ? 6 : 5),
      )(),
    )
  const pair = (name: string): string => `${name}=${word()}`
  const gap = (): string =>
    chance(0.2) ? pick(['  ', '\t', ` ${escape}\n  `, ` ${escape}  \n# comment\n\n `]) : ' '
  let number = 0
  const fresh = (): string => `W${number++}`
  const line = (): string =>
    pick([
      () => `ENV${gap()}${pair(fresh())}${chance(0.4) ? gap() + pair(fresh()) : ''}`,
      () => `ENV${gap()}${pair(fresh())}`,
      () => `env ${fresh()}${gap()}${word()} ${word()}`,
      () => `LABEL${gap()}${pair(fresh())}${chance(0.3) ? gap() + pair(fresh()) : ''}`,
      () => `LABEL "${fresh()} ${word()}"=${word()}`,
      () => `LABEL ${word()}=x`,
      () => `LABEL ${fresh()}${gap()}${word()}`,
      () =>
        old
          ? `ARG ${fresh()}=${word()}`
          : `ARG${gap()}${fresh()}=${word()} ${fresh()}=$W${number - 1}`,
      () =>
        `EXPOSE${gap()}${pick(['1', '2-4', '5/UDP', '$P', '"$P"', '${UNSET:-7}', '0', 'x', '9-8', '[::1]:1:2', '1:2', '/tcp', '80/', '70000', '6/sctp'])} ${1000 + upTo(9)}`,
      () =>
        `VOLUME${gap()}${pick([`/${literal()}`, `["/a b", "$A"]`, `["/x"`, `[ "/\\u00e9\\n" ]`, `/$A /$B`, '"/q"', '[]', '[1]'])}`,
      () => `USER${gap()}${word()}`,
      () =>
        `CMD${gap()}${pick([`["a", "$A", "\\"q\\""]`, 'echo $A  "x"  ', `["a",]`, '[ ]', `["\\ud800x"]`, `[null]`, "['a']", `["a"] x`])}`,
      () =>
        `STOPSIGNAL${gap()}${pick(['SIGTERM', 'term', '9', '0', '$P', 'SIGRTMIN+3', 'SIGNOPE', '"sigint"'])}`,
      () =>
        `HEALTHCHECK${gap()}--interval=${pick(['1s', '1m30s', '.5h', '0', '1', '1.5ms', '999us', '-1s', '1h1m1.001s', '+2s'])} ${pick(['', '--retries=3 ', '--retries=-1 ', '--retries=x ', '--timeout=1.s '])}${pick(['CMD a $A', 'cmd ["a", "b"]', 'NONE', 'CMD', 'NOPE'])}`,
      () =>
        `ONBUILD${gap()}${pick(['run echo $A', `ENV ${pair('X')}`, `COPY  a   b `, 'CMD ["a"]'])}`,
    ])()
  // none may join the next one
  return Array.from({ length: count }, () => line().replace(/[`\\][ \t]*$/, '$&e'))
}

function dice(random: Random) {
  const upTo = (most: number): number => Math.floor(random() * most)
  const several = (most: number, draw: () => string | (() => string)): string =>
    Array.from({ length: 1 + upTo(most) }, () => {
      const drawn = draw()
      return typeof drawn === 'string' ? drawn : drawn()
    }).join('')
  return {
    pick: <T>(list: readonly T[]): T => list[upTo(list.length)]!,
    chance: (share: number): boolean => random() < share,
    upTo,
    several,
  }
}
