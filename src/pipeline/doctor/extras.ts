import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { isXzNative } from '../../archive/xz.ts'
import { isPlinthError } from '../../errors.ts'
import { findEngine, type DockerLoadOptions } from '../../output/docker-load.ts'
import type { Finding } from './finding.ts'
import { installHint } from './install-hint.ts'

const execute = promisify(execFile)

/** Whether an engine answers that `--load` would give images to. */
export async function checkEngine(
  engines: DockerLoadOptions,
  signal: AbortSignal,
): Promise<Finding> {
  const name = 'engine'
  try {
    return { name, state: 'ok', detail: `one answers at ${await findEngine(engines, signal)}` }
  } catch (error) {
    if (!isPlinthError(error, 'ENGINE_UNREACHABLE', 'OUTPUT_INVALID')) throw error
    const detail = 'no Docker or Podman answers: --load has none to load into'
    return { name, state: 'absent', detail, hint: error.hint }
  }
}

/** git, which ADD needs for repositories. */
export async function checkGit(path: string): Promise<Finding> {
  const name = 'git'
  try {
    const { stdout } = await execute('git', ['--version'], { env: { PATH: path } })
    return { name, state: 'ok', detail: stdout.trim() }
  } catch {
    const hint = await installHint('git')
    return { name, state: 'absent', detail: 'not there: ADD of git repositories needs it', hint }
  }
}

/** The native decoder of xz, which packages are compressed with. */
export function checkXz(): Finding {
  if (isXzNative()) return { name: 'xz', state: 'ok', detail: 'liblzma, on the thread pool' }
  return {
    name: 'xz',
    state: 'degraded',
    detail:
      'decoded by WebAssembly, several times as slow: node-liblzma has no build for this system',
    hint: 'install plinth with its optional dependencies: npm ci --include=optional',
  }
}
