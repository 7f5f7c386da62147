#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import os from 'node:os'
import process from 'node:process'
import v8 from 'node:v8'
import { interruptible } from './interrupt.ts'
import type { Io, Sink } from './io.ts'

const argv = process.argv.slice(2)
if (argv[0] === '--version' || argv[0] === '-V') {
  // the one answer that needs nothing loaded
  const about = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  console.log((JSON.parse(about) as { readonly version: string }).version)
} else {
  tuneV8()
  const { run } = await import('./run.ts')
  const interrupt = interruptible(process)
  const exitCode = await run(argv, {
    io: realIo(),
    signal: interrupt.signal,
    onForcedExit: (restore) => interrupt.onForcedExit(restore),
    forward: (listener) => interrupt.forward(listener),
    stages: async () => (await import('./pipeline.ts')).stages,
  })
  // idle connections and timers must not keep a finished command alive
  process.stdout.write('', () => process.exit(exitCode))
}

/**
 * V8 is made for processes that run long. A build is over before most code pays back being optimized, and marks a
 * small heap over and over because buffers come and go: with two processors a sixth of all it computes. A V8 that
 * does not know a flag says so on standard error: only those that do are asked.
 */
function tuneV8(): void {
  if (Number(process.versions.node.split('.')[0]) > 24) return
  v8.setFlagsFromString('--interrupt-budget=1000000')
  v8.setFlagsFromString('--no-incremental-marking')
}

function realIo(): Io {
  return {
    stdout: sink(process.stdout),
    stderr: sink(process.stderr),
    env: process.env,
    cwd: process.cwd(),
    home: os.homedir(),
    uid: process.getuid?.() ?? -1,
    arch: process.arch,
    now: Date.now,
    every(milliseconds, tick) {
      const timer = setInterval(tick, milliseconds)
      timer.unref()
      return () => clearInterval(timer)
    },
  }
}

/** A reader that goes away (`plinth plan debian | head`) is no failure: what is left is not written. */
function sink(stream: NodeJS.WriteStream): Sink {
  let gone = false
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    gone = true
  })
  return {
    write(text) {
      if (!gone && text !== '') stream.write(text)
    },
    get isTTY() {
      return stream.isTTY
    },
    get columns() {
      return stream.columns || 80
    },
    get rows() {
      return stream.rows || 24
    },
  }
}
