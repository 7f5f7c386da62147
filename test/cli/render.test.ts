import { describe, expect, it } from 'vitest'
import { openRenderer } from '../../src/cli/render/open.ts'
import type { ProgressMode } from '../../src/cli/render/renderer.ts'
import type { Event } from '../../src/events.ts'
import { fakeIo, type FakeIo, type FakeIoOptions } from '../support/terminal.ts'

/** An event, or milliseconds that pass. */
type Scene = readonly (Event | number)[]

const build: Scene = [
  { type: 'step-started', id: 'fetch', title: 'fetch 78 packages', total: 40e6, unit: 'bytes' },
  { type: 'step-progress', id: 'fetch', done: 0, detail: 'libc6' },
  1000,
  { type: 'step-progress', id: 'fetch', done: 10e6, detail: 'perl-base' },
  1000,
  { type: 'warning', code: 'SLOW_MIRROR', message: 'the mirror is slow', hint: 'try another' },
  4000,
  { type: 'step-progress', id: 'fetch', done: 30e6, detail: 'bash' },
  { type: 'step-finished', id: 'fetch', detail: '40.0 MB' },
  { type: 'step-started', id: 'configure', title: 'configure', total: 78, unit: 'items' },
  { type: 'step-started', id: 'scripts', parent: 'configure', title: 'maintainer scripts' },
  500,
  {
    type: 'output',
    id: 'scripts',
    stream: 'stdout',
    line: '\u001B[31mSetting up\u001B[0m libc6\t…',
  },
  { type: 'step-finished', id: 'scripts', cached: true },
  { type: 'step-failed', id: 'configure' },
]

function play(scene: Scene, mode: ProgressMode, options: FakeIoOptions = {}, close = true): FakeIo {
  const io = fakeIo(options)
  const renderer = openRenderer(mode, io)
  for (const part of scene) {
    if (typeof part === 'number') io.pass(part)
    else renderer.emit(part)
  }
  if (close) renderer.close()
  return io
}

describe('plain progress', () => {
  it('appends a line where something begins or ends, and now and then between', () => {
    expect(play(build, 'plain').stderr.text).toMatchInlineSnapshot(`
      "fetch 78 packages ...
      warning: the mirror is slow (SLOW_MIRROR)
        hint: try another
      fetch 78 packages: 30.0 MB of 40.0 MB (75 %)
      fetch 78 packages: done (40.0 MB, 6.0 s)
      configure ...
        maintainer scripts ...
        | Setting up libc6    …
        maintainer scripts: done (cached, 0.5 s)
      configure: failed after 0.5 s
      "
    `)
  })

  it('writes no escape sequence, whatever scripts print', () => {
    expect(play(build, 'plain', { isTTY: true }).stderr.text).not.toContain('\u001B')
  })
})

describe('json progress', () => {
  it('writes each event as a line, with the time', () => {
    const lines = play(build, 'json').stderr.text.trimEnd().split('\n')
    const events = build.filter((part) => typeof part !== 'number')
    expect(lines).toHaveLength(events.length)
    expect(JSON.parse(lines[0] ?? '')).toEqual({ time: '2026-01-01T00:00:00.000Z', ...events[0] })
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ time: '2026-01-01T00:00:06.500Z' })
  })
})

describe('progress on a terminal', () => {
  it('shows what runs with amount, rate and time left', () => {
    const io = play([...build.slice(0, 4), 200], 'tty', { isTTY: true, columns: 100 }, false)
    expect(io.stderr.screen()).toMatchInlineSnapshot(`
      "⠹ fetch 78 packages ━━━━━━────────────────── 10.0 MB of 40.0 MB  8.3 MB/s  3.6 s left  perl-base
      "
    `)
  })

  it('leaves one line for each step that is over, and what was said on the way', () => {
    expect(play(build, 'tty', { isTTY: true }).stderr.screen()).toMatchInlineSnapshot(`
      "▲ warning: the mirror is slow (SLOW_MIRROR)
        try another
      ✔ fetch 78 packages  40.0 MB  6.0 s
        │ Setting up libc6    …
        ✔ maintainer scripts  cached  0.5 s
      ✖ configure  0.5 s
      "
    `)
  })

  it('never writes a line wider than the terminal', () => {
    const long: Scene = [
      { type: 'step-started', id: 'a', title: 'a step with a title', total: 10 },
      { type: 'step-progress', id: 'a', done: 3, detail: `漢字${'x'.repeat(300)}` },
      300,
    ]
    for (const columns of [10, 21, 40, 60, 80]) {
      const screen = play(long, 'tty', { isTTY: true, columns }, false).stderr.screen()
      for (const line of screen.split('\n')) {
        const wide = line.match(/[漢字]/g)?.length ?? 0
        expect(line.length + wide).toBeLessThan(columns)
      }
    }
  })

  it('draws no more lines than the terminal has', () => {
    const many = Array.from({ length: 50 }, (_, i): Event => ({
      type: 'step-started',
      id: `${i}`,
      title: `step ${i}`,
    }))
    const screen = play([...many, 200], 'tty', { isTTY: true, rows: 10 }, false).stderr.screen()
    expect(screen.trimEnd().split('\n')).toHaveLength(8)
    expect(screen).toContain('step 49')
  })

  it('redraws at most ten times a second', () => {
    const io = fakeIo({ isTTY: true })
    let writes = 0
    const stderr = { ...io.stderr, write: () => void writes++ }
    const renderer = openRenderer('tty', { ...io, stderr })
    renderer.emit({ type: 'step-started', id: 'a', title: 'a', total: 1000 })
    for (let done = 0; done < 1000; done++) {
      renderer.emit({ type: 'step-progress', id: 'a', done })
      io.pass(1)
    }
    expect(writes).toBeGreaterThan(5)
    expect(writes).toBeLessThanOrEqual(10)
  })

  it('hides the cursor only while it draws', () => {
    const hidden = '\u001B[?25l'
    const shown = '\u001B[?25h'
    const running = play([...build.slice(0, 4), 200], 'tty', { isTTY: true }, false).stderr.text
    expect(running.lastIndexOf(hidden)).toBeGreaterThan(running.lastIndexOf(shown))
    const closed = play([...build.slice(0, 4), 200], 'tty', { isTTY: true }).stderr.text
    expect(closed.lastIndexOf(shown)).toBeGreaterThan(closed.lastIndexOf(hidden))
  })

  it('has no colours with NO_COLOR', () => {
    const colour = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`)
    expect(play(build, 'tty', { isTTY: true }).stderr.text).toMatch(colour)
    expect(play(build, 'tty', { isTTY: true, env: { NO_COLOR: '1' } }).stderr.text).not.toMatch(
      colour,
    )
  })
})

describe('--progress auto', () => {
  it.each([
    { name: 'a terminal', options: { isTTY: true }, draws: true },
    { name: 'a file', options: {}, draws: false },
    { name: 'a terminal of CI', options: { isTTY: true, env: { CI: 'true' } }, draws: false },
    { name: 'a dumb terminal', options: { isTTY: true, env: { TERM: 'dumb' } }, draws: false },
  ])('on $name', ({ options, draws }) => {
    expect(play(build, 'auto', options).stderr.text.includes('\u001B')).toBe(draws)
  })
})
