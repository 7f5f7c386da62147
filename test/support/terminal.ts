import type { Io, Sink } from '../../src/cli/io.ts'

/** A command line's surroundings without a machine: text is kept, time moves only when told to. */
export interface FakeIo extends Io {
  readonly stdout: FakeSink
  readonly stderr: FakeSink
  /** Moves the clock; timers that fall due are run on the way. */
  pass(milliseconds: number): void
}

export interface FakeSink extends Sink {
  /** everything written so far */
  text: string
  /** what a terminal of that size would show, without colours */
  screen(): string
}

export interface FakeIoOptions {
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  readonly cwd?: string | undefined
}

export function fakeIo(options: FakeIoOptions = {}): FakeIo {
  let time = Date.UTC(2026, 0, 1)
  const timers = new Set<{ due: number; readonly period: number; readonly tick: () => void }>()
  return {
    stdout: fakeSink(options),
    stderr: fakeSink(options),
    env: options.env ?? {},
    cwd: options.cwd ?? '/nowhere',
    home: '/home/someone',
    uid: 1000,
    arch: 'x64',
    now: () => time,
    every(period, tick) {
      const timer = { due: time + period, period, tick }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    pass(milliseconds) {
      const end = time + milliseconds
      for (;;) {
        const [next] = [...timers]
          .filter((timer) => timer.due <= end)
          .toSorted((a, b) => a.due - b.due)
        if (next === undefined) break
        time = next.due
        next.due += next.period
        next.tick()
      }
      time = end
    },
  }
}

function fakeSink({ isTTY = false, columns = 80, rows = 24 }: FakeIoOptions): FakeSink {
  return {
    text: '',
    isTTY,
    columns,
    rows,
    write(text) {
      this.text += text
    },
    screen() {
      return screenOf(this.text)
    },
  }
}

/** Carries out what renderers use: cursor up, carriage return, erase below; everything else is ignored. */
function screenOf(text: string): string {
  const lines = ['']
  let row = 0
  let column = 0
  const escape = String.fromCharCode(27)
  const token = new RegExp(`${escape}\\[([?0-9;]*)([A-Za-z])|\\n|\\r|[^${escape}\\n\\r]+`, 'g')
  for (const [part, count, command] of text.matchAll(token)) {
    if (part === '\n') {
      row += 1
      column = 0
      lines[row] ??= ''
    } else if (part === '\r') column = 0
    else if (command === 'A') row = Math.max(0, row - Number(count || 1))
    else if (command === 'J') {
      lines.length = row + 1
      lines[row] = (lines[row] ?? '').slice(0, column)
    } else if (command === undefined) {
      const line = lines[row] ?? ''
      lines[row] = line.slice(0, column) + part + line.slice(column + part.length)
      column += part.length
    }
  }
  return lines.join('\n')
}
