import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { ScriptError } from '../arguments.ts'

type Command = readonly [string, ...string[]]

/**
 * Seconds a command takes; throws with its output when it fails. It starts when the disk has written what
 * whoever ran before has left to write.
 */
export async function measure(command: Command): Promise<number> {
  spawnSync('sync')
  return run(command, () => {})
}

/**
 * Peak of the memory of all plinth (node) processes of a command together, in MiB: sampled every 50 ms over the
 * whole tree of processes, which takes its own time and so has a run of its own.
 */
export async function peakMemory(command: Command): Promise<number> {
  let peak = 0
  await run(command, (pid) => (peak = Math.max(peak, memoryOf(pid))))
  return peak
}

/** Runs a command to its end and gives the seconds it took. */
async function run(command: Command, sample: (pid: number | undefined) => void): Promise<number> {
  const output: Buffer[] = []
  const start = performance.now()
  const child = spawn(command[0], command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  let seconds = 0
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      seconds = (performance.now() - start) / 1000
      resolve(code)
    })
  })
  const timer = setInterval(() => sample(child.pid), 50)
  const code = await ended.finally(() => clearInterval(timer))
  if (code !== 0)
    throw new ScriptError(
      `${command.join(' ')} failed (${code}):\n${Buffer.concat(output).toString().slice(-4000)}`,
    )
  return seconds
}

/**
 * Memory in MiB of a process and its descendants, as far as they are node: proportional set sizes, so that
 * a page that several share (a child before it executes its program) counts once.
 */
function memoryOf(pid: number | undefined): number {
  if (pid === undefined) return 0
  let total = 0
  const pending = [pid]
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    try {
      if (readFileSync(`/proc/${one}/comm`, 'latin1').startsWith('node')) {
        const rollup = readFileSync(`/proc/${one}/smaps_rollup`, 'latin1')
        total += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) / 1024
      }
      const children = readFileSync(`/proc/${one}/task/${one}/children`, 'latin1')
      pending.push(...children.split(' ').filter(Boolean).map(Number))
    } catch {
      // it ended meanwhile
    }
  }
  return total
}

/** Whether PATH has a program of this name. */
export function findProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((directory) => {
    try {
      accessSync(path.join(directory, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
