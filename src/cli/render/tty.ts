import { readableSize } from '../../output/progress.ts'
import { cells, clip, printable, readableDuration } from '../format.ts'
import type { Io } from '../io.ts'
import { paints, type Paint } from './paint.ts'
import type { Renderer } from './renderer.ts'
import { amountOf, rateOf, Steps, type Step } from './step.ts'

const hideCursor = '\u001B[?25l'
const showCursor = '\u001B[?25h'
const redrawEvery = 100
const barWidth = 24
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/**
 * A live region at the bottom with one line per running step, redrawn ten times a second at most;
 * what is over, scripts' output and warnings scroll away above it.
 */
export function ttyRenderer(io: Io, options: { readonly colour: boolean }): Renderer {
  const paint = paints(options.colour)
  const steps = new Steps()
  const started = io.now()
  let above = ''
  let drawnLines = 0
  let closed = false

  const draw = (): void => {
    const now = io.now()
    const room = Math.max(1, io.stderr.rows - 2)
    const shown = steps.running.slice(-room)
    const width = io.stderr.columns - 1
    const spin = spinner[Math.floor((now - started) / redrawEvery) % spinner.length] ?? ''
    const live = shown.map((step) => `${liveLine(step, { now, width, spin, paint })}\n`)
    if (above === '' && live.length === 0 && drawnLines === 0) return
    const erase = drawnLines === 0 ? '' : `\u001B[${drawnLines}A\r\u001B[J`
    const cursor = live.length > 0 && drawnLines === 0 ? hideCursor : ''
    const restore = live.length === 0 && drawnLines > 0 ? showCursor : ''
    io.stderr.write(cursor + erase + above + live.join('') + restore)
    above = ''
    drawnLines = live.length
  }
  const stop = io.every(redrawEvery, draw)

  const ended = (id: string, mark: string, facts: (step: Step) => readonly string[]): void => {
    const step = steps.end(id)
    if (step === undefined) return
    const rest = facts(step).filter((fact) => fact !== '')
    const indent = '  '.repeat(step.depth)
    above += `${indent}${mark} ${printable(step.title)}${rest.map((fact) => paint.dim(`  ${fact}`)).join('')}\n`
  }

  return {
    emit(event) {
      const now = io.now()
      switch (event.type) {
        case 'step-started':
          steps.start(event, now)
          break
        case 'step-progress':
          steps.progress(event, now)
          break
        case 'step-finished':
          ended(event.id, paint.green('✔'), (step) => [
            event.cached === true ? 'cached' : '',
            printable(event.detail ?? ''),
            readableDuration(now - step.started),
          ])
          break
        case 'step-failed':
          ended(event.id, paint.red('✖'), (step) => [readableDuration(now - step.started)])
          break
        case 'output':
          above += `${paint.dim(`  │ ${printable(event.line)}`)}\n`
          break
        case 'warning':
          above += `${paint.yellow('▲ warning:')} ${printable(event.message)} ${paint.dim(`(${event.code})`)}\n`
          if (event.hint !== undefined) above += `  ${paint.dim(printable(event.hint))}\n`
          break
      }
    },
    close() {
      if (closed) return
      closed = true
      stop()
      for (const step of steps.running) steps.end(step.id)
      draw()
    },
  }
}

interface LineContext {
  readonly now: number
  readonly width: number
  readonly spin: string
  readonly paint: Paint
}

/** `⠋ fetch 78 packages ━━━━━━────── 12.3 MB of 39.3 MB  8.1 MB/s  3 s left  libc6`, cut to the width. */
function liveLine(step: Step, { now, width, spin, paint }: LineContext): string {
  const head = `${'  '.repeat(step.depth)}${spin} ${printable(step.title)}`
  const share = step.total ? Math.min(1, step.done / step.total) : undefined
  const rate = rateOf(step, now)
  const left =
    rate !== undefined && step.total !== undefined ? (step.total - step.done) / rate : undefined
  const facts = [
    amountOf(step),
    rate === undefined || step.unit === 'items' ? '' : `${readableSize(rate)}/s`,
    left === undefined || left < 1 ? '' : `${readableDuration(left * 1000)} left`,
    left === undefined ? readableDuration(now - step.started) : '',
    printable(step.detail ?? ''),
  ]
  const tail = facts.filter((fact) => fact !== '').join('  ')
  const roomForBar = width - cells(head) - cells(tail) - 3
  const bar = share === undefined || roomForBar < barWidth ? '' : barOf(share, paint)
  const room = width - cells(head) - (bar === '' ? 0 : barWidth + 1) - 1
  return `${clip(head, width)}${bar === '' ? '' : ` ${bar}`}${room > 3 ? ` ${paint.dim(clip(tail, room))}` : ''}`
}

function barOf(share: number, paint: Paint): string {
  const full = Math.round(share * barWidth)
  return paint.cyan('━'.repeat(full)) + paint.dim('─'.repeat(barWidth - full))
}
