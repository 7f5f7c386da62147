import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Sends signals to the program `depth` processes below a child of this one: nsenter(1) makes a process of its own to
 * enter the pid namespace and waits for it. A program that is only about to begin gets it when it has.
 */
export function signalSender(child: ChildProcess, depth: number): (signal: NodeJS.Signals) => void {
  const send = async (signal: NodeJS.Signals): Promise<void> => {
    while (child.exitCode === null && child.signalCode === null) {
      let pid = child.pid
      for (let i = 0; i < depth; i++) pid = onlyChild(pid)
      if (pid !== undefined) {
        try {
          process.kill(pid, signal)
        } catch (error) {
          // it ended this moment
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
        }
        return
      }
      await sleep(5)
    }
  }
  return (signal) => void send(signal)
}

/** /proc/PID/task/TID/children (proc(5)). */
function onlyChild(pid: number | undefined): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    const found = Number.parseInt(text, 10)
    return Number.isNaN(found) ? undefined : found
  } catch {
    return undefined
  }
}
