import { spawn } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { ScriptError } from '../arguments.ts'

/** What one run of a command took. */
export interface Measured {
  readonly seconds: number
  /** peak of the memory of all of its plinth (node) processes together, in MiB */
  readonly nodeMemory: number
}

/**
 * Runs a command to its end; throws with its output when it fails. Memory is sampled every 50 ms
 * over the whole tree of processes.
 */
export async function measure(
  command: readonly [string, ...string[]],
  env: Record<string, string> = {},
): Promise<Measured> {
  const output: Buffer[] = []
  const start = performance.now()
  const child = spawn(command[0], command.slice(1), {
    env: { ...process.env, ...env },
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
  let nodeMemory = 0
  const sample = setInterval(() => (nodeMemory = Math.max(nodeMemory, memoryOf(child.pid))), 50)
  const code = await ended.finally(() => clearInterval(sample))
  if (code !== 0)
    throw new ScriptError(
      `${command.join(' ')} failed (${code}):\n${Buffer.concat(output).toString().slice(-4000)}`,
    )
  return { seconds, nodeMemory }
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
