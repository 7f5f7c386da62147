import { describe, expect, it } from 'vitest'
import { expandWord, WordError, type WordOptions } from '../../src/dockerfile/word.ts'

const values: Readonly<Record<string, string>> = {
  A: 'alpha',
  E: '',
  P: '/a/b/c.tar.gz',
  S: 'one two',
  Q: 'q"q',
  STAR: 'a*b*c',
  ü: 'umlaut',
  _1: 'under',
  EMOJI: '😀x😀',
  LINES: 'a\nb',
}

function expand(word: string, options: Partial<WordOptions> = {}) {
  return expandWord(word, { escape: '\\', lookup: (name) => values[name], ...options })
}

describe('expandWord()', () => {
  it.each([
    // plain
    ['$A', 'alpha'],
    ['${A}', 'alpha'],
    ['x${A}y$A.z', 'xalphayalpha.z'],
    ['$UNSET', ''],
    ['$', '$'],
    ['a$', 'a$'],
    ['$ A', '$ A'],
    ['$.', '$.'],
    ['$$A', 'A'],
    ['$1A', 'A'],
    ['$12', ''],
    ['$A-', 'alpha-'],
    ['$_1', 'under'],
    ['$ü', 'umlaut'],
    ['$@x', 'x'],
    ['${?}', ''],
    // quotes
    [`"$A"`, 'alpha'],
    [`'$A'`, '$A'],
    [`"'$A'"`, "'alpha'"],
    [`'"$A"'`, '"$A"'],
    [`a"b c"d`, 'ab cd'],
    [`"a\\"b"`, 'a"b'],
    [`"a\\$A"`, 'a$A'],
    [`"a\\\\b"`, 'a\\b'],
    [`"a\\b"`, 'a\\b'],
    [`'a\\'b`, 'a\\b'],
    [`""`, ''],
    ['$Q', 'q"q'],
    // escapes
    ['\\$A', '$A'],
    ['\\\\$A', '\\alpha'],
    ['a\\ b', 'a b'],
    [`\\"a`, '"a'],
    ['a\\', 'a'],
    // default, alternative
    ['${A:-w}', 'alpha'],
    ['${E:-w}', 'w'],
    ['${E-w}', ''],
    ['${U:-w}', 'w'],
    ['${U-w}', 'w'],
    ['${U:-}', ''],
    ['${A:+w}', 'w'],
    ['${E:+w}', ''],
    ['${E+w}', 'w'],
    ['${U:+w}', ''],
    ['${U+w}', ''],
    ['${A:?e}', 'alpha'],
    ['${E?e}', ''],
    ['${U:-$A}', 'alpha'],
    ['${U:-${V:-${A}}}', 'alpha'],
    ['${U:-a b}', 'a b'],
    ['${U:-"a}b"}', 'a}b'],
    ['${U:-a\\}b}', 'a}b'],
    [`\${U:-'$A'}`, '$A'],
    // prefix, suffix
    ['${P#*/}', 'a/b/c.tar.gz'],
    ['${P##*/}', 'c.tar.gz'],
    ['${P%.*}', '/a/b/c.tar'],
    ['${P%%.*}', '/a/b/c'],
    ['${P%/*}', '/a/b'],
    ['${P#x}', '/a/b/c.tar.gz'],
    ['${P#??}', '/b/c.tar.gz'],
    ['${P%??}', '/a/b/c.tar.'],
    ['${A#a}', 'lpha'],
    ['${A%a}', 'alph'],
    ['${A#$E}', 'alpha'],
    ['${STAR#a\\*}', 'b*c'],
    ['${STAR%\\*c}', 'a*b'],
    ['${STAR##*\\*}', 'c'],
    ['${STAR%%\\**}', 'a'],
    ['${U#x}', ''],
    ['${A#[a]}', 'alpha'],
    ['${P#/a}', '/b/c.tar.gz'],
    ['${EMOJI#?}', 'x😀'],
    ['${EMOJI%?}', '😀x'],
    // replacing
    ['${A/a/X}', 'Xlpha'],
    ['${A//a/X}', 'XlphX'],
    ['${A/l*/}', 'a'],
    ['${P//\\//-}', '-a-b-c.tar.gz'],
    ['${P/.tar.gz/}', '/a/b/c'],
    ['${S// /_}', 'one_two'],
    ['${A/z/X}', 'alpha'],
    ['${A//*/R}', 'R'],
    ['${A///-}', '-a-l-p-h-a-'],
    ['${A//?/-}', '-----'],
    ['${A//a/$E}', 'lph'],
    ['${A//a/[\\$0]}', '[\\a]lph[\\a]'],
    ['${A//a/[\\$9]}', '[\\]lph[\\]'],
    ['${STAR//\\*/$A}', 'aalphabalphac'],
    ['${LINES/*/X}', 'X\nb'],
  ])('%s is %j', (word, expected) => {
    expect(expand(word).text).toBe(expected)
  })

  it.each([
    ['${A', true],
    ['${', true],
    ['${}', true],
    ['${:x}', true],
    ['${{A}}', true],
    ['${A!}', true],
    ['${A:5}', true],
    ['${A:-x', true],
    ['${A/x', true],
    ['${A/x/y', true],
    [`'a`, true],
    [`"a`, true],
    [`"\${A"`, true],
    ['${U?}', false],
    ['${U:?why}', false],
    ['${E:?}', false],
    ['${A#\\a}', false],
  ])('refuses %s', (word, syntax) => {
    let error: unknown
    try {
      expand(word)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(WordError)
    expect(error).toMatchObject({ syntax })
  })

  it('says the message of ${v:?message}', () => {
    expect(() => expand('${U:?set $A}')).toThrow('U: set alpha')
    expect(() => expand('${U?}')).toThrow('U: is not allowed to be unset')
    expect(() => expand('${E:?}')).toThrow('E: is not allowed to be empty')
  })

  it.each([
    ['a b', ['a', 'b']],
    ['  a   b ', ['a', 'b']],
    ['$S', ['one', 'two']],
    ['"$S"', ['one two']],
    ['a\\ b', ['a b']],
    ['x$S"y z"', ['xone', 'twoy z']],
    ['""', []],
    ['$E', []],
    ['a "" b', ['a', 'b']],
  ])('%s is the words %j', (word, expected) => {
    expect(expand(word).words).toEqual(expected)
  })

  it('takes the escape directive, which patterns do not', () => {
    const escape = '`'
    expect(expand('`$A', { escape }).text).toBe('$A')
    expect(expand('c:\\x\\$A', { escape }).text).toBe('c:\\x\\alpha')
    expect(expand('"`""', { escape }).text).toBe('"')
    expect(expand('${STAR#a\\*}', { escape }).text).toBe('b*c')
  })

  it('leaves quotes in here-documents', () => {
    expect(expand(`"$A" '$A' \\$A \\\\ \\x`, { plainQuotes: true }).text).toBe(
      `"alpha" 'alpha' $A \\ x`,
    )
  })

  it('tells which variables were asked for', () => {
    const { set, unset } = expand('$A $B ${C:-x} ${D+x} ${F:-$G}')
    expect([...set]).toEqual(['A'])
    expect([...unset]).toEqual(['B', 'G'])
  })

  it('leaves text without $, quotes and escapes as it is', () => {
    const alphabet = 'ab /.:=-{}[]()*?#%ü😀'
    let seed = 7
    for (let round = 0; round < 500; round++) {
      const chars = Array.from(alphabet)
      let text = ''
      for (let n = 0; n < 12; n++) {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
        text += chars[seed % chars.length]
      }
      expect(expand(text).text).toBe(text)
      // quoted either way it is the same
      expect(expand(`'${text}'`).text).toBe(text)
      expect(expand(`"${text}"`).text).toBe(text)
      expect(expand(text).words).toEqual(text.split(' ').filter(Boolean))
    }
  })
})
