/** Values that instructions take: what they may be, how they are written. Each answers undefined for what is none. */

const units: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

/** A duration of Go (`1m30s`, `1.5h`, `0`) in nanoseconds. */
export function parseDuration(text: string): number | undefined {
  const match = /^([-+]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text)
  if (match === null) return undefined
  const [, sign, amounts = ''] = match
  let total = 0
  for (const [, amount, unit] of amounts.matchAll(/([\d.]+)([a-zµμ]+)/g))
    total += Number(amount) * units[unit!]!
  return Math.trunc(total) * (sign === '-' ? -1 : 1)
}

/** A size of memory (`64m`, `1.5GiB`, `512`) in bytes: units are of 1024. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s?([kmgtp]?)(i?b)?$/i.exec(text)
  if (match === null) return undefined
  const power = ' kmgtp'.indexOf((match[2] || ' ').toLowerCase())
  return Math.trunc(Number(match[1]) * 1024 ** power)
}

/** A boolean as Go's strconv reads it. */
export function parseBoolean(text: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false
  return undefined
}

/** A number without sign that fits 32 bits. */
export function parseUnsigned(text: string, base: 8 | 10): number | undefined {
  if (!(base === 8 ? /^[0-7]+$/ : /^\d+$/).test(text)) return undefined
  const value = Number.parseInt(text, base)
  return value <= 0xffff_ffff ? value : undefined
}

/** Whether a text is a mode: octal up to 07777, or symbolic (`u=rwX,go=rX`). */
export function isMode(text: string): boolean {
  if (/^[0-9]/.test(text)) return /^(?:0o)?[0-7]+$/.test(text) && octal(text) <= 0o7777
  return /^[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*$/.test(
    text,
  )
}

function octal(text: string): number {
  return Number.parseInt(text.replace(/^0o/, ''), 8)
}

const signals =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ'

/** The signals of Linux by name, without `SIG`. */
export const signalNames: readonly string[] = [
  ...signals.split(' '),
  'RTMIN',
  ...Array.from({ length: 15 }, (_, n) => `RTMIN+${n + 1}`),
  ...Array.from({ length: 14 }, (_, n) => `RTMAX-${14 - n}`),
  'RTMAX',
]

/** Whether a text names a signal: `SIGTERM`, `term`, `15`. */
export function isSignal(text: string): boolean {
  // any number: what it means is the kernel's business
  if (/^\d+$/.test(text)) return Number(text) > 0
  return signalNames.includes(text.toUpperCase().replace(/^SIG/, ''))
}
