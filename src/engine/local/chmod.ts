import { PlinthError } from '../../errors.ts'

/** What a mode becomes. */
export type Chmod = (entry: { readonly type: string; readonly mode: number }) => number

/**
 * What `--chmod` says: octal digits, or symbols as chmod(1) has them (`u=rwX,go=rX`, `g=u`; without who: for all,
 * the umask plays no part). Throws `DOCKERFILE_INVALID` for anything else.
 */
export function parseChmod(text: string): Chmod {
  if (/^[0-7]{1,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) {
    const mode = Number.parseInt(text, 8)
    return () => mode
  }
  const clauses = text.split(',').map((clause) => {
    const match = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(clause)
    if (match === null) {
      throw new PlinthError('DOCKERFILE_INVALID', `'${text}' is no mode`, {
        hint: 'write octal digits up to 7777 (--chmod=0644) or symbols (--chmod=u=rwX,go=rX)',
      })
    }
    const [, who = '', changes = ''] = match
    return { who: who === '' || who.includes('a') ? 'ugo' : who, changes }
  })
  return ({ type, mode }) =>
    clauses.reduce((before, { who, changes }) => {
      let after = before
      for (const [, sign, letters = ''] of changes.matchAll(/([-+=])([rwxXst]*[ugo]?)/g)) {
        const bits = copied(letters, who, after) ?? bitsOf(letters, who, mayRun(type, after))
        if (sign === '-') after &= ~bits
        else after = (sign === '=' ? after & ~cleared(who) : after) | bits
      }
      return after
    }, mode)
}

const shifts: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 }

/** What `X` asks: a directory can always be entered. */
function mayRun(type: string, mode: number): boolean {
  return type === 'directory' || (mode & 0o111) !== 0
}

/** The bits that another has: reading, writing and running alone. */
function copied(letters: string, who: string, mode: number): number | undefined {
  const from = shifts[letters]
  if (from === undefined) return undefined
  const held = (mode >> from) & 7
  let bits = 0
  for (const one of who) bits |= held << shifts[one]!
  return bits
}

function bitsOf(letters: string, who: string, mayExecute: boolean): number {
  let bits = 0
  for (const one of who) {
    const shift = shifts[one]!
    if (letters.includes('r')) bits |= 4 << shift
    if (letters.includes('w')) bits |= 2 << shift
    if (letters.includes('x') || (letters.includes('X') && mayExecute)) bits |= 1 << shift
    if (letters.includes('s')) bits |= one === 'u' ? 0o4000 : one === 'g' ? 0o2000 : 0
  }
  return letters.includes('t') ? bits | 0o1000 : bits
}

function cleared(who: string): number {
  let bits = who === 'ugo' ? 0o1000 : 0
  for (const one of who) {
    bits |= 7 << shifts[one]!
    bits |= one === 'u' ? 0o4000 : one === 'g' ? 0o2000 : 0
  }
  return bits
}
