import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What one run of a command took. */
export interface Measured {
  readonly seconds: number
  /** peak of the resident memory of all of its plinth (node) processes together, in MiB */
  readonly nodeMemory: number
}

/**
 * Runs a command to its end; throws with its output when it fails. Memory is sampled every 20 ms over the
 * whole tree of processes: shared pages count once for each process, so that the figure errs upwards.
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
  const sample = setInterval(() => (nodeMemory = Math.max(nodeMemory, memoryOf(child.pid))), 20)
  const code = await ended.finally(() => clearInterval(sample))
  if (code !== 0)
    throw new Error(
      `${command.join(' ')} failed (${code}):\n${Buffer.concat(output).toString().slice(-4000)}`,
    )
  return { seconds, nodeMemory }
}

/** Resident memory in MiB of a process's node descendants and of itself. */
function memoryOf(pid: number | undefined): number {
  if (pid === undefined) return 0
  let total = 0
  const seen = new Set<string>()
  const pending = [pid]
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    try {
      const status = readFileSync(`/proc/${one}/status`, 'latin1')
      // a child that has not yet executed its program still is its parent's memory
      const size = /^Vm(Size|Data):.*$/gm[Symbol.match](status)?.join() ?? ''
      if (seen.has(size)) continue
      seen.add(size)
      const resident = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024
      if (/^Name:\s+node/m.test(status)) total += resident
      pending.push(
        ...readFileSync(`/proc/${one}/task/${one}/children`, 'latin1')
          .split(' ')
          .filter(Boolean)
          .map(Number),
      )
    } catch {
      // it ended meanwhile
    }
  }
  return total
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
