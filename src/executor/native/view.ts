import { spawn } from 'node:child_process'
import { PlinthError } from '../../errors.ts'
import type { LineSource } from './lines.ts'
import { lineSource } from './lines.ts'
import { closed, tailOf } from './process.ts'
import { startError } from './diagnose.ts'

/** A mount namespace to run processes in. */
export interface View {
  /** the words before a command that is to run there, in the tree's root: still the host's programs */
  readonly enter: readonly string[]
  /** paths that had to be made to mount on */
  readonly stubs: readonly string[]
}

/** What a view's script reports while it sets up. */
export interface ViewReport {
  readonly stubs: readonly string[]
  /** its process as the host sees it, where it says so */
  readonly pid: string | undefined
}

/** Waits for a view to stand. Throws `PATH_UNSAFE` when the tree cannot take the mounts. */
export async function viewReady(lines: LineSource, said: () => string): Promise<ViewReport> {
  const stubs: string[] = []
  let pid: string | undefined
  for (;;) {
    const line = await lines.next()
    if (line === undefined) throw await startError(said())
    if (line === 'view') return { stubs, pid }
    const space = line.indexOf(' ')
    const word = line.slice(0, space)
    const rest = line.slice(space + 1)
    if (word === 'init') pid = rest
    if (word === 'stub') stubs.push(rest.replace(/^\.\//, ''))
    if (word === 'unsafe') {
      throw new PlinthError('PATH_UNSAFE', `cannot run in this tree: '/${rest}' is no directory`, {
        hint: 'proc, dev and sys are where the kernel is mounted: they must be directories or absent',
      })
    }
  }
}

/** Starts a view in a process of its own, which ends when it is closed. */
export async function startView(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ViewReport & { close(): Promise<void> }> {
  const child = spawn(argv[0]!, argv.slice(1), {
    env: { ...env },
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const end = closed(child)
  const said = tailOf(child.stderr)
  child.stdin.on('error', () => {})
  const close = async (): Promise<void> => {
    child.stdin.destroy()
    await end
  }
  try {
    return { ...(await viewReady(lineSource(child.stdout), said)), close }
  } catch (error) {
    await close()
    throw error
  }
}
