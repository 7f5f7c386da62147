import type { Emit } from '../../events.ts'
import type { CommandContext, WorkOptions } from '../command.ts'
import { openRenderer } from '../render/open.ts'
import type { StageDeps } from '../stages.ts'
import { storePath } from '../surroundings.ts'

/** Runs `work` with progress shown; the terminal is restored whatever happens. */
export async function withProgress<T>(
  options: WorkOptions,
  context: CommandContext,
  work: (deps: StageDeps) => Promise<T>,
): Promise<T> {
  const { io, signal } = context
  const renderer = openRenderer(options.progress, io)
  context.onForcedExit(() => renderer.close())
  try {
    return await work(stageDeps(options, context, renderer.emit))
  } catch (error) {
    // what an abort looks like depends on where it struck; its reason says what it was
    if (signal.aborted) throw signal.reason
    throw error
  } finally {
    renderer.close()
  }
}

/** What the pipeline gets of a command's surroundings. */
export function stageDeps(
  options: WorkOptions,
  { io, signal }: CommandContext,
  emit: Emit,
): StageDeps {
  return {
    store: storePath(options.store, io),
    emit,
    signal,
    now: () => new Date(io.now()),
    uid: io.uid,
    env: io.env,
  }
}
